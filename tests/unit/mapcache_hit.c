/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A run is mapped at the first get and found at the next, at the same address; other peers have other entries. */
#include "mapcache_pair.h"

static void mapper(struct pair *pair)
{
	struct vmo_remote_pool remote, twin;
	struct vmo_mapcache *cache;
	struct vmo_mapping *mapping;
	const char *first, *again;
	uint32_t generation = attach(pair, 7, &remote);

	twin = remote;
	twin.peer = 8;
	CHECK_RC(vmo_mapcache_new(&cache, pair->xen, 10000), 0);
	mapping = get(cache, &remote, 5, generation, &first);
	CHECK(pair_same(first, 0, RUN_BYTES, 5));
	vmo_mapcache_put(cache, mapping);
	CHECK(COUNTER(maps) == 1 && COUNTER(mapped_pages) == RUN_PAGES && COUNTER(map_hits) == 0);
	mapping = get(cache, &remote, 5, generation, &again);
	CHECK(first == again);
	vmo_mapcache_put(cache, mapping);
	CHECK(COUNTER(maps) == 1 && COUNTER(map_hits) == 1);
	for (uint32_t run = 0; run < RUNS; run++)
		touch(cache, &remote, run, generation);
	CHECK(vmo_mapcache_usage(cache).runs == RUNS && vmo_mapcache_usage(cache).pages == RUNS * RUN_PAGES);
	mapping = get(cache, &twin, 5, generation, &again);
	CHECK(first != again);
	vmo_mapcache_forget(cache, 8);			/* in use: goes when it is put */
	CHECK_RC(vmo_mapcache_usage(cache).runs, RUNS + 1);
	CHECK(pair_same(again, 0, RUN_BYTES, 5));
	vmo_mapcache_put(cache, mapping);
	CHECK_RC(vmo_mapcache_usage(cache).runs, RUNS);
	vmo_mapcache_forget(cache, 7);
	CHECK(vmo_mapcache_usage(cache).runs == 0 && vmo_mapcache_usage(cache).pages == 0);
	touch(cache, &remote, 5, generation);
	CHECK_RC(vmo_mapcache_usage(cache).runs, 1);
	vmo_mapcache_free(cache);
	vmo_mapcache_free(NULL);
	pair_meet(pair);
}

int main(void)
{
	setenv("XENEMU_LIMIT", "8192", 1);
	return pair_test(30, grant_runs, mapper);
}
