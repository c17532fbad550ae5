/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mappings count for the whole VM: what another process of it has mapped is not there to map; the cache then unmaps
 * what it used longest ago, but nothing in vain; what it unmaps others may have.
 */
#include "mapcache_pair.h"

static void mapper(struct pair *pair)
{
	struct vmo_remote_pool remote;
	struct vmo_mapcache *cache;
	struct vmo_ledger *ledger, *neighbour;
	struct vmo_mapping *none;
	const char *address;
	uint32_t generation = attach(pair, 0, &remote), pages;

	CHECK_RC(vmo_ledger_new(&ledger, pair->xen, VMO_LEDGER_MAPS, 4 * RUN_PAGES), 0);
	CHECK_RC(vmo_ledger_new(&neighbour, pair->xen, VMO_LEDGER_MAPS, 4 * RUN_PAGES), 0);
	CHECK_RC(vmo_mapcache_new(&cache, pair->xen, 1 << 20), 0);
	vmo_mapcache_share(cache, ledger);
	CHECK_RC(vmo_ledger_take(neighbour, RUN_PAGES), 0);
	for (uint32_t run = 0; run < 3; run++)		/* exactly what is left */
		touch(cache, &remote, run, generation);
	CHECK_RC(vmo_ledger_free_pages(neighbour), 0);
	CHECK_RC(COUNTER(map_evictions), 0);
	touch(cache, &remote, 0, generation);
	touch(cache, &remote, 3, generation);		/* 1 leaves */
	CHECK_RC(COUNTER(map_evictions), 1);
	touch(cache, &remote, 0, generation);
	touch(cache, &remote, 2, generation);
	CHECK_RC(COUNTER(maps), 4);

	CHECK_RC(vmo_mapcache_get(cache, &remote, 9, generation, &none, &address, &pages), -EINVAL);	/* no such run */
	CHECK_RC(vmo_mapcache_usage(cache).pages, 3 * RUN_PAGES);
	CHECK_RC(vmo_ledger_free_pages(neighbour), 0);
	vmo_mapcache_forget(cache, 0);
	CHECK_RC(vmo_ledger_take(neighbour, 3 * RUN_PAGES - 1), 0);
	CHECK_RC(vmo_mapcache_get(cache, &remote, 0, generation, &none, &address, &pages), -ENOSPC);
	CHECK_RC(vmo_ledger_free_pages(neighbour), 1);
	vmo_ledger_give(neighbour, 2 * RUN_PAGES);
	touch(cache, &remote, 0, generation);
	vmo_mapcache_free(cache);
	CHECK_RC(vmo_ledger_free_pages(neighbour), 2 * RUN_PAGES + 1);
	vmo_ledger_free(neighbour);
	vmo_ledger_free(ledger);
	pair_meet(pair);
}

int main(void)
{
	setenv("XENEMU_LIMIT", "8192", 1);
	return pair_test(30, grant_runs, mapper);
}
