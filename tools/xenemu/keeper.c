/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * keeper.c - descriptors of other processes' files that this process keeps.
 *
 *   keepers: O_RDWR descriptors of memfds. Counted while something of the memfd is mapped: they let anyone clear an
 *            unmap-notify byte after the granter is gone. Uncounted ones serve grant copy and make room when needed.
 *   pipes:   O_RDWR descriptors of event channel pipes (with a reader of our own there is no SIGPIPE).
 *
 * Invariants: a counted keeper is not closed. Files are known by inode; a kept descriptor pins its inode number.
 * Threads: both locks held. Not handled: applications that close descriptors they don't own; found by inode, reopened.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "xenemu.h"

enum { IDLE_KEEPERS = 16, PIPES = 64 };

struct kept {
	uint64_t ino;
	int fd;
	uint32_t uses;
};

static struct kept *keepers;
static size_t keepers_room;
static struct kept pipes[PIPES];
static unsigned next_pipe;

static struct kept *find(struct kept *table, size_t count, uint64_t ino)
{
	for (size_t i = 0; i < count; i++)
		if (table[i].ino == ino && table[i].ino)
			return &table[i];
	return NULL;
}

/* A place for one more: a free one, an idle one where there are many, or a longer table. */
static struct kept *make_room(void)
{
	struct kept *idle = NULL, *longer;
	size_t idles = 0, old = keepers_room;

	for (size_t i = 0; i < keepers_room; i++) {
		if (!keepers[i].ino)
			return &keepers[i];
		if (!keepers[i].uses && ++idles)
			idle = &keepers[i];
	}
	if (idles >= IDLE_KEEPERS) {
		idle->ino = 0;
		xenemu_close_fd(&idle->fd);
		return idle;
	}
	longer = realloc(keepers, (old + 64) * sizeof *keepers);
	if (!longer)
		return NULL;
	keepers = longer;
	keepers_room = old + 64;
	for (size_t i = old; i < keepers_room; i++)
		keepers[i] = (struct kept){.fd = -1};
	return &keepers[old];
}

int xenemu_keeper_get(const struct xenemu_grant *grant)
{
	const struct xenemu_proc *owner = &xenemu.registry->procs[grant->owner];
	struct kept *keeper = find(keepers, keepers_room, grant->ino);
	int fd;

	if (keeper) {
		keeper->uses++;
		return keeper->fd;
	}
	fd = xenemu_procfd_open(owner->pid, grant->fd, grant->ino, O_RDWR);
	if (fd < 0)
		return fd;
	keeper = make_room();
	if (!keeper) {
		close(fd);
		return -ENOMEM;
	}
	*keeper = (struct kept){.ino = grant->ino, .fd = fd, .uses = 1};
	return fd;
}

void xenemu_keeper_put(uint64_t ino)
{
	struct kept *keeper = find(keepers, keepers_room, ino);

	if (keeper && keeper->uses)
		keeper->uses--;
}

int xenemu_keeper_find(uint64_t ino)
{
	struct kept *keeper = find(keepers, keepers_room, ino);

	return keeper ? keeper->fd : -ENOENT;
}

int xenemu_pipe_of(const struct xenemu_proc *owner, int fd, uint64_t ino)
{
	struct kept *pipe = find(pipes, PIPES, ino);
	int opened;

	if (pipe && xenemu_inode_of(pipe->fd) == ino)
		return pipe->fd;
	opened = xenemu_procfd_open(owner->pid, fd, ino, O_RDWR);
	if (opened < 0)
		return opened;
	if (!pipe) {
		pipe = &pipes[next_pipe++ % PIPES];
		if (pipe->ino)
			xenemu_close_fd(&pipe->fd);
	}
	*pipe = (struct kept){.ino = ino, .fd = opened};
	return opened;
}

void xenemu_keepers_trim(void)
{
	for (size_t i = 0; i < keepers_room; i++)
		if (keepers[i].ino && !keepers[i].uses) {
			keepers[i].ino = 0;
			xenemu_close_fd(&keepers[i].fd);
		}
}

void xenemu_keepers_drop(void)
{
	for (size_t i = 0; i < keepers_room; i++)
		if (keepers[i].ino)
			xenemu_close_fd(&keepers[i].fd);
	free(keepers);
	keepers = NULL;
	keepers_room = 0;
	for (int i = 0; i < PIPES; i++) {
		if (pipes[i].ino)
			xenemu_close_fd(&pipes[i].fd);
		pipes[i].ino = 0;
	}
}

void xenemu_keepers_forget(bool whole)
{
	if (whole)
		xenemu_keepers_drop();
	keepers = NULL;
	keepers_room = 0;
	for (int i = 0; i < PIPES; i++)
		pipes[i].ino = 0;
}
