/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xen_pair.h: a test of two domains, over the emulated Xen.
 *
 *   parent: pair_test(granter, mapper)
 *     child in domain 1: granter(&pair)  <--- two pipes: tell, hear --->  child in domain 2: mapper(&pair)
 *
 * Each child has opened its Xen. Emulated domains live in a directory of their own, gone at the end.
 *
 * On real Xen (tools/xenlab): the same program runs in both guests, with VMO_TEST_GUEST="ROLE PEERDOM PEERIP", and is
 * one side of the pair, over TCP; a test of one domain runs in guest 1. See tests/xen.
 * Exit status of a test: 0 passed, 1 failed (with file:line), 77 skipped (with the reason).
 */
#ifndef XEN_PAIR_H
#define XEN_PAIR_H

#include "xen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE VMO_PAGE_BYTES

#ifndef CHECK
#define CHECK(condition)                                                                \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno); \
			exit(1);                                                        \
		}                                                                       \
	} while (0)
#endif

/* A result that must be an exact value: says what it was. */
#define CHECK_RC(expression, wanted)                                                    \
	do {                                                                            \
		long rc_ = (long)(expression);                                          \
		if (rc_ != (long)(wanted)) {                                            \
			fprintf(stderr, "%s:%d: %s: %ld (%s), not %ld\n", __FILE__, __LINE__, #expression, rc_, \
			        strerror(rc_ < 0 ? (int)-rc_ : 0), (long)(wanted));     \
			exit(1);                                                        \
		}                                                                       \
	} while (0)

struct pair {
	struct vmo_xen *xen;
	vmo_domid peer;
	int in, out;
};

/* build/tests/unit/NAME -> build/libxenemu.so; the environment VMO_TEST_XENEMU overrides it. */
static inline const char *pair_emulation(void)
{
	static char path[4096];
	const char *override = getenv("VMO_TEST_XENEMU");
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 32);

	if (override)
		return override;
	CHECK(n > 0);
	path[n] = 0;
	for (int up = 0; up < 3; up++)
		*strrchr(path, '/') = 0;
	strcat(path, "/libxenemu.so");
	if (access(path, R_OK)) {
		printf("SKIP: no %s: make it first\n", path);
		exit(77);
	}
	return path;
}

static inline void pair_tell(struct pair *pair, const void *data, size_t bytes)
{
	CHECK(write(pair->out, data, bytes) == (ssize_t)bytes);
}

static inline void pair_hear(struct pair *pair, void *data, size_t bytes)
{
	for (char *to = data; bytes;) {
		ssize_t n = read(pair->in, to, bytes);

		if (n <= 0)
			_exit(1);	/* the other side failed, and has said why */
		to += n;
		bytes -= (size_t)n;
	}
}

/* Both sides come to this point before either goes on. */
static inline void pair_meet(struct pair *pair)
{
	char byte = 0;

	pair_tell(pair, &byte, 1);
	pair_hear(pair, &byte, 1);
}

/* domid: of an emulated domain, or NULL for real Xen. */
static inline struct vmo_xen *pair_open(const char *domid)
{
	struct vmo_xen *xen = NULL;
	char why[256] = "";

	if (domid)
		setenv("XENEMU_DOMID", domid, 1);
	if (vmo_xen_open(&xen, domid ? pair_emulation() : NULL, -1, why, sizeof why)) {
		fprintf(stderr, "vmo_xen_open: %s\n", why);
		exit(1);
	}
	return xen;
}

static char pair_directory[64];

static inline void pair_remove_directory(void)
{
	char file[128];

	snprintf(file, sizeof file, "%s/xenemu-%u", pair_directory, (unsigned)geteuid());
	unlink(file);
	rmdir(pair_directory);
}

/* A registry of our own; the process that makes it removes it, also after a failure. */
static inline void pair_private_registry(void)
{
	strcpy(pair_directory, "/tmp/vmo-unit-XXXXXX");
	CHECK(mkdtemp(pair_directory));
	setenv("XENEMU_DIR", pair_directory, 1);
}

