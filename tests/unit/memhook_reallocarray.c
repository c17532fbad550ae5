/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* reallocarray() is hooked as realloc() is, and refuses products that overflow. */
#include "subst_setup.h"

static const char *scenario(struct setup *s)
{
	char *volatile buffer = malloc(MIB), *volatile grown;
	uintptr_t origin = (uintptr_t)buffer;
	volatile size_t huge = SIZE_MAX / 2;
	char *again;

	start(s, buffer, MIB);
	errno = 0;
	CHECK(!reallocarray(buffer, huge, 4) && errno == ENOMEM);
	grown = reallocarray(buffer, 8, MIB);
	CHECK(grown);
	if (!pair_same(grown, 0, MIB, 1))
		return "reallocarray lost the content";
	again = mmap((void *)vmo_page_down(origin), MIB + PAGE, PROT_READ | PROT_WRITE,
	             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	return used_again(s, origin, again == MAP_FAILED ? grown : again, MIB);
}

int main(void)
{
	need_libc_malloc();
	mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	return hook_test(20, scenario);
}
