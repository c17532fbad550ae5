/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sbrk() and brk() give the end of the heap back; what they get again is new memory. */
#include "subst_setup.h"

static const char *shrink_by(struct setup *s, bool by_brk)
{
	char *buffer = sbrk(MIB);
	const char *wrong;

	CHECK(buffer != (char *)-1);
	start(s, buffer, MIB);
	CHECK(by_brk ? !brk(buffer + 16 * KIB) : sbrk(-(intptr_t)(MIB - 16 * KIB)) != (void *)-1);
	if (!pair_same(buffer, 0, 16 * KIB, 1))
		return "the rest lost its content";
	CHECK(sbrk(MIB - 16 * KIB) != (void *)-1);
	wrong = used_again(s, (uintptr_t)buffer, buffer + 16 * KIB, MIB - 16 * KIB);
	return wrong;
}

static const char *scenario(struct setup *s)
{
	const char *wrong = shrink_by(s, false);
	char *buffer;

	if (wrong || (wrong = shrink_by(s, true)))
		return wrong;
	buffer = sbrk(MIB);
	start(s, buffer, MIB);
	brk((void *)4096);	/* the kernel does not do it, whatever the result says */
	return pair_same(buffer, 0, MIB, 1) ? NULL : "a brk that did nothing changed the content";
}

int main(void)
{
	return hook_test(20, scenario);
}
