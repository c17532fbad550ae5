/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* free() of a chunk with a mapping of its own ends the association; the next malloc() gets the same addresses. */
#include "subst_setup.h"

static const char *scenario(struct setup *s)
{
	char *volatile buffer = malloc(MIB);
	uintptr_t origin = (uintptr_t)buffer;

	start(s, buffer, MIB);
	free(buffer);
	buffer = malloc(MIB);
	CHECK((uintptr_t)buffer == origin);	/* else nothing is tested */
	return used_again(s, origin, buffer, MIB);
}

int main(void)
{
	need_libc_malloc();
	mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	return hook_test(20, scenario);
}
