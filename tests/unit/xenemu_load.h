/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xenemu_load.h - what the tests of the emulated Xen have in common.
 *
 * Purpose: load libxenemu.so ($VMO_BUILD or build/), a private registry directory, processes as domains.
 *
 *   test_begin(20)                the library, a directory of our own, a time limit in seconds
 *   spawn(&peer, 2, mapper)       mapper(fd) runs in domain 2; peer.fd talks to it
 *   say(fd, &x, sizeof x) / hear  one side / other side
 *   finish(&peer)                 it must end with exit code 0
 *
 * Invariants: a failed CHECK ends the process with 1 and a line that says which; the directory goes in any case.
 * Not handled: threads in tests.
 */
#ifndef XENEMU_LOAD_H
#define XENEMU_LOAD_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <sys/ioctl.h>
#include <xen/grant_table.h>
#include <xen/sys/gntalloc.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>

#define PAGE 4096UL
#define NONE UINT32_MAX

int xenemu_gntalloc_ioctl(int fd, unsigned long request, void *arg);

#define XENEMU_CALLS(X)                                                                                                \
	X(xengnttab_open) X(xengnttab_close) X(xengnttab_fd) X(xengnttab_set_max_grants) X(xengnttab_map_grant_ref)        \
	X(xengnttab_map_grant_refs) X(xengnttab_map_domain_grant_refs) X(xengnttab_map_grant_ref_notify)                   \
	X(xengnttab_unmap) X(xengnttab_grant_copy) X(xengnttab_dmabuf_exp_from_refs)                                       \
	X(xengnttab_dmabuf_exp_wait_released) X(xengnttab_dmabuf_imp_to_refs) X(xengnttab_dmabuf_imp_release)              \
	X(xengntshr_open) X(xengntshr_close) X(xengntshr_fd) X(xengntshr_share_pages) X(xengntshr_share_page_notify)       \
	X(xengntshr_unshare) X(xenevtchn_open) X(xenevtchn_fdopen) X(xenevtchn_close) X(xenevtchn_fd)                      \
	X(xenevtchn_notify) X(xenevtchn_bind_unbound_port) X(xenevtchn_bind_interdomain) X(xenevtchn_bind_virq)            \
	X(xenevtchn_unbind) X(xenevtchn_pending) X(xenevtchn_unmask) X(xenevtchn_restrict) X(xs_open) X(xs_close)          \
	X(xs_read) X(xenemu_gntalloc_ioctl)

/*
 * AddressSanitizer looks for leaks at exit under its allocator's lock, which another thread may have held when this process
 * was forked: in a child it can wait for ever.
 */
#ifdef __SANITIZE_ADDRESS__
static pid_t first_process;

__attribute__((constructor)) static void note_process(void)
{
	first_process = getpid();
}

__attribute__((visibility("default"))) int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
	return getpid() != first_process;
}
#endif

#define XENEMU_MEMBER(name) __typeof__(&name) name;
static struct {
	XENEMU_CALLS(XENEMU_MEMBER)
} xen;

struct peer {
	pid_t pid;
	int fd;
};

static char test_directory[64];
static pid_t test_pid;

#define CHECK(condition, ...)                                                                                          \
	do {                                                                                                               \
		if (!(condition)) {                                                                                            \
			int check_errno = errno;                                                                                   \
			fprintf(stderr, "%s:%d: %s (errno %d): ", __FILE__, __LINE__, #condition, check_errno);                    \
			fprintf(stderr, __VA_ARGS__);                                                                              \
			fputc('\n', stderr);                                                                                       \
			exit(1);                                                                                                   \
		}                                                                                                              \
	} while (0)

static inline void skip(const char *reason)
{
	printf("skipped: %s\n", reason);
	exit(77);
}

static inline void registry_path(char *path, size_t bytes)
{
	snprintf(path, bytes, "%s/xenemu-%u", test_directory, (unsigned)geteuid());
}

static inline bool registry_exists(void)
{
	char path[128];
	struct stat status;

	registry_path(path, sizeof path);
	return lstat(path, &status) == 0;
}

static inline void remove_directory(void)
{
	char path[128];

	if (getpid() != test_pid)
		return;
	registry_path(path, sizeof path);
	unlink(path);
	rmdir(test_directory);
}

static void too_late(int signal_number)
{
	static const char text[] = "time limit, or told to end\n";

	(void)signal_number;
	if (write(2, text, sizeof text - 1) > 0)
		remove_directory();
	_exit(1);
}

static inline void load_calls(void)
{
	const char *build = getenv("VMO_BUILD");
	char path[4096];
	void *library;

	snprintf(path, sizeof path, "%s/libxenemu.so", build ? build : "build");
	library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!library)
		skip(dlerror());
#define XENEMU_LOAD(name)                                                                                              \
	*(void **)&xen.name = dlsym(library, #name);                                                                       \
	CHECK(xen.name, "%s is not exported", #name);
	XENEMU_CALLS(XENEMU_LOAD)
#undef XENEMU_LOAD
}

static inline void test_begin(unsigned limit_seconds)
{
	static const char *const inherited[] = {"XENEMU_DOMID", "XENEMU_DOMAINS", "XENEMU_LIMIT", "XENEMU_GRANT_TABLE",
	                                        "XENEMU_MAPTRACK", "PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK",
	                                        "MPI_LOCALRANKID", "SLURM_PROCID"};

	for (size_t i = 0; i < sizeof inherited / sizeof *inherited; i++)
		unsetenv(inherited[i]);
	strcpy(test_directory, "/dev/shm/xenemu-test-XXXXXX");
	CHECK(mkdtemp(test_directory), "no private directory");
	test_pid = getpid();
	atexit(remove_directory);
	setenv("XENEMU_DIR", test_directory, 1);
	signal(SIGALRM, too_late);
	signal(SIGTERM, too_late);
	signal(SIGPIPE, SIG_IGN);
	alarm(limit_seconds);
	load_calls();
}

static inline void say(int fd, const void *data, size_t bytes)
{
	CHECK(send(fd, data, bytes, MSG_NOSIGNAL) == (ssize_t)bytes, "the other side is gone");
}

static inline void hear(int fd, void *data, size_t bytes)
{
	CHECK(recv(fd, data, bytes, MSG_WAITALL) == (ssize_t)bytes, "the other side is gone");
}

/* A step that both sides have reached. */
static inline void meet(int fd)
{
	char token = 'm';

	say(fd, &token, 1);
	hear(fd, &token, 1);
	CHECK(token == 'm', "out of step");
}

static inline void be_domain(int domid)
{
	char text[16];

	snprintf(text, sizeof text, "%d", domid);
	setenv("XENEMU_DOMID", text, 1);
}

static inline void spawn(struct peer *peer, int domid, void (*work)(int fd))
{
	int pair[2];

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), "socketpair");
	fflush(NULL);
	peer->pid = fork();
	CHECK(peer->pid >= 0, "fork");
	if (!peer->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGTERM, SIG_DFL);
		close(pair[0]);
		be_domain(domid);
		work(pair[1]);
		exit(0);
	}
	close(pair[1]);
	peer->fd = pair[0];
}

