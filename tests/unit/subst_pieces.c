/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A pool with gaps gives several blocks for one buffer, never more than the caller takes; else nothing is changed. */
#include "subst_setup.h"

#define GAP 16

/* Leaves gaps of 16 pages, with a page taken between any two. */
static void make_gaps(struct setup *s, int gaps)
{
	struct vmo_block *all, *block[64], *separator;

	CHECK_RC(vmo_pool_take(s->pool, 256, 256, &all), 0);
	s->budget.pages = s->budget.used;	/* no more runs */
	vmo_block_drop(all);
	for (int i = 0; i < gaps; i++) {
		CHECK_RC(vmo_pool_take(s->pool, GAP, GAP, &block[i]), 0);
		CHECK_RC(vmo_pool_take(s->pool, 1, 1, &separator), 0);
	}
	while (!vmo_pool_take(s->pool, 256, 1, &all))
		;
	for (int i = 0; i < gaps; i++)
		vmo_block_drop(block[i]);
}

static const char *scenario(struct setup *s)
{
	char *buffer = map_anonymous(MIB);
	size_t bytes = 5 * GAP * PAGE;

	make_gaps(s, 6);
	pair_fill(buffer, MIB, 1);
	CHECK_RC(offer_in(s, buffer, bytes, 4), -ENOSPC);
	CHECK_RC(vmo_subst_usage(s->subst).associations, 0);
	CHECK(pair_same(buffer, 0, MIB, 1));
	CHECK_RC(offer_in(s, buffer, bytes, 5), 5);
	CHECK(message_has(s, buffer, 1) && pair_same(buffer, 0, MIB, 1));
	for (int i = 0; i < 5; i++)
		CHECK_RC(s->piece[i].bytes, GAP * PAGE);
	done(s);

	CHECK_RC(offer_in(s, buffer + PAGE, bytes - 2 * PAGE, 5), 5);	/* the ends of it: shorter pieces */
	CHECK_RC(s->piece[0].offset, PAGE);
	CHECK_RC(s->piece[4].bytes, (GAP - 1) * PAGE);
	CHECK(message_is_buffer(s));
	done(s);

	CHECK_RC(offer(s, buffer, MIB), -ENOSPC);	/* what is in place stays so */
	CHECK_RC(offer(s, buffer, bytes), 5);
	CHECK_RC(vmo_subst_detach(s->subst, (uintptr_t)buffer, bytes), 0);
	CHECK(pair_same(buffer, 0, MIB, 1));
	CHECK_RC(vmo_stats.counter[VMO_C_detaches], 1);	/* one buffer, whatever the number of pieces */
	return NULL;
}

int main(void)
{
	return subst_test(20, scenario);
}
