/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pool.h: the granted pages of one peer domain.
 *
 *   pool (domid 2) --> run 0  [ 256 pages granted in one ioctl, mapped once here as its "view" ]
 *                      run 1  [ ...                                                          ]
 *   block = contiguous pages of one run, taken for one use, reference counted: the association of
 *   a substituted buffer holds one reference, each transfer that carries its pages another. The
 *   pages are free for others when the last is dropped: never while a peer may still read them.
 *
 * Payload pages are granted read-only. Runs are kept as long as they are used (persistent grants): a
 * peer that mapped a run once reads every later message in it without a system call.
 *
 *   in service --vmo_pool_withdraw--> withdrawn --all mappers have seen it--> given back
 *       ^                                |
 *       +----- the pool needs it --------+          (pool_return.c; giveback.h decides when)
 *
 * A run is withdrawn only while no block of it exists, and given back only when no peer maps it:
 * gntalloc would count its pages as free, but they and their references would live on. Whoever lies
 * about that keeps what it has mapped, and costs this VM those references; it gets no other's pages.
 * The number of a run that is given back serves again, with the next generation.
 *
 * The catalog tells a peer the grefs of a run it has not seen. It is itself granted, read-only:
 *   directory page   struct vmo_directory: per run its first page number, length and generation,
 *                    and the grefs of the gref pages
 *   gref pages       gref of pool page n at [n / 1024][n % 1024]
 *
 * pool.c has the blocks, pool_grow.c the runs and the catalog, pool_return.c how runs go; pool_internal.h is theirs alone.
 *
 * Budget (budget.h): pages granted by all pools of the process, catalogs included, never exceed budget->pages,
 * nor the VM's part.
 * Threads: any function from any thread; none blocks on another process. hold and drop never wait
 * for a driver call and allocate nothing, so a memory hook may call them. take may do both: hold no
 * lock over it that the release listener of memhook.h wants.
 * Not handled: after fork the child may use neither pool nor blocks.
 */
#ifndef VMO_POOL_H
#define VMO_POOL_H

#include "budget.h"

#include <errno.h>

#define VMO_DIRECTORY_RUNS 184
#define VMO_DIRECTORY_GREF_PAGES 256
#define VMO_GREFS_PER_PAGE (VMO_PAGE_BYTES / sizeof(vmo_gref))

/* ABI of the directory page. A run's entry is complete before any message names the run. */
struct vmo_directory {
	uint32_t version;		/* VMO_DIRECTORY_VERSION */
	uint32_t runs;
	uint32_t gref_pages;
	uint32_t withdrawals;		/* so many runs were withdrawn so far; mappers look at it now and then */
	uint32_t reserved[28];
	vmo_gref gref_page[VMO_DIRECTORY_GREF_PAGES];
	struct vmo_directory_run {
		uint32_t first_page;	/* number of its first page in the pool */
		uint32_t pages;
		uint32_t generation;	/* changes when the run's number is used for other pages */
		uint32_t withdrawn;	/* by which withdrawal: unmap it. 0: in service */
	} run[VMO_DIRECTORY_RUNS];
};
#define VMO_DIRECTORY_VERSION 2
_Static_assert(sizeof(struct vmo_directory) == VMO_PAGE_BYTES, "the directory is one page");

struct vmo_pool;

struct vmo_block {
	struct vmo_pool *pool;
	uint32_t run;		/* number, as in the directory */
	uint32_t generation;
	uint32_t first;		/* page within the run */
	uint32_t pages;
	char *view;		/* this process's own address of the block's first page */
	uint32_t refs;		/* atomic */
};

/* A pool for one peer domain, with its directory page granted but no run yet. */
int vmo_pool_new(struct vmo_pool **out, struct vmo_xen *xen, vmo_domid peer, size_t run_bytes,
                 struct vmo_budget *budget);

/* Ungrants everything. All blocks and substitutions must have ended. Safe with NULL. */
void vmo_pool_free(struct vmo_pool *pool);

vmo_domid vmo_pool_domid(const struct vmo_pool *pool);
vmo_gref vmo_pool_directory_gref(const struct vmo_pool *pool);

/*
 * Takes up to `pages` contiguous pages, at least `least` of them, as one block with one reference;
 * grows the pool by max(run_bytes, pages) if no run has room, or by less where budget or gntalloc
 * have only room for that. A gap for all pages is preferred, then the longest. Call again for the
 * rest. A run has 65,536 pages at most.
 * -ENOSPC: budget or gntalloc's limit reached (what gntalloc or the VM's budget refused is not asked for again for a
 * quarter of a second). -EMFILE: no more runs. -EINVAL: least is 0 or more than pages. Other: -errno
 * of Xen.
 */
int vmo_pool_take(struct vmo_pool *pool, uint32_t pages, uint32_t least, struct vmo_block **out);

/*
 * The same for pages that will be kept for long, under a buffer: out of the smallest gap that has them, so that what
 * comes and goes with each message, and needs many pages in a row, finds those.
 */
int vmo_pool_take_lasting(struct vmo_pool *pool, uint32_t pages, uint32_t least, struct vmo_block **out);

/* Is that what vmo_pool_take says if room elsewhere in the pool would help? */
static inline bool vmo_pool_full(int rc)
{
	return rc == -ENOSPC || rc == -EMFILE;
}

void vmo_block_hold(struct vmo_block *block);
void vmo_block_drop(struct vmo_block *block);

/*
 * Cuts a block in two before page `page` of it, and returns the second part: each then comes free by itself. Only where
 * the caller's are all references, `refs` of them. The second part has `behind` references, the first the others, one at
 * least: both are the caller's. NULL: others hold it too, or nothing to note it is left; nothing has changed.
 */
struct vmo_block *vmo_block_split(struct vmo_block *block, uint32_t page, uint32_t refs, uint32_t behind);

/* Puts `pages` of the block, from page `first` of it, under `address` (page aligned). 0 or -errno. */
int vmo_block_place(struct vmo_block *block, uint32_t first, uint32_t pages, void *address);

/*
 * Withdraws runs that nobody uses: at_once all of them; else those of which nothing was taken since the last but one
 * such call. Returns how many. They serve again if the pool needs them before they are given back.
 */
uint32_t vmo_pool_withdraw(struct vmo_pool *pool, bool at_once);

/* The newest withdrawal, and how many runs are withdrawn and not yet given back. Cheap. */
uint32_t vmo_pool_withdrawals(const struct vmo_pool *pool);
uint32_t vmo_pool_leaving(const struct vmo_pool *pool);

/* All mappers have seen withdrawals up to this one and mapped nothing of them since: gives those back. */
uint32_t vmo_pool_give_back(struct vmo_pool *pool, uint32_t seen);

/*
 * The next run in service, from number *run on, of which something is taken, but a quarter at most: its number is in *run,
 * and how many pages are taken is returned. 0: there is none.
 */
uint32_t vmo_pool_sparse(struct vmo_pool *pool, uint32_t *run);

/* For tests and reports. */
struct vmo_pool_usage { uint32_t runs, pages, pages_taken; };
struct vmo_pool_usage vmo_pool_usage(struct vmo_pool *pool);

#endif
