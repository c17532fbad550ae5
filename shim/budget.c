/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "budget.h"

#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RANGES 256		/* pieces that a process's pages may lie in */
#define TRIES 16		/* so often may others be quicker */

struct range {
	uint32_t first, pages;
};

/*
 * Two descriptors, two open files: what one's own open file has locked looks free to it, so the gaps are looked
 * for by another. A program may close what it did not open and get the numbers for files of its own, so these
 * are compared first.
 */
struct vmo_ledger {
	pthread_mutex_t lock;
	int fd, look_fd;
	struct stat file;
	off_t base;		/* of this domain and kind; the emulation has many domains in one file */
	uint32_t pages;
	uint32_t ranges;
	struct range range[RANGES];
};

static bool is_file(const struct vmo_ledger *l, int fd)
{
	struct stat now;

	return !fstat(fd, &now) && now.st_dev == l->file.st_dev && now.st_ino == l->file.st_ino;
}

static int set_lock(const struct vmo_ledger *l, short type, uint32_t first, uint32_t pages)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = l->base + first, .l_len = pages };

	return fcntl(l->fd, F_OFD_SETLK, &lock) ? -errno : 0;
}

/* The first free pages in [from, all). The kernel names any lock in the way, not the first one. */
static bool next_gap(const struct vmo_ledger *l, uint32_t from, struct range *gap)
{
	off_t at = l->base + from, end = l->base + l->pages;

	while (at < end) {
		struct flock other = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = end - at };

		if (fcntl(l->look_fd, F_OFD_GETLK, &other))
			return false;
		if (other.l_type == F_UNLCK) {
			*gap = (struct range){ (uint32_t)(at - l->base), (uint32_t)(end - at) };
			return true;
		}
		if (other.l_start > at) {
			end = other.l_start;
			continue;
		}
		if (!other.l_len)
			return false;	/* to the end of all files: not one of ours */
		at = other.l_start + other.l_len;
		end = l->base + l->pages;
	}
	return false;
}

static void give(struct vmo_ledger *l, uint32_t pages)
{
	while (pages && l->ranges) {
		struct range *last = &l->range[l->ranges - 1];
		uint32_t n = pages < last->pages ? pages : last->pages;

		set_lock(l, F_UNLCK, last->first + last->pages - n, n);
		last->pages -= n;
		l->ranges -= !last->pages;
		pages -= n;
	}
}

static bool note(struct vmo_ledger *l, uint32_t first, uint32_t pages)
{
	struct range *last = l->ranges ? &l->range[l->ranges - 1] : NULL;

	if (last && last->first + last->pages == first)
		last->pages += pages;
	else if (l->ranges < RANGES)
		l->range[l->ranges++] = (struct range){ first, pages };
	else
		return false;
	return true;
}

static int take(struct vmo_ledger *l, uint32_t pages)
{
	uint32_t wanted = pages, from = 0;
	struct range gap;

	for (int tries = 0; wanted && tries < TRIES && next_gap(l, from, &gap);) {
		uint32_t n = gap.pages < wanted ? gap.pages : wanted;

		from = gap.first;
		if (set_lock(l, F_WRLCK, gap.first, n)) {
			tries++;	/* somebody was quicker; look again */
			continue;
		}
		if (!note(l, gap.first, n)) {
			set_lock(l, F_UNLCK, gap.first, n);
			break;
		}
		wanted -= n;
		from += n;
	}
	if (!wanted)
		return 0;
	give(l, pages - wanted);
	return -ENOSPC;
}

int vmo_ledger_take(struct vmo_ledger *l, uint32_t pages)
{
	int rc = 0;

	if (!l)
		return 0;
	pthread_mutex_lock(&l->lock);
	if (is_file(l, l->fd) && is_file(l, l->look_fd))
		rc = take(l, pages);
	pthread_mutex_unlock(&l->lock);
	return rc;
}

void vmo_ledger_give(struct vmo_ledger *l, uint32_t pages)
{
	if (!l)
		return;
	pthread_mutex_lock(&l->lock);
	if (is_file(l, l->fd))
		give(l, pages);
	pthread_mutex_unlock(&l->lock);
}

uint64_t vmo_ledger_free_pages(struct vmo_ledger *l)
{
	struct range gap;
	uint64_t pages = 0;

	if (!l)
		return UINT64_MAX;
	pthread_mutex_lock(&l->lock);
	for (uint32_t from = 0; is_file(l, l->look_fd) && next_gap(l, from, &gap); from = gap.first + gap.pages)
		pages += gap.pages;
	pthread_mutex_unlock(&l->lock);
	return pages;
}

static int open_both(struct vmo_ledger *l, struct vmo_xen *xen)
{
	struct flock any = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = l->base, .l_len = 1 };

	l->fd = vmo_xen_common_file(xen);
	l->look_fd = l->fd < 0 ? -1 : vmo_xen_common_file(xen);
	if (l->fd < 0 || l->look_fd < 0)
		return l->fd < 0 ? l->fd : l->look_fd;
	if (fstat(l->fd, &l->file) || fcntl(l->look_fd, F_OFD_GETLK, &any))
		return -errno;
	return is_file(l, l->look_fd) ? 0 : -EAGAIN;	/* the registry has just been made anew */
}

int vmo_ledger_new(struct vmo_ledger **out, struct vmo_xen *xen, enum vmo_ledger_kind kind, uint64_t pages)
{
	struct vmo_ledger *l = calloc(1, sizeof *l);
	int rc;

	if (!l)
		return -ENOMEM;
	pthread_mutex_init(&l->lock, NULL);
	l->base = ((off_t)vmo_xen_domid(xen) + 1) << 34 | (off_t)kind << 33;
	l->pages = pages < UINT32_MAX ? (uint32_t)pages : UINT32_MAX;
	rc = open_both(l, xen);
	if (rc) {
		vmo_info("pages are not counted for the whole VM: %s", strerror(-rc));
		vmo_ledger_free(l);
		return rc;
	}
	*out = l;
	return 0;
}

static void close_mine(const struct vmo_ledger *l, int fd)
{
	if (fd >= 0 && is_file(l, fd))
		syscall(SYS_close, fd);
}

/* Closing the file unlocks all. */
void vmo_ledger_free(struct vmo_ledger *l)
{
	if (!l)
		return;
	close_mine(l, l->fd);
	close_mine(l, l->look_fd);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

/* ---- the process's part ---- */

static int take_own(struct vmo_budget *budget, uint32_t pages)
{
	uint64_t used = __atomic_load_n(&budget->used, __ATOMIC_RELAXED);

	do {
		if (used > budget->pages || pages > budget->pages - used)
			return -ENOSPC;
	} while (!__atomic_compare_exchange_n(&budget->used, &used, used + pages, true, __ATOMIC_RELAXED,
	                                      __ATOMIC_RELAXED));
	return 0;
}

int vmo_budget_take(struct vmo_budget *budget, uint32_t pages)
{
	int rc = take_own(budget, pages);

	if (rc)
		return rc;
	rc = vmo_ledger_take(budget->ledger, pages);
	if (rc)
		__atomic_fetch_sub(&budget->used, pages, __ATOMIC_RELAXED);
	return rc;
}

void vmo_budget_give(struct vmo_budget *budget, uint32_t pages)
{
	vmo_ledger_give(budget->ledger, pages);
	__atomic_fetch_sub(&budget->used, pages, __ATOMIC_RELAXED);
}
