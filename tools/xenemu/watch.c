/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * watch.c - the one thread: it sleeps on pidfds of the peers and reaps those that die.
 *
 *   mapper maps / binds:  each sets the other's bit in `peers`, rings the other's bell
 *   bell rung:            the watcher reads `peers` again, opens the missing pidfds
 *   pidfd readable:       the peer is dead, reap it, unless another watcher was first
 *
 * Invariants: started with the first grant, mapping or port, ended with the last handle. All signals are blocked in it.
 * A pidfd is kept with the generation of the slot it is for; it is closed when that changes.
 * Threads: `watched` belongs to the watcher (and to the forked child, which has none).
 * Not handled: kernels without pidfd_open get a look at /proc every 50 ms instead.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "xenemu.h"

enum { STACK_BYTES = 128 * 1024, LOOK_MS = 50 };

static struct watched {
	uint32_t generation; /* 0: nobody */
	int fd;              /* -1: no pidfds here */
} watched[XENEMU_PROCS];

static struct pollfd pollers[XENEMU_PROCS + 1];
static uint16_t poller_slots[XENEMU_PROCS + 1];

static bool is_peer(uint16_t slot)
{
	const struct xenemu_registry *registry = xenemu.registry;

	return registry->procs[slot].live && (registry->procs[xenemu.self].peers[slot / 64] >> (slot % 64) & 1);
}

/* [locked] Bring one entry up to date. A peer that is dead already is reaped here. */
static void update(uint16_t slot)
{
	struct watched *entry = &watched[slot];
	struct xenemu_proc *proc = &xenemu.registry->procs[slot];
	bool peer = is_peer(slot);

	if (entry->generation && (!peer || entry->generation != proc->generation)) {
		entry->generation = 0;
		xenemu_close_fd(&entry->fd);
	}
	if (!peer || entry->generation)
		return;
	entry->fd = xenemu_pidfd(proc);
	if (entry->fd == -ESRCH) {
		xenemu_reap(slot);
		return;
	}
	entry->fd = entry->fd < 0 ? -1 : entry->fd;
	entry->generation = proc->generation;
}

/* [locked] -> the time limit for poll */
static int gather(nfds_t *count)
{
	int limit_ms = -1;

	pollers[0] = (struct pollfd){.fd = xenemu.bell[0], .events = POLLIN};
	*count = 1;
	for (uint16_t slot = 0; slot < XENEMU_PROCS; slot++) {
		update(slot);
		if (!watched[slot].generation)
			continue;
		if (watched[slot].fd < 0) {
			limit_ms = LOOK_MS;
			continue;
		}
		pollers[*count] = (struct pollfd){.fd = watched[slot].fd, .events = POLLIN};
		poller_slots[(*count)++] = slot;
	}
	return limit_ms;
}

/* [locked] */
static void reap_the_dead(nfds_t count)
{
	struct xenemu_proc *procs = xenemu.registry->procs;

	for (nfds_t i = 1; i < count; i++)
		if (pollers[i].revents && procs[poller_slots[i]].live &&
		    procs[poller_slots[i]].generation == watched[poller_slots[i]].generation)
			xenemu_reap(poller_slots[i]);
	for (uint16_t slot = 0; slot < XENEMU_PROCS; slot++)
		if (watched[slot].generation && watched[slot].fd < 0 && is_peer(slot) && !xenemu_alive(&procs[slot]))
			xenemu_reap(slot);
}

static void *watch(void *unused)
{
	nfds_t count = 0;
	char rings[256];

	while (xenemu_enter(xenemu.pid) == 0) {
		bool stop = xenemu.stop_watching;
		int limit_ms;

		if (count)
			reap_the_dead(count);
		limit_ms = gather(&count);
		xenemu_leave();
		if (stop)
			break;
		poll(pollers, count, limit_ms);
		if (pollers[0].revents)
			while (read(xenemu.bell[0], rings, sizeof rings) > 0)
				;
	}
	for (int i = 0; i < XENEMU_PROCS; i++) {
		watched[i].generation = 0;
		xenemu_close_fd(&watched[i].fd);
	}
	return unused;
}

static int start_thread(void)
{
	pthread_attr_t attributes;
	int rc = pthread_attr_init(&attributes);

	if (rc)
		return rc;
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	rc = pthread_create(&xenemu.watcher, &attributes, watch, NULL);
	if (rc == EINVAL) /* thread-local storage does not fit */
		rc = pthread_create(&xenemu.watcher, NULL, watch, NULL);
	pthread_attr_destroy(&attributes);
	return rc;
}

int xenemu_watch_start(void)
{
	sigset_t all, old;
	int rc;

	if (xenemu.watching)
		return 0;
	for (int i = 0; i < XENEMU_PROCS; i++)
		watched[i] = (struct watched){.fd = -1};
	xenemu.stop_watching = false;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = start_thread();
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc)
		return -rc;
	pthread_setname_np(xenemu.watcher, "xenemu");
	xenemu.watching = true;
	return 0;
}

static void ring(uint16_t slot)
{
	const struct xenemu_proc *proc = &xenemu.registry->procs[slot];
	int fd = slot == xenemu.self ? xenemu.bell[1] : xenemu_pipe_of(proc, proc->bell_fd, proc->bell_ino);

	if (fd >= 0 && write(fd, "", 1) < 0)
		return; /* full: it is rung already */
}

void xenemu_watch_peer(uint16_t slot)
{
	struct xenemu_proc *procs = xenemu.registry->procs;
	uint16_t self = xenemu.self;

	if (slot == self || (procs[self].peers[slot / 64] >> (slot % 64) & 1))
		return;
	procs[self].peers[slot / 64] |= 1ULL << (slot % 64);
	procs[slot].peers[self / 64] |= 1ULL << (self % 64);
	ring(slot);
	ring(self);
}

void xenemu_watch_stop(void)
{
	pthread_t watcher;

	pthread_mutex_lock(&xenemu.lock);
	if (!xenemu.watching) {
		pthread_mutex_unlock(&xenemu.lock);
		return;
	}
	xenemu.watching = false;
	xenemu.stop_watching = true;
	watcher = xenemu.watcher;
	if (write(xenemu.bell[1], "", 1) < 0)
		errno = 0; /* full: it is rung already */
	pthread_mutex_unlock(&xenemu.lock);
	pthread_join(watcher, NULL);
}

void xenemu_watch_forget(bool whole)
{
	for (int i = 0; i < XENEMU_PROCS; i++)
		if (watched[i].generation && whole) {
			watched[i].generation = 0;
			xenemu_close_fd(&watched[i].fd);
		}
}
