/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the hooks cost, printed: malloc and free of 32 bytes, by libc's own free and by the hook. */
#include "subst_setup.h"

static void nobody(uintptr_t address, size_t bytes, enum vmo_release how)
{
}

static double pair_ns(void (*give)(void *))
{
	const int rounds = 500000;
	uint64_t least = UINT64_MAX;

	for (int time = 0; time < 20; time++) {
		uint64_t start = vmo_now_ns(), took;

		for (int i = 0; i < rounds; i++) {
			void *volatile p = malloc(32);

			give(p);
		}
		took = vmo_now_ns() - start;
		least = took < least ? took : least;
	}
	return (double)least / rounds;
}

int main(void)
{
	void (*volatile real)(void *) = (void (*)(void *))dlsym(RTLD_NEXT, "free");
	void (*volatile hooked)(void *) = free;

	alarm(60);
	need_libc_malloc();
	printf("malloc + free: libc %.2f ns, ", pair_ns(real));
	printf("hooked, nothing watched %.2f ns, ", pair_ns(hooked));
	vmo_memhook_table.listener = nobody;
	vmo_memhook_table.begin = 4096;
	vmo_memhook_table.end = 8192;
	printf("watched below %.2f ns, ", pair_ns(hooked));
	vmo_memhook_table.end = UINTPTR_MAX;
	printf("within the watched range %.2f ns\n", pair_ns(hooked));
	vmo_memhook_table.end = 0;
	return 0;
}
