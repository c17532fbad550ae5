/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * reclaim.c - pages that were deallocated: when do they really go?
 *
 *   ACTIVE --dealloc--> ORPHAN --no mapping in the owner--> notify fires --no mapping in a peer--> page freed, FREE
 *
 * The kernel counts mappings of the owner; here /proc/PID/maps of the owner is read, which costs some 100 us and
 * happens only where orphans exist: in dealloc itself, before a new allocation, and when a peer unmaps.
 *
 * Invariants: an orphan still counts against limit and table. A page is punched out of its memfd before its reference
 * can be handed out again.
 * Threads: both locks held. Not handled: a mapping that only a forked child still has is not seen.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "xenemu.h"

struct span {
	uint64_t ino;
	uint64_t first, end; /* pages of the file */
};

/* What a process has mapped of files named like our memfds. */
struct view {
	pid_t pid;
	bool readable;
	struct span *spans;
	size_t count, room;
};

static void add_span(struct view *view, struct span span)
{
	if (view->count == view->room) {
		size_t room = view->room ? 2 * view->room : 64;
		struct span *spans = realloc(view->spans, room * sizeof *spans);

		view->readable = view->readable && spans;
		if (!spans)
			return;
		view->spans = spans;
		view->room = room;
	}
	view->spans[view->count++] = span;
}

static void read_view(struct view *view, pid_t pid)
{
	unsigned long start, end, offset, ino;
	char path[32], line[512];
	FILE *maps;

	view->pid = pid;
	view->count = 0;
	snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
	maps = fopen(path, "re");
	view->readable = maps != NULL;
	if (!maps)
		return;
	while (fgets(line, sizeof line, maps))
		if (strstr(line, "/memfd:xenemu") &&
		    sscanf(line, "%lx-%lx %*s %lx %*s %lu", &start, &end, &offset, &ino) == 4)
			add_span(view, (struct span){ino, offset / XENEMU_PAGE_BYTES,
			                             (offset + end - start) / XENEMU_PAGE_BYTES});
	fclose(maps);
}

/* When in doubt it is mapped: the page then merely stays longer. */
static bool owner_maps(struct view *view, const struct xenemu_grant *grant)
{
	const struct xenemu_proc *owner = &xenemu.registry->procs[grant->owner];

	if (view->pid != owner->pid)
		read_view(view, owner->pid);
	if (!view->readable)
		return xenemu_alive(owner);
	for (size_t i = 0; i < view->count; i++)
		if (view->spans[i].ino == grant->ino && view->spans[i].first <= grant->page &&
		    grant->page < view->spans[i].end)
			return true;
	return false;
}

bool xenemu_page_is_mapped_by_peer(uint64_t ino, uint32_t page)
{
	for (uint32_t i = 0; i < xenemu.registry->maps_top; i++) {
		const struct xenemu_map *map = &xenemu.registry->maps[i];

		if (map->used && map->ino == ino && page - map->page < map->count)
			return true;
	}
	return false;
}

/* Neighbouring pages are punched together. A model with no ino ends the batch. */
static void punch(struct xenemu_grant *batch, uint32_t *count, const struct xenemu_grant *next)
{
	const struct xenemu_proc *owner = &xenemu.registry->procs[batch->owner];
	int fd;

	if (*count && next && next->ino == batch->ino && next->page == batch->page + *count) {
		++*count;
		return;
	}
	if (*count) {
		fd = xenemu_procfd_open(owner->pid, batch->fd, batch->ino, O_RDWR);
		if (fd >= 0) {
			fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			          (off_t)(batch->page * XENEMU_PAGE_BYTES), (off_t)(*count * XENEMU_PAGE_BYTES));
			close(fd);
		}
	}
	*count = next != NULL;
	if (next)
		*batch = *next;
}

void xenemu_reclaim(struct xenemu_domain *domain)
{
	struct xenemu_grant batch = {0};
	struct view view = {0};
	uint32_t batch_pages = 0, left = domain->orphans;

	for (uint32_t gref = XENEMU_RESERVED_GREFS; left && gref < domain->fresh; gref++) {
		struct xenemu_grant *grant = xenemu_grant_at(domain, gref);

		if (grant->state != XENEMU_GRANT_ORPHAN)
			continue;
		left--;
		if (owner_maps(&view, grant))
			continue;
		xenemu_notify_fire_grant(grant);
		if (xenemu_page_is_mapped_by_peer(grant->ino, grant->page))
			continue;
		punch(&batch, &batch_pages, grant);
		xenemu_grant_free(domain, gref);
	}
	punch(&batch, &batch_pages, NULL);
	free(view.spans);
}

void xenemu_reclaim_all(void)
{
	for (int i = 0; i < XENEMU_DOMAINS; i++) {
		struct xenemu_domain *domain = &xenemu.registry->domains[i];

		if (domain->used && domain->orphans)
			xenemu_reclaim(domain);
	}
}
