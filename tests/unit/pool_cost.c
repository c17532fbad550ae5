/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Taking and dropping one page, warm, is well under the cost of a system call: prints ns, fails above 2 us. */
#include "xen_pair.h"

#include "pool.h"

#define ROUNDS 20000
#define CROWD 100

/* The best of several attempts: on a busy machine the others measure the neighbours. */
static double cost_ns(struct vmo_pool *pool, uint32_t pages)
{
	double best = 1e9, ns;

	for (int attempt = 0; attempt < 20; attempt++) {
		uint64_t start = vmo_now_ns();

		for (int i = 0; i < ROUNDS; i++) {
			struct vmo_block *block;

			CHECK_RC(vmo_pool_take(pool, pages, pages, &block), 0);
			vmo_block_drop(block);
		}
		ns = (double)(vmo_now_ns() - start) / ROUNDS;
		best = ns < best ? ns : best;
	}
	return best;
}

static void alone(struct pair *pair)
{
	struct vmo_budget budget = { .pages = 1000 };
	struct vmo_pool *pool;
	struct vmo_block *crowd[CROWD];
	double one, two, large;

	CHECK_RC(vmo_pool_new(&pool, pair->xen, pair->peer, 256 * PAGE, &budget), 0);
	for (int i = 0; i < CROWD; i++)		/* not an empty pool: blocks of others, with holes */
		CHECK_RC(vmo_pool_take(pool, 3, 3, &crowd[i]), 0);
	for (int i = 0; i < CROWD; i += 2)
		vmo_block_drop(crowd[i]);
	one = cost_ns(pool, 1);
	two = cost_ns(pool, 2);
	large = cost_ns(pool, 200);
	printf("take + drop: 1 page %.0f ns, 2 pages %.0f ns, 200 pages %.0f ns\n", one, two, large);
	for (int i = 1; i < CROWD; i += 2)
		vmo_block_drop(crowd[i]);
	vmo_pool_free(pool);
	CHECK(one < 2000 && two < 2000);
}

int main(void)
{
	return pair_alone(60, alone);
}
