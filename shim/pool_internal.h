/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pool_internal.h: what pool.c (blocks, per message), pool_grow.c and pool_return.c (runs, rare) share; for no one
 * else.
 *
 * Taking and dropping happen per message: one uncontended lock, a few bit operations, no allocation.
 * Growing is rare and slow, so it has a lock of its own, under which the other is free to be taken:
 * whoever only drops never waits for the driver.
 *
 *   grow_lock   runs come and go: catalog, next_page, refused; the driver's calls
 *   lock        bitmaps, hints, spare blocks; runs and run[] are written with both held
 *
 * Memory comes from direct system calls, because free() is hooked and the hook may want a lock that
 * is held by someone who waits here.
 */
#ifndef VMO_POOL_INTERNAL_H
#define VMO_POOL_INTERNAL_H

#include "pool.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define VMO_MAX_POOL_PAGES (VMO_DIRECTORY_GREF_PAGES * (uint32_t)VMO_GREFS_PER_PAGE)

struct run {
	struct vmo_grant grant;
	char *view;
	uint32_t number, pages, free;
	uint32_t generation;
	uint32_t withdrawn;		/* by which withdrawal; 0: in service */
	uint32_t quiet;			/* looked at so often without anything taken in between */
	uint32_t hint;			/* where pages were dropped last: free, and warm in the cache */
	uint64_t taken[];		/* a bit per page */
};

struct spare {
	struct vmo_block block;		/* first: a block is its own list entry */
	struct spare *next;
};

#define SPARES_PER_SLAB ((VMO_PAGE_BYTES - sizeof(void *)) / sizeof(struct spare))
struct slab {
	struct slab *next;
	struct spare spare[SPARES_PER_SLAB];
};

struct vmo_pool {
	struct vmo_xen *xen;
	vmo_domid peer;
	uint32_t run_pages;
	struct vmo_budget *budget;

	pthread_mutex_t lock;
	struct run *run[VMO_DIRECTORY_RUNS];	/* NULL: given back */
	uint32_t runs, hint_run;	/* numbers in use so far */
	uint32_t additions;		/* how often a run came into service */
	struct spare *spares;
	struct slab *slabs;

	pthread_mutex_t grow_lock;
	struct vmo_directory *directory;
	struct vmo_grant directory_grant;
	vmo_gref directory_gref;
	vmo_gref *gref;			/* [VMO_MAX_POOL_PAGES]: addresses for all gref pages, in a row */
	struct vmo_grant gref_grant[VMO_DIRECTORY_GREF_PAGES];
	uint32_t gref_pages, next_page;
	uint32_t place_pages[VMO_DIRECTORY_RUNS];	/* of the catalog, that a run's number has */
	uint32_t withdrawals, leaving;	/* atomic to read */
	uint32_t refused_pages;		/* the driver had no room for so many, at refused_ns */
	uint64_t refused_ns;
};

static inline void *vmo_raw_alloc(size_t bytes, int prot)
{
	long at = syscall(SYS_mmap, NULL, bytes, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0l);

	return at == -1 ? NULL : (void *)at;
}

static inline void vmo_raw_free(void *at, size_t bytes)
{
	if (at)
		syscall(SYS_munmap, at, bytes);
}

static inline uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/*
 * Adds a run of `least` pages at the least; more, if there is room, up to max(run_pages, pages).
 * seen: pool->additions when the caller found all full. If there are more by now it shall look again: 0.
 */
int vmo_pool_grow(struct vmo_pool *pool, uint32_t pages, uint32_t least, uint32_t seen);

static inline size_t vmo_run_bytes(uint32_t pages)
{
	return sizeof(struct run) + (pages + 63) / 64 * sizeof(uint64_t);
}

/* pool_return.c, under grow_lock: a withdrawn run of `least` pages serves again? */
bool vmo_pool_rescue(struct vmo_pool *pool, uint32_t least);

/* pool_grow.c: unmaps and ungrants, and gives to the budget. */
void vmo_pool_ungrant(struct vmo_pool *pool, const struct vmo_grant *grant, void *view);

/* What vmo_pool_new and vmo_pool_free do about the catalog; free takes back all runs as well. */
int vmo_pool_new_catalog(struct vmo_pool *pool);
void vmo_pool_free_grants(struct vmo_pool *pool);

#endif