static inline int pair_child(void (*side)(struct pair *), const char *domid, vmo_domid peer, int in, int out)
{
	struct pair pair = { NULL, peer, in, out };

	pair.xen = pair_open(domid);
	side(&pair);
	vmo_xen_close(pair.xen);
	return 0;
}

static inline int pair_connect(int role, const char *ip)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(7321) };
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd, one = 1;

	if (role == 1) {
		setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
		CHECK(!bind(listener, (struct sockaddr *)&address, sizeof address) && !listen(listener, 1));
		fd = accept(listener, NULL, NULL);
		close(listener);
		return fd;
	}
	CHECK(inet_aton(ip, &address.sin_addr));
	while (connect(fd = socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof address)) {
		close(fd);
		usleep(100000);
	}
	return fd;
}

/* Our side of a test on real Xen; -1: this is not real Xen. mapper NULL: guest 1 alone. */
static inline int pair_guest(unsigned seconds, void (*granter)(struct pair *), void (*mapper)(struct pair *))
{
	const char *guest = getenv("VMO_TEST_GUEST");
	unsigned role, peer;
	char ip[64];
	int fd = -1;

	if (!guest)
		return -1;
	CHECK(sscanf(guest, "%u %u %63s", &role, &peer, ip) == 3);
	alarm(seconds * 10);	/* an emulated CPU */
	if (!mapper && role != 1)
		return 0;
	if (mapper)
		fd = pair_connect((int)role, ip);
	return pair_child(role == 1 ? granter : mapper, NULL, peer, fd, fd);
}

static inline int pair_test(unsigned seconds, void (*granter)(struct pair *), void (*mapper)(struct pair *))
{
	int down[2], up[2], status, failed = pair_guest(seconds, granter, mapper);
	pid_t child[2];

	if (failed >= 0)
		return failed;
	failed = 0;
	pair_emulation();
	pair_private_registry();
	signal(SIGPIPE, SIG_IGN);
	CHECK(!pipe(down) && !pipe(up));
	for (int i = 0; i < 2; i++) {
		child[i] = fork();
		if (!child[i]) {
			alarm(seconds);
			close(i ? down[1] : down[0]);
			close(i ? up[0] : up[1]);
			exit(i ? pair_child(mapper, "2", 1, down[0], up[1]) : pair_child(granter, "1", 2, up[0], down[1]));
		}
	}
	close(down[0]), close(down[1]), close(up[0]), close(up[1]);
	for (int i = 0; i < 2; i++) {
		waitpid(child[i], &status, 0);
		if (WIFSIGNALED(status))
			fprintf(stderr, "%s: ended by signal %d\n", i ? "mapper" : "granter", WTERMSIG(status));
		failed |= status;
	}
	pair_remove_directory();
	return failed ? 1 : 0;
}

/* For tests that need one domain only: the process itself is domain 1. */
static inline int pair_alone(unsigned seconds, void (*test)(struct pair *))
{
	int status = pair_guest(seconds, test, NULL);
	pid_t child;

	if (status >= 0)
		return status;
	pair_emulation();
	pair_private_registry();
	child = fork();
	if (!child) {
		alarm(seconds);
		exit(pair_child(test, "1", 2, -1, -1));
	}
	waitpid(child, &status, 0);
	if (WIFSIGNALED(status))
		fprintf(stderr, "ended by signal %d\n", WTERMSIG(status));
	pair_remove_directory();
	return status ? 1 : 0;
}

static inline void pair_fill(char *at, size_t bytes, unsigned seed)
{
	for (size_t i = 0; i < bytes; i++)
		at[i] = (char)((i * 2654435761u >> 13) + seed * 37 + i / PAGE);
}

static inline bool pair_same(const char *at, size_t from, size_t bytes, unsigned seed)
{
	for (size_t i = from; i < from + bytes; i++)
		if (*at++ != (char)((i * 2654435761u >> 13) + seed * 37 + i / PAGE))
			return false;
	return true;
}

#endif
