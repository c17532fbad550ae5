/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* At its budget the cache unmaps what was used longest ago; never what is in use; and nothing in vain. */
#include "mapcache_pair.h"

static void mapper(struct pair *pair)
{
	struct vmo_remote_pool remote;
	struct vmo_mapcache *cache;
	struct vmo_mapping *held[3], *none = (void *)1;
	const char *address[3], *untouched = "untouched";
	uint32_t generation = attach(pair, 0, &remote), pages = 77;

	CHECK_RC(vmo_mapcache_new(&cache, pair->xen, 3 * RUN_PAGES + 5), 0);
	touch(cache, &remote, 0, generation);
	touch(cache, &remote, 1, generation);
	touch(cache, &remote, 2, generation);
	touch(cache, &remote, 0, generation);
	touch(cache, &remote, 3, generation);		/* 1 leaves */
	CHECK(COUNTER(maps) == 4 && COUNTER(map_evictions) == 1);
	touch(cache, &remote, 0, generation);
	touch(cache, &remote, 2, generation);
	CHECK_RC(COUNTER(maps), 4);
	touch(cache, &remote, 1, generation);		/* 3 leaves */
	CHECK(COUNTER(maps) == 5 && COUNTER(map_evictions) == 2);
	CHECK_RC(vmo_mapcache_usage(cache).pages, 3 * RUN_PAGES);

	held[0] = get(cache, &remote, 0, generation, &address[0]);
	held[1] = get(cache, &remote, 1, generation, &address[1]);
	for (uint32_t run = 2; run < RUNS; run++)	/* all through the one place that is left */
		touch(cache, &remote, run, generation);
	CHECK_RC(vmo_mapcache_usage(cache).pages, 3 * RUN_PAGES);
	held[2] = get(cache, &remote, 7, generation, &address[2]);
	CHECK_RC(vmo_mapcache_get(cache, &remote, 2, generation, &none, &untouched, &pages), -ENOSPC);
	CHECK(none == (void *)1 && !strcmp(untouched, "untouched") && pages == 77);
	CHECK(pair_same(address[0], 0, RUN_BYTES, 0) && pair_same(address[2], 0, RUN_BYTES, 7));
	vmo_mapcache_put(cache, held[1]);
	touch(cache, &remote, 2, generation);
	vmo_mapcache_put(cache, held[0]);
	vmo_mapcache_put(cache, held[2]);
	vmo_mapcache_free(cache);

	/* A run larger than the whole budget: refused, and the small one it could not help stays. */
	CHECK_RC(vmo_mapcache_new(&cache, pair->xen, RUN_PAGES - 1), 0);
	CHECK_RC(vmo_mapcache_get(cache, &remote, 2, generation, &none, &untouched, &pages), -ENOSPC);
	CHECK_RC(vmo_mapcache_usage(cache).pages, 0);
	vmo_mapcache_free(cache);
	pair_meet(pair);
}

int main(void)
{
	setenv("XENEMU_LIMIT", "8192", 1);
	return pair_test(30, grant_runs, mapper);
}
