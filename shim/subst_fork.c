/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "subst_internal.h"

#include "fault.h"
#include "log.h"
#include "stats.h"
#include "underlay.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * fork: the child begins with the pool's pages, shared with its parent. It copies them before it
 * does anything else, while the parent waits: to all that happens after fork() in either, it is the
 * snapshot that fork promises. Nothing changes under the parent's other threads, and its
 * associations live on. The wait ends when the child says so or dies; at last after five seconds.
 */
static int fork_pair[2] = { -1, -1 };

#define FORK_WAIT_MS 5000

static void close_end(int i)
{
	if (fork_pair[i] >= 0)
		syscall(SYS_close, fork_pair[i]);
	fork_pair[i] = -1;
}

/* The lock is held over fork(): nothing is substituted, nothing ends meanwhile. */
static void before_fork(void)
{
	struct vmo_subst *s = &vmo_subst_the_one;

	vmo_subst_lock();
	if (!s->enabled || !s->fork_hook || !s->table.count)
		return;
	if (vmo_fault(fork_socket) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fork_pair))
		vmo_count(fork_releases, vmo_subst_end_all(s, VMO_WHY_FORK));	/* no descriptors left */
}

static void after_fork_in_parent(void)
{
	struct pollfd told = { .fd = fork_pair[0], .events = POLLIN };
	uint64_t until = vmo_now_ns() + FORK_WAIT_MS * 1000000ull, now;
	int saved = errno, rc = 0;

	close_end(1);
	while (told.fd >= 0 && (now = vmo_now_ns()) < until) {
		rc = poll(&told, 1, (int)((until - now) / 1000000) + 1);
		if (rc != -1 || errno != EINTR)
			break;
	}
	if (told.fd >= 0 && rc <= 0)
		vmo_warn("the forked child has not copied what it shares with this process: its data may be wrong");
	close_end(0);
	vmo_subst_unlock();
	errno = saved;
}

static void copy_for_child(struct vmo_subst *s)
{
	int error = 0;

	for (const struct vmo_assoc *a = s->table.at; a < s->table.at + s->table.count; a++) {
		if (!a->block)
			continue;
		if (vmo_underlay_copy(a->begin, a->end - a->begin, a->block->view + (size_t)a->first * VMO_PAGE_BYTES))
			error = 1;
	}
	if (error)
		vmo_warn("no memory for private pages: this forked child shares some with its parent");
}

/* The blocks belong to the parent; the pool may not be touched here. */
static void after_fork_in_child(void)
{
	struct vmo_subst *s = &vmo_subst_the_one;

	if (s->enabled && fork_pair[1] >= 0) {
		copy_for_child(s);
		send(fork_pair[1], "", 1, MSG_NOSIGNAL);
	}
	close_end(0);
	close_end(1);
	if (s->enabled) {
		s->enabled = false;
		s->hook->end = s->hook->begin = 0;
		s->hook->listener = NULL;
	}
	s->table.count = 0;
	vmo_subst_reset_lock();
}

int vmo_subst_hook_fork(void)
{
	static bool hooked;	/* fork handlers cannot be taken back */

	if (!hooked && (vmo_fault(fork_hook) || pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child)))
		return -ENOMEM;
	hooked = true;
	return 0;
}
