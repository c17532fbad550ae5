/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dlclose() may end mappings that no hook sees (here: one by a direct system call stands for them). What is gone is
 * forgotten; all else stays in place, with its content.
 */
#include "subst_setup.h"

static const char *scenario(struct setup *s)
{
	void *library = dlopen("libxenemu.so", RTLD_NOW | RTLD_NOLOAD);
	char *buffer = map_anonymous(MIB);

	if (!library)
		library = dlopen("libm.so.6", RTLD_NOW);
	CHECK(library);
	start(s, buffer, MIB);
	syscall(SYS_munmap, buffer + 256 * KIB, 64 * KIB);
	CHECK(dlclose(library) == 0);
	if (!pair_same(buffer, 0, 256 * KIB, 1) || !pair_same(buffer + 320 * KIB, 320 * KIB, 704 * KIB, 1))
		return "content lost";
	if (s->hooks)
		CHECK_RC(vmo_subst_usage(s->subst).pages, 256 - 16);
	CHECK(mmap(buffer + 256 * KIB, 64 * KIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
	           -1, 0) == buffer + 256 * KIB);
	return used_again(s, (uintptr_t)buffer, buffer + 256 * KIB, 64 * KIB);
}

int main(void)
{
	return hook_test(20, scenario);
}
