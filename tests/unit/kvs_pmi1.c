/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a rank says to hydra in PMI-1's lines, and what it makes of the answers, against a server of one rank that keeps
 * what was put. Anything but hydra, or a rank that is alone, gets no line at all; a refusal, nonsense, or an end of the
 * connection is an error, never a wait.
 */
#include "kvs.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHECK_RC(expression, wanted)                                                                    \
	do {                                                                                            \
		int rc_ = (expression);                                                                 \
		if (rc_ != (wanted)) {                                                                  \
			fprintf(stderr, "%s:%d: %s: %d, not %d\n", __FILE__, __LINE__, #expression, rc_, (wanted)); \
			exit(1);                                                                        \
		}                                                                                       \
	} while (0)

enum manner { RIGHT, REFUSES_PUT, NONSENSE, HANGS_UP, DRIBBLES };

static struct server {
	int fd;
	enum manner manner;
	int lines, finalized;
	char last_put[256];
} server;

static void answer(const char *text)
{
	size_t step = server.manner == DRIBBLES ? 1 : strlen(text);

	for (size_t i = 0; i < strlen(text); i += step)
		if (send(server.fd, text + i, step, MSG_NOSIGNAL) < 0)
			return;
}

static void serve(const char *line)
{
	server.lines++;
	if (server.manner == NONSENSE)
		answer("cmd=response_to_in\n");
	else if (!strcmp(line, "cmd=init pmi_version=1 pmi_subversion=1\n"))
		answer("cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=0\n");
	else if (!strcmp(line, "cmd=get_my_kvsname\n"))
		answer("cmd=my_kvsname kvsname=kvs_17_0\n");
	else if (!strncmp(line, "cmd=put ", 8)) {
		strcpy(server.last_put, line);
		answer(server.manner == REFUSES_PUT ? "cmd=put_result rc=-1 msg=full\n" : "cmd=put_result rc=0 msg=success\n");
	} else if (!strcmp(line, "cmd=get kvsname=kvs_17_0 key=vmonecopy-4\n"))
		answer("cmd=get_result rc=0 msg=success value=1\n");
	else if (!strcmp(line, "cmd=get kvsname=kvs_17_0 key=vmonecopy-5\n"))
		answer("cmd=get_result rc=0 msg=success value=2\n");
	else if (!strcmp(line, "cmd=finalize\n")) {
		server.finalized++;
		answer("cmd=finalize_ack\n");
	} else
		answer("cmd=get_result rc=-1 msg=key_not_found value=unknown\n");
}

static void *run_server(void *unused)
{
	char line[1024];
	size_t used = 0;

	(void)unused;
	while (used < sizeof line - 1 && recv(server.fd, line + used, 1, 0) == 1) {
		if (line[used++] != '\n')
			continue;
		line[used] = '\0';
		used = 0;
		if (server.manner == HANGS_UP)
			break;
		serve(line);
	}
	close(server.fd);
	return NULL;
}

static int client_fd;
static pthread_t thread;

static void start(enum manner manner)
{
	int pair[2];
	char text[16];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		exit(1);
	server = (struct server){ .fd = pair[1], .manner = manner };
	client_fd = pair[0];
	snprintf(text, sizeof text, "%d", client_fd);
	setenv("PMI_FD", text, 1);
	setenv("PMI_RANK", "3", 1);
	setenv("PMI_SIZE", "7", 1);
	setenv("MPI_LOCALNRANKS", "7", 1);
	pthread_create(&thread, NULL, run_server, NULL);
}

static void stop(void)
{
	close(client_fd);
	pthread_join(thread, NULL);
}

static void right(enum manner manner)
{
	struct vmo_pmi1 pmi;

	start(manner);
	CHECK_RC(vmo_pmi1_announce(&pmi, "1"), 0);
	CHECK_RC((int)pmi.size, 7);
	CHECK_RC(strcmp(server.last_put, "cmd=put kvsname=kvs_17_0 key=vmonecopy-3 value=1\n"), 0);
	CHECK_RC(vmo_pmi1_lookup(&pmi, 4, "1"), 1);
	CHECK_RC(vmo_pmi1_lookup(&pmi, 5, "1"), 0);	/* another version */
	CHECK_RC(vmo_pmi1_lookup(&pmi, 6, "1"), 0);	/* not there */
	CHECK_RC(server.finalized, 0);
	vmo_pmi1_withdraw(&pmi);
	CHECK_RC(server.finalized, 1);
	stop();
}

static void wrong(enum manner manner, int rc)
{
	struct vmo_pmi1 pmi;

	start(manner);
	CHECK_RC(vmo_pmi1_announce(&pmi, "1"), rc);
	stop();
}

/* Without this variable, or with that value, nothing is said. */
static void silent(const char *name, const char *value)
{
	struct vmo_pmi1 pmi;

	start(RIGHT);
	if (value)
		setenv(name, value, 1);
	else
		unsetenv(name);
	CHECK_RC(vmo_pmi1_announce(&pmi, "1"), -ENOENT);
	stop();
	CHECK_RC(server.lines, 0);
}

static void gone(void)
{
	struct vmo_pmi1 pmi;

	start(RIGHT);
	CHECK_RC(vmo_pmi1_announce(&pmi, "1"), 0);
	shutdown(server.fd, SHUT_RDWR);
	CHECK_RC(vmo_pmi1_lookup(&pmi, 4, "1") < 0, 1);	/* and no SIGPIPE */
	stop();
}

int main(void)
{
	alarm(60);
	right(RIGHT);
	right(DRIBBLES);
	wrong(REFUSES_PUT, -EPROTO);
	wrong(NONSENSE, -EPROTO);
	wrong(HANGS_UP, -ECONNRESET);
	gone();
	silent("PMI_FD", NULL);
	silent("PMI_RANK", NULL);
	silent("PMI_SIZE", NULL);
	silent("PMI_SIZE", "1");
	silent("PMI_FD", "7x");
	silent("MPI_LOCALNRANKS", NULL);	/* Slurm's */
	return 0;
}
