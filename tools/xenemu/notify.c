/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * notify.c - unmap-notify: a byte that goes 0 and an event, when a page is given up or its process dies.
 *
 *   granter's page: armed in the grant      mapper's page: armed in the map (its first page)
 *
 * Invariants: disarmed before it acts, under the lock: exactly once however many watchers race. An armed notify holds
 * its port open, as the kernel's reference does, even if its event channel handle is closed first.
 * The byte of a dead granter is cleared through any live mapper's keeper; with no mapper left nobody could see it.
 * Threads: both locks held. Not handled: a lock holder killed between disarm and act loses that one notify.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#include <xen/sys/gntalloc.h>

#include "xenemu.h"

#define ALL_ACTIONS (UNMAP_NOTIFY_CLEAR_BYTE | UNMAP_NOTIFY_SEND_EVENT)

int xenemu_notify_arm(struct xenemu_notify *notify, uint32_t action, uint32_t offset_bytes, uint32_t port)
{
	struct xenemu_port *end = xenemu_port_at(xenemu.domain, port);

	if ((action & ~(uint32_t)ALL_ACTIONS) || offset_bytes >= XENEMU_PAGE_BYTES)
		return -EINVAL;
	if (action & UNMAP_NOTIFY_SEND_EVENT) {
		if (!end || end->owner != xenemu.self || end->held == UINT8_MAX)
			return -EINVAL;
		end->held++;
	}
	if (notify->action & UNMAP_NOTIFY_SEND_EVENT)
		xenemu_port_release(xenemu.domain, notify->port);
	*notify = (struct xenemu_notify){
		.action = (uint16_t)action, .offset_bytes = (uint16_t)offset_bytes, .port = port};
	return 0;
}

/* A descriptor of memfd `ino`: my keeper, its granter's, or another mapper's. *close_it: is it ours to close? */
static int open_page_file(pid_t granter, int fd, uint64_t ino, bool *close_it)
{
	int found = xenemu_keeper_find(ino);

	*close_it = found < 0;
	if (found < 0 && granter)
		found = xenemu_procfd_open(granter, fd, ino, O_RDWR);
	for (uint32_t i = 0; found < 0 && i < xenemu.registry->maps_top; i++) {
		const struct xenemu_map *map = &xenemu.registry->maps[i];

		if (map->used && map->ino == ino)
			found = xenemu_procfd_open(xenemu.registry->procs[map->mapper].pid, map->keeper_fd, ino, O_RDWR);
	}
	return found;
}

static void clear_byte(pid_t granter, int fd, uint64_t ino, uint32_t page, uint32_t offset_bytes)
{
	bool close_it;
	int opened = open_page_file(granter, fd, ino, &close_it);

	if (opened < 0)
		return;
	while (pwrite(opened, "", 1, (off_t)(page * XENEMU_PAGE_BYTES + offset_bytes)) < 0 && errno == EINTR)
		;
	if (close_it)
		close(opened);
}

static void send_event(struct xenemu_notify *notify, uint16_t proc)
{
	uint16_t domain = xenemu.registry->procs[proc].domain;

	xenemu_port_send(domain, notify->port);
	xenemu_port_release(domain, notify->port);
}

void xenemu_notify_fire_grant(struct xenemu_grant *grant)
{
	struct xenemu_notify notify = grant->notify;

	grant->notify.action = 0;
	if (notify.action & UNMAP_NOTIFY_CLEAR_BYTE)
		clear_byte(xenemu.registry->procs[grant->owner].pid, grant->fd, grant->ino, grant->page,
		           notify.offset_bytes);
	if (notify.action & UNMAP_NOTIFY_SEND_EVENT)
		send_event(&notify, grant->owner);
}

/* The granter of a mapped page isn't in the map, but its grant entry, if it lives, is found by inode and page. */
static void find_granter(const struct xenemu_map *map, pid_t *pid, int *fd)
{
	for (int d = 0; d < XENEMU_DOMAINS; d++) {
		struct xenemu_domain *domain = &xenemu.registry->domains[d];

		for (uint32_t gref = 0; domain->used && gref < domain->fresh; gref++) {
			struct xenemu_grant *grant = xenemu_grant_at(domain, gref);

			if (!grant || grant->state == XENEMU_GRANT_FREE || grant->ino != map->ino)
				continue;
			*pid = xenemu.registry->procs[grant->owner].pid;
			*fd = grant->fd;
			return;
		}
	}
}

void xenemu_notify_fire_map(struct xenemu_map *map)
{
	struct xenemu_notify notify = map->notify;
	pid_t granter = 0;
	int fd = -1;

	map->notify.action = 0;
	if (notify.action & UNMAP_NOTIFY_CLEAR_BYTE) {
		if (xenemu_keeper_find(map->ino) < 0)
			find_granter(map, &granter, &fd);
		clear_byte(granter, fd, map->ino, map->page, notify.offset_bytes);
	}
	if (notify.action & UNMAP_NOTIFY_SEND_EVENT)
		send_event(&notify, map->mapper);
}
