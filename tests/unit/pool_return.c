/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs go back when nobody uses them and no peer maps them, not before; budget and gntalloc have their pages again;
 * a run that the pool needs meanwhile serves again; the number of one that is gone serves with a new generation, in
 * its old place of the catalog. A mapping in use stays until it is put.
 */
#include "xen_pair.h"

#include "mapcache.h"
#include "stats.h"

#define RUN 64
#define COUNTER(id) ((long)vmo_stats.counter[VMO_C_##id])

struct told {
	vmo_gref directory;
	uint32_t run, generation;
};

static void tell(struct pair *pair, const struct vmo_pool *pool, const struct vmo_block *block)
{
	struct told told = { vmo_pool_directory_gref(pool), block->run, block->generation };

	pair_tell(pair, &told, sizeof told);
}

/* Of gntalloc: tests/xen/job.sh sets it so. */
static uint32_t limit(void)
{
	return getenv("VMO_TEST_GUEST") ? 8192 : 300;
}

/* Another process of this domain could have so many pages now. */
static bool can_grant(struct pair *pair, uint32_t pages)
{
	static vmo_gref grefs[8192];
	struct vmo_grant probe;
	int rc = vmo_xen_grant(pair->xen, pair->peer, pages, false, &probe, grefs);

	CHECK(!rc || rc == -ENOSPC);
	if (!rc)
		CHECK_RC(vmo_xen_ungrant(pair->xen, &probe), 0);
	return !rc;
}

static void idle(struct vmo_pool *pool)
{
	struct vmo_block *block;

	CHECK_RC(vmo_pool_withdraw(pool, false), 0);		/* the first look only looks */
	CHECK_RC(vmo_pool_take(pool, 1, 1, &block), 0);
	vmo_block_drop(block);
	CHECK_RC(vmo_pool_withdraw(pool, false), 1);		/* the other run was not used since */
	CHECK_RC(vmo_pool_withdraw(pool, false), 1);
	CHECK_RC(vmo_pool_leaving(pool), 2);
	CHECK_RC(vmo_pool_take(pool, RUN, RUN, &block), 0);	/* rescued: nothing is granted anew */
	CHECK_RC(vmo_pool_leaving(pool), 1);
	CHECK_RC(vmo_pool_withdraw(pool, true), 0);		/* one is withdrawn, the other in use */
	vmo_block_drop(block);
	CHECK_RC(COUNTER(runs), 2);
}

static void granter(struct pair *pair)
{
	struct vmo_budget budget = { .pages = 200 };
	struct vmo_block *first, *second;
	struct vmo_pool *pool;
	uint32_t seen;

	CHECK_RC(vmo_pool_new(&pool, pair->xen, pair->peer, RUN * PAGE, &budget), 0);
	CHECK_RC(vmo_pool_take(pool, RUN, RUN, &first), 0);
	CHECK_RC(vmo_pool_take(pool, RUN, RUN, &second), 0);
	pair_fill(first->view, RUN * PAGE, 1);
	pair_fill(second->view, RUN * PAGE, 2);
	CHECK_RC(vmo_pool_withdraw(pool, true), 0);
	tell(pair, pool, first);
	tell(pair, pool, second);
	pair_meet(pair);			/* both are mapped, the second is in use there */
	vmo_block_drop(second);
	CHECK_RC(vmo_pool_withdraw(pool, true), 1);
	CHECK_RC(vmo_pool_give_back(pool, 0), 0);	/* nobody has seen it */
	CHECK(!can_grant(pair, limit() - 2 - 2 * RUN + 1));
	pair_meet(pair);
	pair_hear(pair, &seen, sizeof seen);	/* unmapped */
	CHECK_RC(seen, vmo_pool_withdrawals(pool));
	CHECK_RC(vmo_pool_give_back(pool, seen), 1);
	CHECK_RC(COUNTER(returned_runs), 1);
	CHECK_RC(vmo_pool_leaving(pool), 0);
	CHECK_RC(budget.used, 2 + RUN);
	CHECK(can_grant(pair, limit() - 2 - RUN));
	CHECK(!can_grant(pair, limit() - 2 - RUN + 1));
	CHECK_RC(vmo_pool_usage(pool).runs, 1);

	CHECK_RC(vmo_pool_take(pool, RUN, RUN, &second), 0);
	CHECK(second->run == 1 && second->generation == 2);
	pair_fill(second->view, RUN * PAGE, 3);
	tell(pair, pool, second);
	pair_meet(pair);
	vmo_block_drop(first);
	vmo_block_drop(second);
	CHECK_RC(COUNTER(runs), 3);
	vmo_stats.counter[VMO_C_runs] = 2;
	idle(pool);
	CHECK_RC(vmo_pool_give_back(pool, vmo_pool_withdrawals(pool)), 1);
	CHECK_RC(vmo_pool_withdraw(pool, true), 1);
	CHECK_RC(vmo_pool_give_back(pool, vmo_pool_withdrawals(pool)), 1);
	CHECK_RC(budget.used, 2);			/* the catalog stays */
	CHECK_RC(vmo_pool_take(pool, 2 * RUN, 2 * RUN, &first), 0);	/* too long for an old place */
	CHECK_RC(first->run, 2);
	CHECK_RC(vmo_pool_take(pool, 1, 1, &second), 0);
	CHECK(second->run < 2 && second->generation == (second->run ? 3 : 2));
	vmo_block_drop(first);
	vmo_block_drop(second);
	vmo_pool_free(pool);
	CHECK_RC(budget.used, 0);
	CHECK(can_grant(pair, limit()));
}