static inline void finish(struct peer *peer)
{
	int status = 0;

	CHECK(waitpid(peer->pid, &status, 0) == peer->pid, "waitpid");
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a domain failed, status %x", (unsigned)status);
	close(peer->fd);
}

static inline void kill_peer(struct peer *peer)
{
	int status = 0;

	kill(peer->pid, SIGKILL);
	CHECK(waitpid(peer->pid, &status, 0) == peer->pid && WIFSIGNALED(status), "it ended by itself");
	close(peer->fd);
}

/* Real gntalloc's ALLOC_GREF through its stand-in. 0 or an errno. */
static inline int alloc_run(xengntshr_handle *shr, uint16_t domid, bool writable, uint32_t count, uint32_t *grefs,
                            uint64_t *index)
{
	struct ioctl_gntalloc_alloc_gref *op = calloc(1, sizeof *op + count * sizeof(uint32_t));
	int rc;

	op->domid = domid;
	op->flags = writable ? GNTALLOC_FLAG_WRITABLE : 0;
	op->count = count;
	rc = xen.xenemu_gntalloc_ioctl(xen.xengntshr_fd(shr), IOCTL_GNTALLOC_ALLOC_GREF, op) ? errno : 0;
	if (!rc) {
		memcpy(grefs, (char *)op + offsetof(struct ioctl_gntalloc_alloc_gref, gref_ids), count * sizeof *grefs);
		*index = op->index;
	}
	free(op);
	return rc;
}

static inline int dealloc_run(xengntshr_handle *shr, uint64_t index, uint32_t count)
{
	struct ioctl_gntalloc_dealloc_gref op = {.index = index, .count = count};

	return xen.xenemu_gntalloc_ioctl(xen.xengntshr_fd(shr), IOCTL_GNTALLOC_DEALLOC_GREF, &op) ? errno : 0;
}

static inline char *map_run(xengntshr_handle *shr, uint64_t index, uint32_t count)
{
	char *at = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, xen.xengntshr_fd(shr), (off_t)index);

	CHECK(at != MAP_FAILED, "mmap of a run");
	return at;
}

/* The status of one grant copy out of (domid, gref); 99 if the call failed. */
static inline int copy_status(xengnttab_handle *tab, uint16_t domid, uint32_t gref, uint16_t offset, uint16_t len,
                              void *to)
{
	xengnttab_grant_copy_segment_t segment = {.len = len, .flags = GNTCOPY_source_gref, .status = 77};

	segment.source.foreign.ref = gref;
	segment.source.foreign.domid = domid;
	segment.source.foreign.offset = offset;
	segment.dest.virt = to;
	return xen.xengnttab_grant_copy(tab, 1, &segment) ? 99 : segment.status;
}

/* Does an event come within that time? */
static inline bool event_comes(xenevtchn_handle *evtchn, int limit_ms)
{
	struct pollfd poller = {.fd = xen.xenevtchn_fd(evtchn), .events = POLLIN};

	return poll(&poller, 1, limit_ms) > 0;
}

static inline bool becomes(const volatile char *byte, char value, int limit_ms)
{
	for (int i = 0; i < limit_ms && *byte != value; i++)
		usleep(1000);
	return *byte == value;
}

#endif
