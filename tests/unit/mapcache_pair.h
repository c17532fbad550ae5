/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mapcache_pair.h: domain 1 grants runs 0, 1, ... of a pool, each full of its own pattern; domain 2 has a cache. */
#ifndef MAPCACHE_PAIR_H
#define MAPCACHE_PAIR_H

#include "xen_pair.h"

#include "mapcache.h"
#include "stats.h"

#define RUNS 8
#define RUN_PAGES 200	/* 1600 pages: run 5 has its grefs in two gref pages */
#define RUN_BYTES (RUN_PAGES * PAGE)
#define COUNTER(id) vmo_stats.counter[VMO_C_##id]

/* The granting side of all these tests. Ends when the other side has met it. */
static inline void grant_runs(struct pair *pair)
{
	struct vmo_budget budget = { .pages = 8192 };
	struct vmo_block *block[RUNS];
	struct vmo_pool *pool;
	vmo_gref gref;

	CHECK_RC(vmo_pool_new(&pool, pair->xen, pair->peer, RUN_BYTES, &budget), 0);
	for (unsigned i = 0; i < RUNS; i++) {
		CHECK_RC(vmo_pool_take(pool, RUN_PAGES, RUN_PAGES, &block[i]), 0);
		pair_fill(block[i]->view, RUN_BYTES, i);
	}
	gref = vmo_pool_directory_gref(pool);
	pair_tell(pair, &gref, sizeof gref);
	pair_tell(pair, &block[0]->generation, sizeof block[0]->generation);
	pair_meet(pair);
	for (unsigned i = 0; i < RUNS; i++)
		vmo_block_drop(block[i]);
	vmo_pool_free(pool);
}

/* -> the generation of all runs. */
static inline uint32_t attach(struct pair *pair, uint32_t rank, struct vmo_remote_pool *remote)
{
	uint32_t generation;
	vmo_gref gref;
	void *at;

	pair_hear(pair, &gref, sizeof gref);
	pair_hear(pair, &generation, sizeof generation);
	CHECK_RC(vmo_xen_map(pair->xen, pair->peer, &gref, 1, false, &at), 0);
	*remote = (struct vmo_remote_pool){ pair->peer, rank, at };
	return generation;
}

/* One get that must succeed, and show the run's content. */
static inline struct vmo_mapping *get(struct vmo_mapcache *cache, const struct vmo_remote_pool *remote, uint32_t run,
                                      uint32_t generation, const char **address)
{
	struct vmo_mapping *mapping;
	uint32_t pages;

	CHECK_RC(vmo_mapcache_get(cache, remote, run, generation, &mapping, address, &pages), 0);
	CHECK_RC(pages, RUN_PAGES);
	CHECK(pair_same(*address, 0, PAGE, run) && pair_same(*address + RUN_BYTES - PAGE, RUN_BYTES - PAGE, PAGE, run));
	return mapping;
}

static inline void touch(struct vmo_mapcache *cache, const struct vmo_remote_pool *remote, uint32_t run,
                         uint32_t generation)
{
	const char *address;

	vmo_mapcache_put(cache, get(cache, remote, run, generation, &address));
}

#endif
