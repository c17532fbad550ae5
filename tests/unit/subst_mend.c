/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* After a detach the program's own mremap() of the whole buffer works: the hooks mend what the detach split. */
#include "subst_setup.h"

static const char *scenario(struct setup *s)
{
	char *buffer = map_anonymous(MIB), *grown;

	start(s, buffer + 100, MIB - 200);
	done(s);
	fill_pool(s);	/* no granted pages to move to: private ones */
	CHECK_RC(vmo_subst_detach(s->subst, (uintptr_t)buffer, MIB), 0);
	grown = mremap(buffer, MIB, 2 * MIB, MREMAP_MAYMOVE);
	if (grown == MAP_FAILED)
		return "mremap failed";
	return pair_same(grown + 100, 0, MIB - 200, 1) ? NULL : "content lost";
}

int main(void)
{
	return hook_test(20, scenario);
}
