/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of associations is bounded: when it is full, further buffers are staged, and splitting still works. */
#include "subst_setup.h"

#include "assoc.h"

static const char *scenario(struct setup *s)
{
	size_t step = 4 * PAGE;
	char *buffer = map_anonymous(4200 * step);
	uint32_t in_place;

	for (size_t i = 0; i < 4200; i++)
		buffer[i * step] = (char)i;
	for (size_t i = 0; i < 4200; i++) {
		offer(s, buffer + i * step, 3 * PAGE);	/* two pieces at the ends of runs */
		done(s);
	}
	in_place = vmo_subst_usage(s->subst).associations;
	printf("%u associations\n", in_place);
	CHECK(in_place >= VMO_ASSOC_MOST / 2 && in_place < VMO_ASSOC_MOST);
	for (size_t i = 0; i < 4200; i++)	/* the middle page of each: one entry becomes two, then three, then none fit */
		CHECK_RC(vmo_subst_detach(s->subst, (uintptr_t)buffer + i * step + PAGE, PAGE), 0);
	for (size_t i = 0; i < 4200; i++)
		CHECK(buffer[i * step] == (char)i);
	if (s->hooks)
		CHECK(!munmap(buffer + step, 4199 * step) && vmo_subst_usage(s->subst).associations <= 3);
	vmo_subst_free(s->subst);
	CHECK_RC(vmo_pool_usage(s->pool).pages_taken, 0);
	return buffer[0] == 0 ? NULL : "content lost";
}

int main(void)
{
	return subst_test(60, scenario);
}
