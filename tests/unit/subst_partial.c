/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Overlapping buffers: a longer or shifted one gets the missing pages only; if that is too many pieces, all anew as one. */
#include "subst_setup.h"

static const char *scenario(struct setup *s)
{
	char *buffer = map_anonymous(2 * MIB);
	struct setup under_way;

	pair_fill(buffer, 2 * MIB, 1);
	CHECK_RC(offer(s, buffer + 256 * KIB, 256 * KIB), 1);
	done(s);
	CHECK_RC(offer(s, buffer, MIB), 3);	/* before, the old one, behind */
	CHECK(message_has(s, buffer, 1));
	CHECK_RC(vmo_stats.counter[VMO_C_substituted_pages], 256);
	done(s);
	CHECK_RC(offer(s, buffer + 300 * KIB, MIB), 3);	/* shifted: two of the old ones and one more */
	CHECK(message_is_buffer(s));
	CHECK_RC(vmo_stats.counter[VMO_C_substituted_pages], 256 + 75);
	done(s);
	for (size_t at = MIB + 512 * KIB; at < 2 * MIB; at += 16 * KIB) {	/* 16 chunks with holes between */
		CHECK(offer(s, buffer + at, 8 * KIB) == 1);
		done(s);
	}
	CHECK_RC(offer(s, buffer + MIB + 512 * KIB, 8 * KIB), 1);
	under_way = *s;
	CHECK_RC(offer(s, buffer + MIB + 512 * KIB, 512 * KIB), 1);	/* 32 pieces would be too many */
	CHECK(message_is_buffer(s) && message_is_buffer(&under_way));
	CHECK(pair_same(buffer, 0, 2 * MIB, 1));
	memset(buffer, 7, 2 * MIB);
	CHECK(message_is_buffer(s) && !message_is_buffer(&under_way));	/* its pages are no longer the buffer's */
	return NULL;
}

int main(void)
{
	return subst_test(20, scenario);
}
