/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is dropped is taken again at once, still warm; a held block is not; a request larger than a run gets a run
 * of its size; a gap for all is preferred to a longer fragment; one that is met in part gets the longest gap.
 */
#include "xen_pair.h"

#include "pool.h"

static struct vmo_block *take(struct vmo_pool *pool, uint32_t pages, uint32_t least)
{
	struct vmo_block *block;

	CHECK_RC(vmo_pool_take(pool, pages, least, &block), 0);
	return block;
}

static void alone(struct pair *pair)
{
	struct vmo_budget budget = { .pages = 900 };
	struct vmo_pool *pool;
	struct vmo_block *a, *b, *c, *d;

	CHECK_RC(vmo_pool_new(&pool, pair->xen, pair->peer, 16 * PAGE, &budget), 0);
	a = take(pool, 4, 4);
	CHECK(a->pages == 4 && a->run == 0 && a->first == 0);
	vmo_block_hold(a);
	vmo_block_drop(a);
	b = take(pool, 4, 4);
	CHECK(b->first == 4);			/* a is still held */
	vmo_block_drop(a);
	a = take(pool, 2, 2);
	CHECK(a->first == 0);
	c = take(pool, 9, 1);
	CHECK(c->run == 0 && c->pages == 8 && c->first == 8);	/* no gap of 9: the longest */
	d = take(pool, 100, 30);
	CHECK(d->run == 1 && d->pages == 100);			/* more than a run */
	CHECK_RC(vmo_pool_usage(pool).runs, 2);
	vmo_block_drop(b);
	vmo_block_drop(c);
	b = take(pool, 5, 5);
	CHECK(b->run == 0 && b->first >= 2);
	c = take(pool, 6, 6);
	CHECK(c->run == 0);			/* beside b and a */
	CHECK_RC(vmo_pool_usage(pool).pages_taken, 113);
	vmo_block_drop(a), vmo_block_drop(b), vmo_block_drop(c), vmo_block_drop(d);
	a = take(pool, 116, 100);
	CHECK(a->run == 1 && a->pages == 100);
	vmo_block_drop(a);
	CHECK_RC(vmo_pool_usage(pool).pages_taken, 0);
	vmo_pool_free(pool);
}

int main(void)
{
	return pair_alone(20, alone);
}
