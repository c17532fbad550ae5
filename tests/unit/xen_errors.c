/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each misuse has its error code, and leaves outputs alone. */
#include "xen_pair.h"

#include "log.h"

static void granter(struct pair *pair)
{
	struct vmo_grant grant, foreign, none = { 12345, 1 };
	vmo_gref grefs[3];
	void *view = (void *)1;

	CHECK_RC(vmo_xen_grant(pair->xen, pair->peer, 0, false, &none, grefs), -EINVAL);
	CHECK_RC(vmo_xen_grant(pair->xen, 40000, 1, false, &none, grefs), -EINVAL);
	CHECK_RC(vmo_xen_grant(pair->xen, pair->peer, VMO_XEN_MOST_PAGES + 1, false, &none, grefs), -EINVAL);
	CHECK(none.offset == 12345);
	CHECK_RC(vmo_xen_grant(pair->xen, pair->peer, 2, false, &grant, grefs), 0);
	CHECK_RC(vmo_xen_grant(pair->xen, 3, 1, false, &foreign, grefs + 2), 0);	/* for another domain */
	CHECK_RC(vmo_xen_view(pair->xen, &grant, 0, 3, NULL, false, &view), -EINVAL);
	CHECK_RC(vmo_xen_view(pair->xen, &grant, 2, 1, NULL, false, &view), -EINVAL);
	CHECK_RC(vmo_xen_view(pair->xen, &grant, 3, UINT32_MAX, NULL, false, &view), -EINVAL);
	CHECK_RC(vmo_xen_view(pair->xen, &grant, 0, 0, NULL, false, &view), -EINVAL);
	CHECK_RC(vmo_xen_notify_clear(pair->xen, &grant, 2 * PAGE), -EINVAL);
	CHECK(view == (void *)1);
	pair_tell(pair, grefs, sizeof grefs);
	pair_meet(pair);
}

static void mapper(struct pair *pair)
{
	vmo_gref grefs[3], bad[2];
	void *at = (void *)1;
	char byte;

	vmo_log_setup(VMO_LOG_NONE, -1);
	pair_hear(pair, grefs, sizeof grefs);
	bad[0] = grefs[0], bad[1] = 30000;
	CHECK_RC(vmo_xen_map(pair->xen, pair->peer, grefs, 2, true, &at), -EINVAL);	/* granted read-only */
	CHECK_RC(vmo_xen_map(pair->xen, pair->peer, bad, 2, false, &at), -EINVAL);	/* one bad refuses all */
	CHECK_RC(vmo_xen_map(pair->xen, pair->peer, grefs + 2, 1, false, &at), -EINVAL);
	CHECK_RC(vmo_xen_map(pair->xen, 9, grefs, 1, false, &at), -EINVAL);		/* no such domain */
	CHECK_RC(vmo_xen_map(pair->xen, 40000, grefs, 1, false, &at), -EINVAL);
	CHECK_RC(vmo_xen_map(pair->xen, pair->peer, grefs, 0, false, &at), -EINVAL);
	CHECK_RC(vmo_xen_map(pair->xen, pair->peer, grefs, VMO_XEN_MOST_PAGES + 1, false, &at), -E2BIG);
	CHECK(at == (void *)1);
	CHECK_RC(vmo_xen_copy(pair->xen, pair->peer, grefs + 2, 0, 1, &byte), -EIO);
	CHECK_RC(vmo_xen_copy(pair->xen, pair->peer, bad, PAGE, 1, &byte), -EIO);
	CHECK_RC(vmo_xen_copy(pair->xen, 9, grefs, 0, 1, &byte), -EIO);
	CHECK_RC(vmo_xen_copy(pair->xen, pair->peer, grefs, 0, 0, NULL), 0);
	CHECK_RC(vmo_xen_copy(pair->xen, pair->peer, grefs, 0, 1, NULL), -EFAULT);
	pair_meet(pair);
}

int main(void)
{
	return pair_test(20, granter, mapper);
}
