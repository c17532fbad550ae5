/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dlclose() may end mappings that nobody sees: it ends all associations, and all content is kept. */
#include "subst_setup.h"

static const char *scenario(struct setup *s)
{
	void *library = dlopen("libxenemu.so", RTLD_NOW | RTLD_NOLOAD);
	char *buffer = map_anonymous(MIB);

	if (!library)
		library = dlopen("libm.so.6", RTLD_NOW);
	CHECK(library);
	start(s, buffer, MIB);
	CHECK(dlclose(library) == 0);
	if (vmo_subst_usage(s->subst).associations)
		return "an association is left";
	if (!pair_same(buffer, 0, MIB, 1))
		return "content lost";
	return used_again(s, (uintptr_t)buffer, buffer, MIB);
}

int main(void)
{
	return hook_test(20, scenario);
}
