/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A warm get and put cost some tens of ns, with one run or with all in turn: prints them, fails above 2 us. */
#include "mapcache_pair.h"

#define ROUNDS 20000

static double cost_ns(struct vmo_mapcache *cache, const struct vmo_remote_pool *remote, uint32_t generation, uint32_t runs)
{
	double best = 1e9, ns;

	for (int attempt = 0; attempt < 20; attempt++) {
		uint64_t start = vmo_now_ns();

		for (uint32_t i = 0; i < ROUNDS; i++) {
			struct vmo_mapping *mapping;
			const char *address;
			uint32_t pages;

			CHECK_RC(vmo_mapcache_get(cache, remote, i % runs, generation, &mapping, &address, &pages), 0);
			vmo_mapcache_put(cache, mapping);
		}
		ns = (double)(vmo_now_ns() - start) / ROUNDS;
		best = ns < best ? ns : best;
	}
	return best;
}

static void mapper(struct pair *pair)
{
	struct vmo_remote_pool remote;
	struct vmo_mapcache *cache;
	uint32_t generation = attach(pair, 0, &remote);
	double one, all;

	CHECK_RC(vmo_mapcache_new(&cache, pair->xen, 10000), 0);
	one = cost_ns(cache, &remote, generation, 1);
	all = cost_ns(cache, &remote, generation, RUNS);
	printf("warm get + put: one run %.0f ns, %d runs %.0f ns\n", one, RUNS, all);
	CHECK(one < 2000 && all < 2000);
	vmo_mapcache_free(cache);
	pair_meet(pair);
}

int main(void)
{
	setenv("XENEMU_LIMIT", "8192", 1);
	return pair_test(30, grant_runs, mapper);
}
