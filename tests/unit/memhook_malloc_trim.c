/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * malloc_trim() gives pages of free chunks back to the system, also of chunks that were freed past the
 * hooks (here: by the C library's own free).
 */
#include "subst_setup.h"

static const char *scenario(struct setup *s)
{
	void (*unhooked_free)(void *) = (void (*)(void *))dlsym(dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD), "free");
	char *volatile buffer = malloc(256 * KIB), *volatile fence = malloc(100);
	uintptr_t origin = (uintptr_t)buffer;
	const char *wrong;

	start(s, buffer, 256 * KIB);
	unhooked_free(buffer);
	malloc_trim(0);
	buffer = malloc(256 * KIB);
	CHECK((uintptr_t)buffer == origin);
	if (s->hooks)
		CHECK_RC(vmo_subst_usage(s->subst).associations, 0);
	wrong = used_again(s, origin, buffer, 256 * KIB);
	free(fence);
	return wrong;
}

int main(void)
{
	need_libc_malloc();
	mallopt(M_MMAP_THRESHOLD, 64 * 1024 * 1024);
	return hook_test(20, scenario);
}
