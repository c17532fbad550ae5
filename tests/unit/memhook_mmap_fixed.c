/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mmap() with MAP_FIXED over a part of the buffer; one that fails leaves the content alone. */
#include "subst_setup.h"

static const char *scenario(struct setup *s)
{
	char *buffer = map_anonymous(MIB), *middle = buffer + 512 * KIB;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;

	start(s, buffer, MIB);
	CHECK(mmap(middle, 64 * KIB, PROT_READ, MAP_PRIVATE | MAP_FIXED, -1, 0) == MAP_FAILED && errno == EBADF);
	CHECK(mmap(middle, 64 * KIB, PROT_READ, flags | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED);
	if (!pair_same(buffer, 0, MIB, 1))
		return "an mmap that failed changed the content";
	CHECK(mmap64(middle, 64 * KIB, PROT_READ | PROT_WRITE, flags | MAP_FIXED, -1, 0) == middle);
	return used_again(s, (uintptr_t)buffer, middle, 64 * KIB);
}

int main(void)
{
	return hook_test(20, scenario);
}
