/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * process.c - this process as the registry knows it: attach, detach, fork; and whether another one is alive.
 *
 *   first open:  settings -> registry file -> sweep the dead -> a process slot -> a domain slot
 *   last close:  watcher ends -> reap(self): notifies, maps, ports, grants -> leave
 *   exit:        the same, from a destructor;   _exit, kill -9: the watchers of others, or the next start, do it
 *
 * Invariants
 *   - Identity is (pid, start time): a reused pid is not mistaken for the dead.
 *   - No lock is held across fork: a handler of ours that waits could deadlock with a caller's. The child forgets all.
 *   - exec keeps pid and start time but closes the bell, so a process without its bell counts as dead.
 *
 * Threads: as each function says in xenemu.h. Not handled: clone(2) without the fork handlers, then using handles.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "xenemu.h"

struct xenemu_context xenemu = {
	.lock = PTHREAD_MUTEX_INITIALIZER, .registry_fd = -1, .bell = {-1, -1}, .self = XENEMU_PROCS};

/* Field 22 of /proc/PID/stat, counted from behind the command name. 0: no such process. */
static uint64_t start_ticks(pid_t pid)
{
	char path[32], text[1024], *at;
	unsigned long long ticks = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = 0;
	at = strrchr(text, ')');
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (at)
		sscanf(at, " %llu", &ticks);
	return ticks;
}

int xenemu_pidfd(const struct xenemu_proc *proc)
{
	int fd = (int)syscall(SYS_pidfd_open, proc->pid, 0);

	if (fd < 0)
		return -errno;
	if (start_ticks(proc->pid) == proc->start_ticks)
		return fd;
	close(fd);
	return -ESRCH;
}

/* Without pidfds (an old kernel, a sandbox) a zombie passes for alive until it is waited for. */
bool xenemu_alive(const struct xenemu_proc *proc)
{
	struct pollfd poller = {.events = POLLIN};
	char path[64];
	bool ended;

	if (proc->pid == getpid())
		return start_ticks(proc->pid) == proc->start_ticks && xenemu_inode_of(proc->bell_fd) == proc->bell_ino;
	poller.fd = xenemu_pidfd(proc);
	if (poller.fd == -ESRCH)
		return false;
	if (poller.fd < 0)
		return start_ticks(proc->pid) == proc->start_ticks;
	ended = poll(&poller, 1, 0) > 0;
	close(poller.fd);
	if (ended)
		return false;
	snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)proc->pid, proc->bell_fd);
	return access(path, F_OK) == 0 || errno == EACCES;
}

void xenemu_close_fd(int *fd)
{
	int old = *fd;

	*fd = -1;
	if (old >= 0)
		close(old);
}

int xenemu_result(int rc)
{
	if (rc >= 0)
		return rc;
	errno = -rc;
	return -1;
}

/* [both locks] */
static int take_slot(void)
{
	struct xenemu_registry *registry = xenemu.registry;
	struct xenemu_proc *proc;
	int slot = 0, rc;

	while (slot < XENEMU_PROCS && registry->procs[slot].live)
		slot++;
	if (slot == XENEMU_PROCS)
		return -EAGAIN;
	proc = &registry->procs[slot];
	memset(proc, 0, sizeof *proc);
	proc->pid = getpid();
	proc->start_ticks = start_ticks(proc->pid);
	proc->bell_fd = xenemu.bell[1];
	proc->bell_ino = xenemu_inode_of(xenemu.bell[1]);
	proc->generation = ++registry->generation;
	rc = xenemu_domain_join(xenemu.settings.domid, &proc->domain);
	if (rc)
		return rc;
	xenemu.self = (uint16_t)slot;
	xenemu.domain = proc->domain;
	__atomic_store_n(&proc->live, 1, __ATOMIC_RELEASE);
	return 0;
}

/* [process lock] The registry file is fcntl-locked until our slot is in it. */
static int enter_registry(void)
{
	struct flock unlock = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
	int rc = xenemu_registry_open();

	if (rc)
		return rc;
	rc = xenemu_registry_lock();
	if (!rc) {
		xenemu_sweep();
		rc = take_slot();
		xenemu_registry_unlock();
	}
	if (rc) {
		xenemu_registry_close();
		return rc;
	}
	fcntl(xenemu.registry_fd, F_SETLK, &unlock);
	return 0;
}

