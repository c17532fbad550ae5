/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pages for long come out of the smallest gap that has them, and leave the long ones: the pool need not grow for those. */
#include "xen_pair.h"

#include "pool.h"

static void alone(struct pair *pair)
{
	struct vmo_budget budget = { .pages = 600 };
	struct vmo_block *block[4], *small, *large, *rest;
	static const uint32_t pages[4] = { 8, 4, 8, 44 };
	struct vmo_pool *pool;

	CHECK_RC(vmo_pool_new(&pool, pair->xen, pair->peer, 64 * PAGE, &budget), 0);
	for (int i = 0; i < 4; i++)
		CHECK_RC(vmo_pool_take(pool, pages[i], pages[i], &block[i]), 0);
	vmo_block_drop(block[1]);
	vmo_block_drop(block[3]);	/* gaps of 4 and, the newest, of 44 */
	CHECK_RC(vmo_pool_take_lasting(pool, 3, 3, &small), 0);
	CHECK(small->first >= 8 && small->first + 3 <= 12);
	CHECK_RC(vmo_pool_take(pool, 44, 44, &large), 0);
	CHECK_RC(vmo_pool_usage(pool).runs, 1);

	/* No gap has so many: the longest one, as for others; with more asked for, another run. */
	vmo_block_drop(large);
	CHECK_RC(vmo_pool_take_lasting(pool, 50, 10, &large), 0);
	CHECK_RC(large->pages, 44);
	CHECK_RC(vmo_pool_usage(pool).runs, 1);
	CHECK_RC(vmo_pool_take_lasting(pool, 50, 50, &rest), 0);
	CHECK_RC(vmo_pool_usage(pool).runs, 2);
	CHECK_RC(vmo_pool_usage(pool).pages_taken, 16 + 3 + 44 + 50);
	vmo_block_drop(rest);
	vmo_block_drop(large);
	vmo_block_drop(small);
	vmo_block_drop(block[0]);
	vmo_block_drop(block[2]);
	CHECK_RC(vmo_pool_usage(pool).pages_taken, 0);
	vmo_pool_free(pool);
}

int main(void)
{
	return pair_alone(20, alone);
}
