/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * host_many.h: a test of many processes on several emulated hosts, which exchange records through shared memory.
 *
 *   host 0: XENEMU_DIR=DIR/0     domain 1, domain 2, ...
 *   host 1: XENEMU_DIR=DIR/1     domain 1, ...             nothing granted here can be mapped there
 *
 *   many_run(n, seconds, where, play)     process i: where(i) says its host and domain; then play(i)
 *
 * A process that ends otherwise than by 0 ends all; so does the time limit.
 */
#ifndef HOST_MANY_H
#define HOST_MANY_H

#include "xen_pair.h"

#include "peer_host.h"

#include <pthread.h>
#include <sys/stat.h>

#define MANY_MOST 48
#define MANY_RECORD 64
#define MANY_HOSTS 4
#define MANY_LIMIT 4096

struct many_place {
	int host;
	vmo_domid domid;
	const char *limit;		/* pages that its VM may grant; NULL: MANY_LIMIT */
};

static struct many_board {
	pthread_barrier_t barrier;
	char record[MANY_MOST][MANY_MOST][MANY_RECORD];
} *many_board;
static int many_n, many_self;
static char many_directory[64];

/* All come to this point before any goes on. */
static inline void many_meet(void)
{
	pthread_barrier_wait(&many_board->barrier);
}

/* Alltoall. */
static inline int many_exchange(void *context, const void *out, void *in, size_t bytes)
{
	CHECK(bytes <= MANY_RECORD);
	for (int i = 0; i < many_n; i++)
		memcpy(many_board->record[many_self][i], (const char *)out + (size_t)i * bytes, bytes);
	many_meet();
	for (int i = 0; i < many_n; i++)
		memcpy((char *)in + (size_t)i * bytes, many_board->record[i][many_self], bytes);
	many_meet();
	return 0;
}

/* Allgather. */
static inline int many_gather(void *context, const void *out, void *in, size_t bytes)
{
	CHECK(bytes <= MANY_RECORD);
	memcpy(many_board->record[many_self][0], out, bytes);
	many_meet();
	for (int i = 0; i < many_n; i++)
		memcpy((char *)in + (size_t)i * bytes, many_board->record[i][0], bytes);
	many_meet();
	return 0;
}

static inline void many_begin(void)
{
	pair_emulation();
	setenv("VMONECOPY_XEN", "emulated", 1);
	many_board = mmap(NULL, sizeof *many_board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(many_board != MAP_FAILED);
}

static inline void many_host(int host, void (*with)(const char *))
{
	char path[96];

	snprintf(path, sizeof path, "%s/%d", many_directory, host);
	with(path);
}

static inline void many_make(const char *path)
{
	CHECK(!mkdir(path, 0700));
}

static inline void many_enter(const char *path)
{
	setenv("XENEMU_DIR", path, 1);
}

static inline void many_remove(const char *path)
{
	char file[128];

	snprintf(file, sizeof file, "%s/xenemu-%u", path, (unsigned)geteuid());
	unlink(file);
	rmdir(path);
}

static inline pid_t many_start(int self, unsigned seconds, const struct many_place *place, void (*play)(int))
{
	char domid[16], limit[16];
	pid_t child = fork();

	if (child)
		return child;
	alarm(seconds);
	many_self = self;
	many_host(place->host, many_enter);
	snprintf(domid, sizeof domid, "%u", place->domid);
	setenv("XENEMU_DOMID", domid, 1);
	snprintf(limit, sizeof limit, "%d", MANY_LIMIT);
	setenv("XENEMU_LIMIT", place->limit ? place->limit : limit, 1);
	play(self);
	exit(0);
}

/* -> 0: all ended well. */
static inline int many_run(const char *what, int n, unsigned seconds, const struct many_place *(*where)(int),
                           void (*play)(int))
{
	pthread_barrierattr_t shared;
	pid_t child[MANY_MOST];
	int status, failed = 0;

	CHECK(n <= MANY_MOST);
	many_n = n;
	strcpy(many_directory, "/tmp/vmo-unit-XXXXXX");
	CHECK(mkdtemp(many_directory));
	for (int host = 0; host < MANY_HOSTS; host++)
		many_host(host, many_make);
	pthread_barrierattr_init(&shared);
	pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
	CHECK(!pthread_barrier_init(&many_board->barrier, &shared, (unsigned)n));
	fflush(NULL);
	for (int i = 0; i < n; i++)
		child[i] = many_start(i, seconds, where(i), play);
	for (int left = n; left; left--) {
		waitpid(-1, &status, 0);
		if (!status || failed)
			continue;
		failed = 1;
		fprintf(stderr, "%s: a process ended with %s %d\n", what, WIFSIGNALED(status) ? "signal" : "code",
		        WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
		for (int i = 0; i < n; i++)	/* the others wait for it */
			kill(child[i], SIGKILL);
	}
	for (int host = 0; host < MANY_HOSTS; host++)
		many_host(host, many_remove);
	rmdir(many_directory);
	return failed;
}

#endif
