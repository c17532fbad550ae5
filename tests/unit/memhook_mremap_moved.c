/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A mapping that mremap() has moved before its middle was substituted can be moved and grown again, while it is
 * substituted and after; a call that fails without this library fails with it, and keeps the content.
 */
#include "subst_setup.h"

#include <errno.h>

static char *move(char *at, size_t bytes)
{
	char *place = map_anonymous(bytes);

	CHECK(mremap(at, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, place) == place);
	return place;
}

static const char *scenario(struct setup *s)
{
	char *buffer = map_anonymous(2 * MIB), *grown;

	pair_fill(buffer, 2 * MIB, 1);
	buffer = move(buffer, 2 * MIB);
	start(s, buffer + MIB / 2, MIB);
	pair_fill(buffer, 2 * MIB, 5);
	grown = mremap(buffer, 2 * MIB, 3 * MIB, MREMAP_MAYMOVE);
	if (grown == MAP_FAILED)
		return "mremap fails on what is substituted";
	if (!pair_same(grown, 0, 2 * MIB, 5))
		return "mremap lost content";
	done(s);

	buffer = move(grown, 3 * MIB);
	start(s, buffer + MIB / 2, MIB);
	pair_fill(buffer, 3 * MIB, 6);
	CHECK(!madvise(buffer + MIB, PAGE, MADV_DONTNEED));	/* ends it */
	pair_fill(buffer, 3 * MIB, 6);
	if (vmo_subst_usage(s->subst).pages == MIB / PAGE)
		return "madvise ended nothing";
	grown = mremap(buffer, 3 * MIB, 4 * MIB, MREMAP_MAYMOVE);
	if (grown == MAP_FAILED || !pair_same(grown, 0, 3 * MIB, 6))
		return "mremap fails where memory was substituted";
	done(s);

	mprotect(grown + MIB / 2, PAGE, PROT_READ);	/* several mappings of the program's own */
	CHECK(mremap(grown, 4 * MIB, 5 * MIB, MREMAP_MAYMOVE) == MAP_FAILED && errno == EFAULT);
	CHECK(pair_same(grown, 0, 3 * MIB, 6));
	return NULL;
}

int main(void)
{
	return hook_test(20, scenario);
}
