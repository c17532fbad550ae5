/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What one domain grants, the other reads by mapping and by copy, and writes if it was granted writable. */
#include "xen_pair.h"

#define PAGES 300
#define BYTES (PAGES * PAGE)

static void granter(struct pair *pair)
{
	struct vmo_grant grant, writable;
	vmo_gref grefs[PAGES], gref;
	void *view, *shared;

	CHECK_RC(vmo_xen_grant(pair->xen, pair->peer, PAGES, false, &grant, grefs), 0);
	CHECK_RC(grant.pages, PAGES);
	CHECK_RC(vmo_xen_view(pair->xen, &grant, 0, PAGES, NULL, true, &view), 0);
	for (size_t i = 0; i < BYTES; i += PAGE)
		CHECK(!((char *)view)[i]);	/* zeroed */
	pair_fill(view, BYTES, 1);
	CHECK_RC(vmo_xen_grant(pair->xen, pair->peer, 1, true, &writable, &gref), 0);
	CHECK_RC(vmo_xen_view(pair->xen, &writable, 0, 1, NULL, false, &shared), 0);
	pair_tell(pair, grefs, sizeof grefs);
	pair_tell(pair, &gref, sizeof gref);
	pair_meet(pair);			/* it has read all, and written */
	CHECK(!strcmp(shared, "written by domain 2"));
	pair_fill(view, BYTES, 2);		/* seen through the mapping it has */
	pair_meet(pair);
	pair_meet(pair);
	CHECK_RC(vmo_xen_unview(pair->xen, view, PAGES), 0);
	CHECK_RC(vmo_xen_ungrant(pair->xen, &grant), 0);
	CHECK_RC(vmo_xen_ungrant(pair->xen, &writable), 0);
	pair_meet(pair);
}

static void mapper(struct pair *pair)
{
	static char copy[BYTES];
	vmo_gref grefs[PAGES], gref;
	void *mapped, *shared;

	pair_hear(pair, grefs, sizeof grefs);
	pair_hear(pair, &gref, sizeof gref);
	CHECK_RC(vmo_xen_map(pair->xen, pair->peer, grefs, PAGES, false, &mapped), 0);
	CHECK(pair_same(mapped, 0, BYTES, 1));
	CHECK_RC(vmo_xen_copy(pair->xen, pair->peer, grefs, 0, BYTES, copy), 0);
	CHECK(pair_same(copy, 0, BYTES, 1));
	CHECK_RC(vmo_xen_map(pair->xen, pair->peer, &gref, 1, true, &shared), 0);
	strcpy(shared, "written by domain 2");
	pair_meet(pair);
	pair_meet(pair);
	CHECK(pair_same(mapped, 0, BYTES, 2));
	CHECK_RC(vmo_xen_unmap(pair->xen, mapped, PAGES), 0);
	CHECK_RC(vmo_xen_unmap(pair->xen, shared, 1), 0);
	pair_meet(pair);
	pair_meet(pair);			/* all is ungranted */
	CHECK_RC(vmo_xen_map(pair->xen, pair->peer, grefs, PAGES, false, &mapped), -EINVAL);
}

int main(void)
{
	return pair_test(20, granter, mapper);
}
