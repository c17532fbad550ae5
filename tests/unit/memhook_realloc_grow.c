/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A growing realloc() keeps the content, and the addresses that it left are new memory to whoever gets them. */
#include "subst_setup.h"

static const char *scenario(struct setup *s)
{
	char *volatile buffer = malloc(MIB), *volatile grown;
	uintptr_t origin = (uintptr_t)buffer;
	const char *wrong;
	char *again;
	int error;

	start(s, buffer, MIB);
	errno = 0;
	grown = realloc(buffer, 8 * MIB);
	CHECK(grown);
	error = errno;
	if (!pair_same(grown, 0, MIB, 1))
		return "realloc lost the content";
	again = mmap((void *)vmo_page_down(origin), MIB + PAGE, PROT_READ | PROT_WRITE,
	             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	wrong = used_again(s, origin, again == MAP_FAILED ? grown : again, MIB);
	return wrong ? wrong : error ? "realloc left an errno" : NULL;
}

int main(void)
{
	need_libc_malloc();
	mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	return hook_test(20, scenario);
}
