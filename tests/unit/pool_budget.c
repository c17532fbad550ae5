/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pools share one budget, which counts catalogs too, is never exceeded and is returned; the pages come back to gntalloc. */
#include "xen_pair.h"

#include "pool.h"
#include "stats.h"

static uint32_t take_all(struct vmo_pool *pool, struct vmo_block **block, uint32_t most)
{
	uint32_t n = 0;
	int rc = 0;

	while (n < most && !(rc = vmo_pool_take(pool, 1, 1, &block[n])))
		n++;
	CHECK_RC(rc, -ENOSPC);
	return n;
}

static void alone(struct pair *pair)
{
	struct vmo_budget budget = { .pages = 100 };
	struct vmo_pool *one, *two, *none = (void *)1;
	struct vmo_block *block[200];
	struct vmo_grant probe;
	vmo_gref grefs[1024];
	uint32_t n;

	CHECK_RC(vmo_pool_new(&one, pair->xen, 2, 64 * PAGE, &budget), 0);
	CHECK_RC(budget.used, 1);			/* its directory */
	CHECK_RC(vmo_pool_new(&two, pair->xen, 3, 64 * PAGE, &budget), 0);
	CHECK(vmo_pool_domid(one) == 2 && vmo_pool_domid(two) == 3);
	CHECK_RC(vmo_pool_take(two, 1, 1, &block[0]), 0);
	CHECK_RC(budget.used, 2 + 1 + 64);		/* two directories, a gref page, a run */
	n = take_all(one, block + 1, 199);
	CHECK_RC(n, 100 - 67 - 1);			/* the rest but for its own gref page */
	CHECK_RC(vmo_pool_usage(one).runs, 1);		/* in one step: what was left was known */
	CHECK_RC(budget.used, 100);
	CHECK_RC(vmo_stats.counter[VMO_C_granted_pages], 100);
	CHECK_RC(vmo_pool_new(&none, pair->xen, 4, PAGE, &budget), -ENOSPC);
	CHECK(none == (void *)1);
	CHECK_RC(vmo_pool_take(one, 2, 2, &block[199]), -ENOSPC);
	CHECK_RC(vmo_pool_take(one, 0, 0, &block[199]), -EINVAL);
	CHECK_RC(vmo_pool_take(one, 1, 2, &block[199]), -EINVAL);
	for (uint32_t i = 0; i <= n; i++)
		vmo_block_drop(block[i]);
	vmo_pool_free(one);
	CHECK_RC(budget.used, 66);
	vmo_pool_free(two);
	CHECK_RC(budget.used, 0);
	vmo_pool_free(NULL);
	CHECK_RC(vmo_xen_grant(pair->xen, 2, 1024, false, &probe, grefs), 0);	/* the whole limit is free again */
}

int main(void)
{
	return pair_alone(20, alone);
}
