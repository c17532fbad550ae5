/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A new generation of a run replaces the old mapping, but not under a user's feet; a wrong one is -ESTALE. */
#include "mapcache_pair.h"

static void mapper(struct pair *pair)
{
	static struct vmo_directory changed;	/* what the peer would show after using run 0's number again */
	struct vmo_remote_pool remote, later;
	struct vmo_mapcache *cache;
	struct vmo_mapping *held, *mapping;
	const char *old, *now;
	uint32_t generation = attach(pair, 0, &remote), pages;

	memcpy(&changed, (const void *)(uintptr_t)remote.directory, sizeof changed);
	changed.run[0] = changed.run[3];
	changed.run[0].generation = generation + 1;
	later = remote;
	later.directory = &changed;

	CHECK_RC(vmo_mapcache_new(&cache, pair->xen, 10000), 0);
	CHECK_RC(vmo_mapcache_get(cache, &remote, 0, generation + 1, &mapping, &now, &pages), -ESTALE);
	held = get(cache, &remote, 0, generation, &old);
	CHECK_RC(vmo_mapcache_get(cache, &remote, 0, generation + 1, &mapping, &now, &pages), -ESTALE);
	CHECK_RC(vmo_mapcache_usage(cache).runs, 1);

	CHECK_RC(vmo_mapcache_get(cache, &later, 0, generation + 1, &mapping, &now, &pages), 0);
	CHECK(pair_same(now, 0, RUN_BYTES, 3) && pair_same(old, 0, RUN_BYTES, 0));
	CHECK_RC(vmo_mapcache_usage(cache).runs, 2);
	vmo_mapcache_put(cache, held);
	CHECK_RC(vmo_mapcache_usage(cache).runs, 1);
	vmo_mapcache_put(cache, mapping);
	CHECK_RC(vmo_mapcache_get(cache, &later, 0, generation, &mapping, &now, &pages), -ESTALE);
	CHECK_RC(vmo_mapcache_usage(cache).runs, 1);

	/* Nobody uses it: the old one goes at once. */
	changed.run[0] = changed.run[4];
	changed.run[0].generation = generation + 2;
	CHECK_RC(vmo_mapcache_get(cache, &later, 0, generation + 2, &mapping, &now, &pages), 0);
	CHECK(pair_same(now, 0, RUN_BYTES, 4));
	CHECK_RC(vmo_mapcache_usage(cache).runs, 1);
	vmo_mapcache_put(cache, mapping);
	vmo_mapcache_free(cache);
	pair_meet(pair);
}

int main(void)
{
	setenv("XENEMU_LIMIT", "8192", 1);
	return pair_test(30, grant_runs, mapper);
}
