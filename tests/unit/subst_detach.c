/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A detach gives the buffer other pages with the same content: of the pool, or private ones if it has none. The message
 * stays as it was, whatever the program writes.
 */
#include "subst_setup.h"

#define COUNTER(id) vmo_stats.counter[VMO_C_##id]

static void moved(struct setup *s, char *buffer)
{
	struct setup first;

	start(s, buffer + 7, MIB - 7);
	first = *s;
	CHECK_RC(vmo_subst_detach(s->subst, (uintptr_t)buffer + 7, MIB - 7), 0);
	CHECK_RC(COUNTER(moves), 1);
	CHECK_RC(COUNTER(detaches), 0);
	CHECK(pair_same(buffer + 7, 0, MIB - 7, 1));
	pair_fill(buffer + 7, MIB - 7, 2);
	CHECK(message_has(&first, buffer + 7, 1));
	CHECK(offer(s, buffer + 7, MIB - 7) > 0);	/* in place again at once, while the first is under way still */
	CHECK(message_has(s, buffer + 7, 2) && message_has(&first, buffer + 7, 1));
	done(&first);
}

static void made_private(struct setup *s, char *buffer)
{
	struct setup second = *s;

	fill_pool(s);
	CHECK_RC(vmo_subst_detach(s->subst, (uintptr_t)buffer + 64 * KIB, 64 * KIB), 0);	/* a part of it */
	CHECK_RC(COUNTER(detaches), 1);
	CHECK_RC(vmo_subst_usage(s->subst).pages, 255 - 16);
	CHECK(pair_same(buffer + 7, 0, MIB - 7, 2));
	CHECK_RC(vmo_subst_detach(s->subst, (uintptr_t)buffer, MIB), 0);
	CHECK_RC(vmo_subst_usage(s->subst).pages, 0);
	CHECK_RC(COUNTER(detaches), 2);
	CHECK_RC(vmo_subst_detach(s->subst, (uintptr_t)buffer, MIB), 0);	/* nothing is left to do */
	CHECK_RC(COUNTER(detaches), 2);
	CHECK(pair_same(buffer + 7, 0, MIB - 7, 2));
	pair_fill(buffer + 7, MIB - 7, 3);
	CHECK(message_has(&second, buffer + 7, 2));
	done(s);
}

static const char *scenario(struct setup *s)
{
	char *buffer = map_anonymous(MIB);

	moved(s, buffer);
	made_private(s, buffer);
	vmo_subst_free(s->subst);
	return pair_same(buffer + 7, 0, MIB - 7, 3) ? NULL : "content lost";
}

int main(void)
{
	return subst_test(20, scenario);
}
