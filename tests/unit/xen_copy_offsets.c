/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A grant copy takes any offset, length and destination: segments are cut at pages of both sides. */
#include "xen_pair.h"

#define PAGES 600	/* more than two batches */
#define BYTES (PAGES * PAGE)

static void granter(struct pair *pair)
{
	struct vmo_grant grant;
	vmo_gref grefs[PAGES];
	void *view;

	CHECK_RC(vmo_xen_grant(pair->xen, pair->peer, PAGES, false, &grant, grefs), 0);
	CHECK_RC(vmo_xen_view(pair->xen, &grant, 0, PAGES, NULL, true, &view), 0);
	pair_fill(view, BYTES, 4);
	pair_tell(pair, grefs, sizeof grefs);
	pair_meet(pair);
}

/* Copies [offset, offset + bytes) to at + shift, and looks that nothing around it changed. */
static void copy_one(struct pair *pair, const vmo_gref *grefs, size_t offset, size_t bytes, char *at, size_t shift)
{
	memset(at, '#', shift + bytes + 64);
	CHECK_RC(vmo_xen_copy(pair->xen, pair->peer, grefs, offset, bytes, at + shift), 0);
	CHECK(pair_same(at + shift, offset, bytes, 4));
	for (size_t i = 0; i < shift; i++)
		CHECK(at[i] == '#');
	for (size_t i = shift + bytes; i < shift + bytes + 64; i++)
		CHECK(at[i] == '#');
}

static void mapper(struct pair *pair)
{
	static const size_t offsets[] = { 0, 1, 100, PAGE - 1, PAGE, 3 * PAGE + 17 };
	static const size_t lengths[] = { 1, 2, 63, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, 5 * PAGE + 11, 300 * PAGE + 5 };
	static const size_t shifts[] = { 0, 1, 100, PAGE - 1 };
	vmo_gref grefs[PAGES];
	char *at = aligned_alloc(PAGE, BYTES + 2 * PAGE);

	pair_hear(pair, grefs, sizeof grefs);
	for (size_t o = 0; o < sizeof offsets / sizeof *offsets; o++)
		for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++)
			for (size_t s = 0; s < sizeof shifts / sizeof *shifts; s++)
				copy_one(pair, grefs, offsets[o], lengths[l], at, shifts[s]);
	copy_one(pair, grefs, 0, BYTES, at, 1);
	copy_one(pair, grefs, BYTES - 1, 1, at, 7);
	free(at);
	pair_meet(pair);
}

int main(void)
{
	return pair_test(60, granter, mapper);
}