static void check_mapped(struct vmo_mapcache *cache, const struct vmo_remote_pool *remote, const struct told *told,
                         unsigned seed, struct vmo_mapping **mapping)
{
	const char *address;
	uint32_t pages;

	CHECK_RC(vmo_mapcache_get(cache, remote, told->run, told->generation, mapping, &address, &pages), 0);
	CHECK(pages == RUN && pair_same(address, 0, RUN * PAGE, seed));
}

static void mapper(struct pair *pair)
{
	struct vmo_mapping *one, *two, *none;
	struct vmo_remote_pool remote;
	struct vmo_mapcache *cache;
	struct told first, second, again;
	const char *address;
	uint32_t pages;
	void *at;

	pair_hear(pair, &first, sizeof first);
	pair_hear(pair, &second, sizeof second);
	CHECK_RC(vmo_xen_map(pair->xen, pair->peer, &first.directory, 1, false, &at), 0);
	remote = (struct vmo_remote_pool){ pair->peer, 0, at };
	CHECK_RC(vmo_mapcache_new(&cache, pair->xen, 1000), 0);
	check_mapped(cache, &remote, &first, 1, &one);
	vmo_mapcache_put(cache, one);
	check_mapped(cache, &remote, &second, 2, &two);
	CHECK(vmo_mapcache_withdraw(cache, &remote));		/* nothing is withdrawn */
	CHECK_RC(vmo_mapcache_usage(cache).runs, 2);
	pair_meet(pair);
	pair_meet(pair);
	CHECK(!vmo_mapcache_withdraw(cache, &remote));		/* it is in use */
	vmo_mapcache_put(cache, two);
	CHECK(vmo_mapcache_withdraw(cache, &remote));
	CHECK_RC(vmo_mapcache_usage(cache).runs, 1);		/* the first one stays */
	pages = remote.directory->withdrawals;
	pair_tell(pair, &pages, sizeof pages);

	pair_hear(pair, &again, sizeof again);
	CHECK(again.run == second.run);
	CHECK_RC(vmo_mapcache_get(cache, &remote, second.run, second.generation, &none, &address, &pages), -ESTALE);
	check_mapped(cache, &remote, &again, 3, &two);
	vmo_mapcache_put(cache, two);
	check_mapped(cache, &remote, &first, 1, &one);
	vmo_mapcache_put(cache, one);
	vmo_mapcache_free(cache);
	CHECK_RC(vmo_xen_unmap(pair->xen, at, 1), 0);
	pair_meet(pair);
}

int main(void)
{
	setenv("XENEMU_LIMIT", "300", 1);
	return pair_test(30, granter, mapper);
}
