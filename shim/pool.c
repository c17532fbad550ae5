/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Blocks: who uses which pages of the runs. */
#include "pool_internal.h"

#include "fault.h"

#include <errno.h>

struct gap {
	struct run *run;
	uint32_t first, pages;
};

/* First page in [from, end) whose bit, xor flip's, is set; or end. */
static uint32_t scan(const uint64_t *bits, uint32_t from, uint32_t end, uint64_t flip)
{
	while (from < end) {
		uint64_t word = (bits[from / 64] ^ flip) >> (from % 64);

		if (word)
			return min_u32(from + (uint32_t)__builtin_ctzll(word), end);
		from = (from | 63) + 1;
	}
	return end;
}

static void toggle(uint64_t *bits, uint32_t first, uint32_t pages)
{
	while (pages) {
		uint32_t bit = first % 64, n = min_u32(64 - bit, pages);

		bits[first / 64] ^= ~(uint64_t)0 >> (64 - n) << bit;
		first += n;
		pages -= n;
	}
}

/* True when *best has `pages`; otherwise *best is the longest gap of this and earlier searches. */
static bool find_in_run(struct run *run, uint32_t from, uint32_t pages, struct gap *best)
{
	while ((from = scan(run->taken, from, run->pages, ~(uint64_t)0)) < run->pages) {
		uint32_t end = run->pages - from < pages ? run->pages : from + pages;
		uint32_t stop = scan(run->taken, from, end, 0);

		if (stop - from > best->pages)
			*best = (struct gap){ run, from, stop - from };
		if (best->pages == pages)
			return true;
		from = stop;
	}
	return false;
}

/* Next-fit, from where pages were dropped last. */
static struct gap find(const struct vmo_pool *pool, uint32_t pages)
{
	struct gap best = { NULL, 0, 0 };
	uint32_t number = pool->hint_run;

	for (uint32_t i = 0; i < pool->runs; i++) {
		struct run *run = pool->run[number];

		if (run && !run->withdrawn && run->free > best.pages &&
		    (find_in_run(run, run->hint, pages, &best) || find_in_run(run, 0, pages, &best)))
			break;
		number = number + 1 == pool->runs ? 0 : number + 1;
	}
	return best;
}

/* The smallest gap of `pages` at least; where there is none, the longest. */
static struct gap find_tight(const struct vmo_pool *pool, uint32_t pages)
{
	struct gap best = { NULL, 0, 0 };

	for (uint32_t number = 0; number < pool->runs; number++) {
		struct run *run = pool->run[number];
		uint32_t from = 0, stop;

		if (!run || run->withdrawn || run->free < min_u32(pages, best.pages + 1))
			continue;
		for (; (from = scan(run->taken, from, run->pages, ~(uint64_t)0)) < run->pages; from = stop) {
			stop = scan(run->taken, from, run->pages, 0);
			uint32_t gap = stop - from;
			if (best.pages < pages ? gap > best.pages : gap >= pages && gap < best.pages)
				best = (struct gap){ run, from, gap };
			if (best.pages == pages)
				return best;
		}
	}
	best.pages = min_u32(best.pages, pages);
	return best;
}

static int add_spares(struct vmo_pool *pool)
{
	struct slab *slab = vmo_fault(pool_blocks) ? NULL : vmo_raw_alloc(sizeof *slab, PROT_READ | PROT_WRITE);

	if (!slab)
		return -ENOMEM;
	slab->next = pool->slabs;
	pool->slabs = slab;
	for (size_t i = 0; i < SPARES_PER_SLAB; i++) {
		slab->spare[i].next = pool->spares;
		pool->spares = &slab->spare[i];
	}
	return 0;
}

static struct vmo_block *make_block(struct vmo_pool *pool, const struct gap *gap)
{
	struct spare *spare = pool->spares;

	pool->spares = spare->next;
	toggle(gap->run->taken, gap->first, gap->pages);
	gap->run->free -= gap->pages;
	gap->run->hint = gap->first + gap->pages;
	gap->run->quiet = 0;
	pool->hint_run = gap->run->number;
	spare->block = (struct vmo_block){
		.pool = pool,
		.run = gap->run->number,
		.generation = gap->run->generation,
		.first = gap->first,
		.pages = gap->pages,
		.view = gap->run->view + gap->first * VMO_PAGE_BYTES,
		.refs = 1,
	};
	return &spare->block;
}

/* -EAGAIN: the runs have no gap of `least`; *seen tells which ones were looked at. */
static int take_free(struct vmo_pool *pool, uint32_t pages, uint32_t least, bool lasting, uint32_t *seen,
                     struct vmo_block **out)
{
	struct gap gap;
	int rc = 0;

	pthread_mutex_lock(&pool->lock);
	gap = lasting ? find_tight(pool, pages) : find(pool, pages);
	*seen = pool->additions;
	if (gap.pages < least)
		rc = -EAGAIN;
	else if (!pool->spares)
		rc = add_spares(pool);
	if (!rc)
		*out = make_block(pool, &gap);
	pthread_mutex_unlock(&pool->lock);
	return rc;
}

static int take(struct vmo_pool *pool, uint32_t pages, uint32_t least, bool lasting, struct vmo_block **out)
{
	uint32_t seen;
	int rc;

	if (!least || least > pages)
		return -EINVAL;
	while ((rc = take_free(pool, pages, least, lasting, &seen, out)) == -EAGAIN) {
		rc = vmo_pool_grow(pool, pages, least, seen);
		if (rc)
			return rc;
	}
	return rc;
}

