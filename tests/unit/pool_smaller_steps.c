/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where gntalloc has no room for a whole run, the pool grows by less, down to what is needed; then -ENOSPC. */
#include "xen_pair.h"

#include "pool.h"

static void alone(struct pair *pair)
{
	struct vmo_budget budget = { .pages = 100000 };
	struct vmo_pool *pool;
	struct vmo_block *block[100], *big;
	struct vmo_grant hog;
	vmo_gref grefs[40];
	uint32_t n = 0;
	uint64_t start;
	int rc;

	CHECK_RC(vmo_xen_grant(pair->xen, 2, 40, false, &hog, grefs), 0);
	CHECK_RC(vmo_pool_new(&pool, pair->xen, 2, 256 * PAGE, &budget), 0);
	/* 100 - 40 - directory - gref page: 58 pages are left of gntalloc's limit. */
	CHECK_RC(vmo_pool_take(pool, 4, 3, &block[n]), 0);
	n++;
	while (!(rc = vmo_pool_take(pool, 1, 1, &block[n])))
		n++;
	CHECK_RC(rc, -ENOSPC);
	CHECK_RC(vmo_pool_usage(pool).pages, 58);
	CHECK_RC(vmo_pool_usage(pool).pages_taken, 58);
	CHECK(vmo_pool_usage(pool).runs < 8);
	CHECK_RC(budget.used, 60);

	/* A full gntalloc is not asked again at once; when it has room later, the pool grows. */
	CHECK_RC(vmo_xen_ungrant(pair->xen, &hog), 0);
	start = vmo_now_ns();
	while ((rc = vmo_pool_take(pool, 20, 20, &big)) == -ENOSPC && vmo_now_ns() - start < 5000000000ull)
		usleep(10000);
	CHECK_RC(rc, 0);
	vmo_block_drop(big);
	while (n--)
		vmo_block_drop(block[n]);
	vmo_pool_free(pool);
	CHECK_RC(budget.used, 0);
}

int main(void)
{
	setenv("XENEMU_LIMIT", "100", 1);
	return pair_alone(20, alone);
}
