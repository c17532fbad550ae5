/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Threads take, hold and drop at once, while the pool grows: no page is ever two threads'. */
#include "xen_pair.h"

#include "pool.h"

#include <pthread.h>

#define THREADS 4
#define ROUNDS 5000
#define KEPT 8

static struct vmo_pool *pool;

static void write_all(struct vmo_block *block, long value)
{
	for (uint32_t i = 0; i < block->pages; i++)
		*(volatile long *)(block->view + i * PAGE) = value;
}

static void check_all(struct vmo_block *block, long value)
{
	for (uint32_t i = 0; i < block->pages; i++)
		CHECK(*(volatile long *)(block->view + i * PAGE) == value);
}

static void *worker(void *argument)
{
	struct vmo_block *kept[KEPT] = { NULL };
	unsigned state = (unsigned)(long)argument;

	for (long i = 0; i < ROUNDS; i++) {
		struct vmo_block **at = &kept[i % KEPT];
		uint32_t pages = 1 + (uint32_t)rand_r(&state) % 20;

		if (*at) {
			vmo_block_hold(*at);
			vmo_block_drop(*at);
			check_all(*at, (long)argument * ROUNDS + i - KEPT);
			vmo_block_drop(*at);
		}
		*at = NULL;
		if (vmo_pool_take(pool, pages, 1, at) == 0)
			write_all(*at, (long)argument * ROUNDS + i);
	}
	for (int i = 0; i < KEPT; i++)
		if (kept[i])
			vmo_block_drop(kept[i]);
	return NULL;
}

static void alone(struct pair *pair)
{
	struct vmo_budget budget = { .pages = 400 };
	pthread_t thread[THREADS];

	CHECK_RC(vmo_pool_new(&pool, pair->xen, pair->peer, 8 * PAGE, &budget), 0);
	for (long i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&thread[i], NULL, worker, (void *)(i + 1)));
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	CHECK_RC(vmo_pool_usage(pool).pages_taken, 0);
	CHECK(budget.used <= budget.pages);
	vmo_pool_free(pool);
	CHECK_RC(budget.used, 0);
}

int main(void)
{
	return pair_alone(60, alone);
}
