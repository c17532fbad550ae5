/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A shrinking realloc() keeps the content of what is left; the cut off pages are no longer associated. */
#include "subst_setup.h"

static const char *scenario(struct setup *s)
{
	char *volatile buffer = malloc(MIB), *volatile left;
	uintptr_t origin = (uintptr_t)buffer;
	char *tail;

	start(s, buffer, MIB);
	left = realloc(buffer, 256 * KIB);
	CHECK((uintptr_t)left == origin);
	if (!pair_same(left, 0, 256 * KIB, 1))
		return "realloc lost the content";
	tail = (char *)vmo_page_up(origin + 512 * KIB);
	CHECK(mmap(tail, 256 * KIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) ==
	      tail);
	return used_again(s, origin, tail, 256 * KIB);
}

int main(void)
{
	need_libc_malloc();
	mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	return hook_test(20, scenario);
}
