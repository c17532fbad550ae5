/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One's own domid comes from XenStore, or from the option; the grant limit from the emulation's setting. */
#include "xen_pair.h"

static void alone(struct pair *pair)
{
	struct vmo_xen *other = NULL;
	char why[256];

	CHECK_RC(vmo_xen_domid(pair->xen), 1);
	CHECK(vmo_xen_emulated(pair->xen));
	CHECK_RC(vmo_xen_grant_limit(pair->xen), 1024);
	setenv("XENEMU_LIMIT", "77", 1);
	CHECK_RC(vmo_xen_open(&other, pair_emulation(), 5, why, sizeof why), 0);
	CHECK_RC(vmo_xen_domid(other), 5);
	CHECK_RC(vmo_xen_grant_limit(other), 77);
	vmo_xen_close(other);
	CHECK_RC(vmo_xen_open(&other, pair_emulation(), 40000, why, sizeof why), -EINVAL);
	CHECK(strstr(why, "40000"));
}

int main(void)
{
	unsetenv("XENEMU_LIMIT");
	return pair_alone(20, alone);
}
