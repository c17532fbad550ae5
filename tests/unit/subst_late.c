/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Late receivers, when the pool has no pages to move to: each detach doubles the sends that the buffer must do for its next substitution, up to 1024, so that
 * a pattern whose receivers are always late settles on staging. A substitution that served many sends is forgiven.
 */
#include "subst_setup.h"

static int sends_until_in_place(struct setup *s, char *buffer)
{
	int n = 1;

	while (n < 5000 && !offer(s, buffer, 64 * KIB))
		n++;
	return n;
}

/* The pool has room for one buffer, and that is in it. */
static void late(struct setup *s, char *buffer)
{
	done(s);
	CHECK_RC(vmo_subst_detach(s->subst, (uintptr_t)buffer, 64 * KIB), 0);
}

static const char *scenario(struct setup *s)
{
	char *buffer = map_anonymous(64 * KIB), *other = map_anonymous(64 * KIB);
	struct vmo_block *room;

	CHECK_RC(vmo_pool_take(s->pool, 16, 16, &room), 0);
	fill_pool(s);
	vmo_block_drop(room);
	for (int need = 1; need <= 1024; need *= 2) {
		CHECK_RC(sends_until_in_place(s, buffer), need);
		late(s, buffer);
	}
	CHECK_RC(sends_until_in_place(s, buffer), 1024);
	late(s, buffer);
	CHECK_RC(sends_until_in_place(s, other), 1);	/* other buffers are not punished */
	for (int i = 0; i < 20; i++) {
		done(s);
		CHECK_RC(offer(s, other, 64 * KIB), 1);
	}
	late(s, other);
	CHECK_RC(sends_until_in_place(s, other), 1);
	return NULL;
}

int main(void)
{
	return subst_test(20, scenario);
}
