/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* munmap() of the whole buffer; the addresses come back as other memory. */
#include "subst_setup.h"

static const char *scenario(struct setup *s)
{
	char *buffer = map_anonymous(MIB);

	start(s, buffer, MIB);
	CHECK(munmap(buffer, MIB) == 0);
	CHECK(mmap(buffer, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == buffer);
	return used_again(s, (uintptr_t)buffer, buffer, MIB);
}

int main(void)
{
	return hook_test(20, scenario);
}
