/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mremap() of a buffer whose middle is substituted grows it, moves it and keeps its content. */
#include "subst_setup.h"

static const char *scenario(struct setup *s)
{
	char *buffer = map_anonymous(MIB), *grown, *target = map_anonymous(2 * MIB);

	start(s, buffer + 100, MIB - 200);
	grown = mremap(buffer, MIB, 2 * MIB, MREMAP_MAYMOVE);
	if (grown == MAP_FAILED)
		return "mremap failed";
	if (!pair_same(grown + 100, 0, MIB - 200, 1))
		return "content lost";
	if (!message_has(s, buffer + 100, 1))
		return "the message under way changed";
	start(s, target, 2 * MIB);
	CHECK(mremap(grown, 2 * MIB, MIB, MREMAP_MAYMOVE | MREMAP_FIXED, target + MIB) == target + MIB);
	done(s);
	CHECK(offer_on(s, target, 2 * MIB) > 0);
	return message_is_buffer(s) ? NULL : "the peer gets other bytes than the buffer's";
}

int main(void)
{
	return hook_test(20, scenario);
}
