/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * handle.h - what a xengnttab_handle and a xengntshr_handle are. The public headers give both one C type.
 *
 * A gntshr handle has two memfds, pages numbered upwards and never twice, as real gntalloc numbers its offsets:
 *   file[KEPT]    is the gntalloc descriptor (as a duplicate, user_fd): runs of ALLOC_GREF, mapped any number of times
 *   file[DROPPED] has the pages of share_pages. Real gntalloc drops the descriptor's reference to these, so a second
 *                 mmap by (fd, offset) fails with ENOENT. A memfd has no such hook: here these pages are simply in
 *                 another file, so (fd, offset) leads nowhere near them; that is an approximation, not the ENOENT.
 *
 * Invariants: handles of a process are used only by it (pid). Threads: fields change under the process lock.
 */
#ifndef XENEMU_HANDLE_H
#define XENEMU_HANDLE_H

#include "xenemu.h"

enum { XENEMU_KEPT, XENEMU_DROPPED, XENEMU_FILES };

/* Pages granted together. grefs[i] = 0: given up. */
struct xenemu_run {
	struct xenemu_run *next;
	int file;
	uint32_t first_page, pages, left;
	char *addr; /* of share_pages, else NULL */
	uint32_t grefs[];
};

struct xenemu_page_file {
	int fd; /* published to the mappers: not the one the application sees, which it may close */
	uint64_t ino;
	uint32_t next_page;
};

struct xengntdev_handle {
	struct xengntdev_handle *next; /* gntshr only */
	pid_t pid;
	int user_fd;
	struct xenemu_page_file file[XENEMU_FILES]; /* gntshr only */
	struct xenemu_run *runs;
};

#endif
