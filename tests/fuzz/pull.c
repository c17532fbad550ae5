/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A peer's RTS, slot, catalog, grefs and strips may be anything, and may change at any of the receiver's loads. What is
 * received goes into malloc'ed memory of just that size, or is read in the mapping, which lies between forbidden pages.
 */
#include "world.h"

#define NO_GRANT_COPY 1
#define TWICE 2			/* the same once more, over a mapping that is there */
#define WITHOUT_FIXES 4

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	world_begin();
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t most, unsigned seed)
{
	return world_mutate(data, bytes, most, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct world_input in;

	fuzz_take(&in, sizeof in, data, bytes);
	if (!(in.options & WITHOUT_FIXES))
		world_fix(&in.image, ~(unsigned)in.fixes);
	world_renew(!(in.options & NO_GRANT_COPY), in.budget_pages);
	for (int i = 0; i < (in.options & TWICE ? 2 : 1); i++) {
		world_write(&in.image);
		world_later(in.later, sizeof in.later / sizeof *in.later);
		world_receive(&in.image.rts, in.way, in.capacity);
	}
	return 0;
}
