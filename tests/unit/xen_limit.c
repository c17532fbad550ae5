/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Beyond gntalloc's limit: -ENOSPC; what is given back can be granted again. */
#include "xen_pair.h"

static void alone(struct pair *pair)
{
	struct vmo_grant grant, more, untouched = { 99, 99 };
	vmo_gref grefs[64];

	CHECK_RC(vmo_xen_grant_limit(pair->xen), 64);
	CHECK_RC(vmo_xen_grant(pair->xen, pair->peer, 60, false, &grant, grefs), 0);
	CHECK_RC(vmo_xen_grant(pair->xen, pair->peer, 5, false, &untouched, grefs), -ENOSPC);
	CHECK(untouched.offset == 99 && untouched.pages == 99);
	CHECK_RC(vmo_xen_grant(pair->xen, pair->peer, 4, false, &more, grefs), 0);
	CHECK_RC(vmo_xen_grant(pair->xen, pair->peer, 1, false, &untouched, grefs), -ENOSPC);
	CHECK_RC(vmo_xen_ungrant(pair->xen, &grant), 0);
	CHECK_RC(vmo_xen_grant(pair->xen, pair->peer, 60, false, &grant, grefs), 0);
}

int main(void)
{
	setenv("XENEMU_LIMIT", "64", 1);
	return pair_alone(20, alone);
}