int vmo_pool_take(struct vmo_pool *pool, uint32_t pages, uint32_t least, struct vmo_block **out)
{
	return take(pool, pages, least, false, out);
}

int vmo_pool_take_lasting(struct vmo_pool *pool, uint32_t pages, uint32_t least, struct vmo_block **out)
{
	return take(pool, pages, least, true, out);
}

void vmo_block_hold(struct vmo_block *block)
{
	__atomic_fetch_add(&block->refs, 1, __ATOMIC_RELAXED);
}

/* The last drop orders all earlier uses of the pages before their next taking. */
void vmo_block_drop(struct vmo_block *block)
{
	struct vmo_pool *pool = block->pool;
	struct spare *spare = (struct spare *)block;
	struct run *run;

	/* A sole reference is nobody else's to hold: the plain read spares a locked instruction. */
	if (__atomic_load_n(&block->refs, __ATOMIC_ACQUIRE) != 1 &&
	    __atomic_sub_fetch(&block->refs, 1, __ATOMIC_ACQ_REL))
		return;
	pthread_mutex_lock(&pool->lock);
	run = pool->run[block->run];
	toggle(run->taken, block->first, block->pages);
	run->free += block->pages;
	run->hint = block->first;
	pool->hint_run = run->number;
	spare->next = pool->spares;
	pool->spares = spare;
	pthread_mutex_unlock(&pool->lock);
}

struct vmo_block *vmo_block_split(struct vmo_block *block, uint32_t page, uint32_t refs, uint32_t behind)
{
	struct vmo_pool *pool = block->pool;
	struct spare *spare = NULL;

	if (!page || page >= block->pages || !behind || __atomic_load_n(&block->refs, __ATOMIC_ACQUIRE) != refs)
		return NULL;
	pthread_mutex_lock(&pool->lock);
	if (!vmo_fault(block_split))
		spare = pool->spares;
	if (spare)
		pool->spares = spare->next;
	pthread_mutex_unlock(&pool->lock);
	if (!spare)
		return NULL;
	spare->block = *block;
	spare->block.first += page;
	spare->block.pages -= page;
	spare->block.view += page * VMO_PAGE_BYTES;
	spare->block.refs = behind;
	block->pages = page;
	__atomic_store_n(&block->refs, refs > behind ? refs - behind : 1, __ATOMIC_RELAXED);
	return &spare->block;
}

int vmo_block_place(struct vmo_block *block, uint32_t first, uint32_t pages, void *address)
{
	struct vmo_pool *pool = block->pool;
	void *view;

	if (!pages || first > block->pages || pages > block->pages - first)
		return -EINVAL;
	if (!address || (uintptr_t)address % VMO_PAGE_BYTES)
		return -EINVAL;
	if (vmo_fault(place))
		return -errno;
	if (vmo_fault(place_lost)) {
		vmo_raw_free(address, pages * VMO_PAGE_BYTES);
		return -errno;
	}
	/* run[] entries never change while a block of theirs exists: no lock. */
	return vmo_xen_view(pool->xen, &pool->run[block->run]->grant, block->first + first, pages, address, true, &view);
}

int vmo_pool_new(struct vmo_pool **out, struct vmo_xen *xen, vmo_domid peer, size_t run_bytes,
                 struct vmo_budget *budget)
{
	struct vmo_pool *pool = vmo_fault(pool) ? NULL : vmo_raw_alloc(sizeof *pool, PROT_READ | PROT_WRITE);
	int rc;

	if (!pool)
		return -ENOMEM;
	pool->xen = xen;
	pool->peer = peer;
	pool->budget = budget;
	pool->run_pages = (uint32_t)(run_bytes < VMO_XEN_MOST_PAGES * VMO_PAGE_BYTES ? vmo_pages(run_bytes)
	                                                                              : VMO_XEN_MOST_PAGES);
	pthread_mutex_init(&pool->lock, NULL);
	pthread_mutex_init(&pool->grow_lock, NULL);
	rc = vmo_pool_new_catalog(pool);
	if (rc) {
		vmo_raw_free(pool, sizeof *pool);
		return rc;
	}
	*out = pool;
	return 0;
}

static void free_slabs(struct slab *slab)
{
	while (slab) {
		struct slab *next = slab->next;

		vmo_raw_free(slab, sizeof *slab);
		slab = next;
	}
}

void vmo_pool_free(struct vmo_pool *pool)
{
	if (!pool)
		return;
	vmo_pool_free_grants(pool);
	free_slabs(pool->slabs);
	pthread_mutex_destroy(&pool->grow_lock);
	pthread_mutex_destroy(&pool->lock);
	vmo_raw_free(pool, sizeof *pool);
}

vmo_domid vmo_pool_domid(const struct vmo_pool *pool)
{
	return pool->peer;
}

vmo_gref vmo_pool_directory_gref(const struct vmo_pool *pool)
{
	return pool->directory_gref;
}

struct vmo_pool_usage vmo_pool_usage(struct vmo_pool *pool)
{
	struct vmo_pool_usage usage = { 0, 0, 0 };

	pthread_mutex_lock(&pool->lock);
	for (uint32_t i = 0; i < pool->runs; i++) {
		if (!pool->run[i])
			continue;
		usage.runs++;
		usage.pages += pool->run[i]->pages;
		usage.pages_taken += pool->run[i]->pages - pool->run[i]->free;
	}
	pthread_mutex_unlock(&pool->lock);
	return usage;
}
