/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A domain may grant to itself, map that and copy from it: what `vmonecopy doctor` checks a single VM by (tools/doctor). */
#include "xen_pair.h"

#define PAGES 64
#define BYTES (PAGES * PAGE)

static void alone(struct pair *pair)
{
	static char copy[BYTES];
	vmo_domid self = vmo_xen_domid(pair->xen);
	struct vmo_grant grant;
	vmo_gref grefs[PAGES];
	void *view, *mapped;

	for (unsigned step = 0; step < 16; step++) {
		CHECK_RC(vmo_xen_grant(pair->xen, self, PAGES, false, &grant, grefs), 0);
		CHECK_RC(vmo_xen_view(pair->xen, &grant, 0, PAGES, NULL, true, &view), 0);
		CHECK_RC(vmo_xen_map(pair->xen, self, grefs, PAGES, false, &mapped), 0);
		pair_fill(view, BYTES, step);
		CHECK(pair_same(mapped, 0, BYTES, step));
		CHECK_RC(vmo_xen_unmap(pair->xen, mapped, PAGES), 0);
		CHECK_RC(vmo_xen_copy(pair->xen, self, grefs, 0, BYTES, copy), 0);
		CHECK(pair_same(copy, 0, BYTES, step));
		CHECK_RC(vmo_xen_unview(pair->xen, view, PAGES), 0);
		CHECK_RC(vmo_xen_ungrant(pair->xen, &grant), 0);
	}
	CHECK_RC(vmo_xen_map(pair->xen, self, grefs, PAGES, false, &mapped), -EINVAL);	/* taken back */
}

int main(void)
{
	return pair_alone(20, alone);
}