int xenemu_attach(void)
{
	int rc = 0;

	pthread_mutex_lock(&xenemu.lock);
	if (!xenemu.registry) {
		xenemu.pid = getpid();
		rc = xenemu.ended ? -ESHUTDOWN : 0;
		if (!rc)
			rc = xenemu_settings_read(&xenemu.settings);
		if (!rc && pipe2(xenemu.bell, O_CLOEXEC | O_NONBLOCK))
			rc = -errno;
		if (!rc)
			rc = enter_registry();
		if (rc) {
			xenemu_close_fd(&xenemu.bell[0]);
			xenemu_close_fd(&xenemu.bell[1]);
		}
	}
	if (!rc)
		xenemu.handles++;
	pthread_mutex_unlock(&xenemu.lock);
	return rc;
}

/* [process lock] */
static void leave_registry(void)
{
	xenemu_registry_close();
	xenemu_keepers_drop();
	xenemu_close_fd(&xenemu.bell[0]);
	xenemu_close_fd(&xenemu.bell[1]);
	xenemu.mapped_pages = 0;
	xenemu.self = XENEMU_PROCS;
}

void xenemu_detach(void)
{
	bool last;

	pthread_mutex_lock(&xenemu.lock);
	last = --xenemu.handles == 0;
	pthread_mutex_unlock(&xenemu.lock);
	if (!last)
		return;
	xenemu_watch_stop();
	pthread_mutex_lock(&xenemu.lock);
	if (xenemu.registry && xenemu.handles == 0)
		leave_registry();
	else if (xenemu.registry && !xenemu_registry_lock()) { /* another thread opened meanwhile */
		xenemu_watch_start();
		xenemu_registry_unlock();
	}
	pthread_mutex_unlock(&xenemu.lock);
}

int xenemu_enter(pid_t handle_pid)
{
	int rc;

	if (handle_pid != getpid())
		return -EBADF;
	pthread_mutex_lock(&xenemu.lock);
	rc = xenemu.registry && xenemu.pid == handle_pid ? xenemu_registry_lock() : -EBADF;
	if (rc)
		pthread_mutex_unlock(&xenemu.lock);
	return rc;
}

void xenemu_leave(void)
{
	xenemu_registry_unlock();
	pthread_mutex_unlock(&xenemu.lock);
}

/*
 * The registry and gntdev mappings did not come along (MADV_DONTFORK); the descriptors did, and are closed if our
 * tables are whole. If another thread was at work in them at the moment of the fork, they stay open until exec or exit.
 */
static void after_fork_in_child(void)
{
	bool whole = pthread_mutex_trylock(&xenemu.lock) == 0;

	xenemu.registry = NULL;
	xenemu.handles = 0;
	xenemu.mapped_pages = 0;
	xenemu.self = XENEMU_PROCS;
	xenemu.settings.read = false;
	xenemu.watching = false;
	if (whole) {
		xenemu_close_fd(&xenemu.registry_fd);
		xenemu_close_fd(&xenemu.bell[0]);
		xenemu_close_fd(&xenemu.bell[1]);
	}
	xenemu_watch_forget(whole);
	xenemu_keepers_forget(whole);
	xenemu_gnttab_forget(whole);
	xenemu_gntshr_forget(whole);
	if (whole)
		pthread_mutex_unlock(&xenemu.lock);
	else
		xenemu.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}

__attribute__((constructor)) static void load(void)
{
	pthread_atfork(NULL, NULL, after_fork_in_child);
}

/* exit(3) or dlclose: leave in order. Never wait for long: the program is ending. */
__attribute__((destructor)) static void unload(void)
{
	struct timespec until;

	if (!xenemu.registry || xenemu.pid != getpid())
		return;
	xenemu_watch_stop();
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 2;
	if (pthread_mutex_timedlock(&xenemu.lock, &until))
		return;
	if (xenemu.registry)
		leave_registry();
	xenemu.ended = true;
	pthread_mutex_unlock(&xenemu.lock);
}
