/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What of a buffer in place is given up in part, its granted pages come free for others at once; those that a transfer
 * still reads, when it is done.
 */
#include "subst_setup.h"

static uint32_t taken(const struct setup *s)
{
	return vmo_pool_usage(s->pool).pages_taken;
}

static const char *scenario(struct setup *s)
{
	char *buffer = map_anonymous(MIB), *other = map_anonymous(MIB);

	start(s, buffer, MIB);
	done(s);
	CHECK_RC(taken(s), 256);
	munmap(buffer + 64 * KIB, 128 * KIB);	/* out of the middle */
	CHECK_RC(taken(s), 256 - 32);
	munmap(buffer + 512 * KIB, 512 * KIB);
	CHECK_RC(taken(s), 256 - 32 - 128);
	munmap(buffer, 64 * KIB);
	CHECK_RC(taken(s), 80);
	CHECK(pair_same(buffer + 192 * KIB, 192 * KIB, 320 * KIB, 1));
	offer(s, buffer + 192 * KIB, 320 * KIB);
	CHECK(s->pieces > 0 && message_has(s, buffer, 1));
	done(s);
	munmap(buffer + 192 * KIB, 320 * KIB);
	CHECK_RC(taken(s), 0);

	start(s, other, MIB);
	munmap(other, 512 * KIB);	/* the message is under way */
	CHECK_RC(taken(s), 256);
	CHECK(message_has(s, other, 1));
	munmap(other + 512 * KIB, 512 * KIB);
	CHECK(message_has(s, other, 1));
	CHECK_RC(taken(s), 256);
	done(s);
	CHECK_RC(taken(s), 0);
	return NULL;
}

int main(void)
{
	if (UNDER_ASAN)
		return 77;
	return subst_test(20, scenario);
}
