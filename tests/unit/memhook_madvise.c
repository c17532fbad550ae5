/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* MADV_DONTNEED gives zeroes, MADV_FREE works, harmless advice changes nothing. */
#include "subst_setup.h"

static const char *scenario(struct setup *s)
{
	static const char zeroes[64 * 1024];
	char *buffer = map_anonymous(MIB);

	start(s, buffer, MIB);
	CHECK(madvise(buffer, MIB, MADV_WILLNEED) == 0);
	CHECK(madvise(buffer, MIB, MADV_NORMAL) == 0);
	CHECK_RC(vmo_subst_usage(s->subst).pages, 256);
	CHECK(madvise(buffer + 64 * KIB, 64 * KIB, MADV_DONTNEED) == 0);
	if (memcmp(buffer + 64 * KIB, zeroes, sizeof zeroes))
		return "MADV_DONTNEED left content";
	if (!message_has(s, buffer, 1))
		return "the message under way changed";
	if (madvise(buffer + 256 * KIB, 64 * KIB, MADV_FREE))
		return "MADV_FREE failed";
	CHECK(posix_madvise(buffer + 512 * KIB, 64 * KIB, POSIX_MADV_DONTNEED) == 0);
	return used_again(s, (uintptr_t)buffer, buffer + 64 * KIB, 64 * KIB);
}

int main(void)
{
	return hook_test(20, scenario);
}
