/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A substituted buffer keeps address and content; what is written to it afterwards is in the message at once. */
#include "subst_setup.h"

static const char *scenario(struct setup *s)
{
	char *buffer = map_anonymous(MIB);

	pair_fill(buffer + 5, MIB - 9, 1);
	CHECK_RC(offer(s, buffer + 5, MIB - 9), 1);
	CHECK_RC(s->piece[0].bytes, MIB - 2 * PAGE);	/* without the partial first and last page */
	CHECK_RC(s->begin, (uintptr_t)buffer + PAGE);
	CHECK(pair_same(buffer + 5, 0, MIB - 9, 1) && message_has(s, buffer + 5, 1));
	pair_fill(buffer + 5, MIB - 9, 2);
	CHECK(message_has(s, buffer + 5, 2));
	done(s);
	CHECK_RC(offer(s, buffer + 3 * PAGE + 1, 5 * PAGE), 1);	/* a part of it is in place as well */
	CHECK_RC(s->piece[0].bytes, 4 * PAGE);
	CHECK(message_is_buffer(s));
	CHECK_RC(vmo_stats.counter[VMO_C_substitutions], 1);
	CHECK_RC(vmo_stats.counter[VMO_C_substituted_pages], 254);
	CHECK_RC(offer(s, buffer + 1, PAGE), 0);	/* no whole page in it */
	CHECK_RC(offer(s, (void *)(UINTPTR_MAX - 10), MIB), 0);
	return NULL;
}

int main(void)
{
	return subst_test(20, scenario);
}
