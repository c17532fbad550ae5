/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PMI-1's wire protocol: a request is one line "cmd=NAME key=value ...", and so is its answer. */
#include "kvs.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define LINE 1024		/* longer ones are not sent */
#define ANSWER_MS 60000		/* the proxy answers at once; mpiexec may be busy starting others */

static int read_line(int fd, char line[LINE])
{
	size_t used = 0;

	while (used < LINE - 1) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		int ready = poll(&wait, 1, ANSWER_MS);

		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			return ready ? -errno : -ETIMEDOUT;
		ssize_t n = recv(fd, line + used, LINE - 1 - used, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ECONNRESET;
		used += (size_t)n;
		if (line[used - 1] != '\n')
			continue;
		line[used - 1] = '\0';
		return 0;
	}
	return -EPROTO;
}

static int ask(int fd, const char *request, const char *command, char line[LINE])
{
	size_t bytes = strlen(request);
	ssize_t sent = send(fd, request, bytes, MSG_NOSIGNAL);

	if (sent != (ssize_t)bytes)
		return sent < 0 ? -errno : -EIO;
	int rc = read_line(fd, line);
	if (rc)
		return rc;
	bytes = strlen(command);
	return !strncmp(line, command, bytes) && (line[bytes] == ' ' || !line[bytes]) ? 0 : -EPROTO;
}

/* The value of a key in an answer, up to the next blank; false: absent or longer than `bytes` allow. */
static bool field(const char *line, const char *key, char *to, size_t bytes)
{
	size_t length = strlen(key);

	for (const char *at = line; (at = strstr(at, key)); at += length) {
		if (at == line || at[-1] != ' ' || at[length] != '=')
			continue;
		const char *value = at + length + 1;
		size_t n = strcspn(value, " ");
		if (n >= bytes)
			return false;
		memcpy(to, value, n);
		to[n] = '\0';
		return true;
	}
	return false;
}

static bool succeeded(const char *line)
{
	char rc[16];

	return !field(line, "rc", rc, sizeof rc) || !strcmp(rc, "0");
}

static int number(const char *name)
{
	const char *text = getenv(name);
	char *end;
	long value = text && *text ? strtol(text, &end, 10) : -1;

	return value >= 0 && !*end && value <= INT32_MAX ? (int)value : -1;
}

/* With others. Slurm's servers, too, set PMI_FD, PMI_RANK and PMI_SIZE, but only hydra the number of ranks on this node. */
static bool started_by_hydra(void)
{
	return getenv("MPI_LOCALNRANKS") && number("PMI_FD") >= 0 && number("PMI_RANK") >= 0 && number("PMI_SIZE") > 1;
}

int vmo_pmi1_announce(struct vmo_pmi1 *pmi, const char *value)
{
	char line[LINE], request[LINE];

	if (!started_by_hydra())
		return -ENOENT;
	pmi->fd = number("PMI_FD");
	pmi->size = (uint32_t)number("PMI_SIZE");
	/* The first init of a node empties what its proxy has collected: nothing may be put before. */
	int rc = ask(pmi->fd, "cmd=init pmi_version=1 pmi_subversion=1\n", "cmd=response_to_init", line);
	if (!rc && !succeeded(line))
		rc = -EPROTO;
	if (!rc)
		rc = ask(pmi->fd, "cmd=get_my_kvsname\n", "cmd=my_kvsname", line);
	if (!rc && !field(line, "kvsname", pmi->space, sizeof pmi->space))
		rc = -EPROTO;
	if (rc)
		return rc;
	snprintf(request, sizeof request, "cmd=put kvsname=%s key=vmonecopy-%d value=%s\n", pmi->space, number("PMI_RANK"), value);
	rc = ask(pmi->fd, request, "cmd=put_result", line);
	return rc ? rc : succeeded(line) ? 0 : -EPROTO;
}

int vmo_pmi1_lookup(const struct vmo_pmi1 *pmi, uint32_t rank, const char *value)
{
	char line[LINE], request[LINE], found[64];

	snprintf(request, sizeof request, "cmd=get kvsname=%s key=vmonecopy-%u\n", pmi->space, rank);
	int rc = ask(pmi->fd, request, "cmd=get_result", line);
	return rc ? rc : succeeded(line) && field(line, "value", found, sizeof found) && !strcmp(found, value);
}

void vmo_pmi1_withdraw(const struct vmo_pmi1 *pmi)
{
	char line[LINE];

	(void)ask(pmi->fd, "cmd=finalize\n", "cmd=finalize_ack", line);
}
