/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* free() of a chunk of the heap: the message under way stays as it was when the heap uses the memory again. */
#include "subst_setup.h"

static const char *scenario(struct setup *s)
{
	char *volatile buffer = malloc(256 * KIB), *volatile fence = malloc(100);
	uintptr_t origin = (uintptr_t)buffer;
	const char *wrong;

	start(s, buffer, 256 * KIB);
	free(buffer);
	buffer = malloc(200 * KIB);
	CHECK((uintptr_t)buffer == origin);
	wrong = used_again(s, origin, buffer, 200 * KIB);
	free(fence);
	return wrong;
}

int main(void)
{
	need_libc_malloc();
	mallopt(M_MMAP_THRESHOLD, 64 * 1024 * 1024);
	return hook_test(20, scenario);
}
