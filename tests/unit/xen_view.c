/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Granted pages can be viewed twice, in parts, and over live user memory; the peer's mapping stays right. */
#include "xen_pair.h"

#define PAGES 16

static void granter(struct pair *pair)
{
	struct vmo_grant grant;
	vmo_gref grefs[PAGES];
	void *whole, *twice, *part, *placed;
	char *user = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK_RC(vmo_xen_grant(pair->xen, pair->peer, PAGES, false, &grant, grefs), 0);
	CHECK_RC(vmo_xen_view(pair->xen, &grant, 0, PAGES, NULL, false, &whole), 0);
	CHECK_RC(vmo_xen_view(pair->xen, &grant, 0, PAGES, NULL, true, &twice), 0);
	CHECK_RC(vmo_xen_view(pair->xen, &grant, 5, 3, NULL, false, &part), 0);
	CHECK(whole != twice);
	pair_fill(whole, PAGES * PAGE, 3);
	CHECK(pair_same(twice, 0, PAGES * PAGE, 3));
	CHECK(pair_same(part, 5 * PAGE, 3 * PAGE, 3));

	memset(user, 'u', 8 * PAGE);
	CHECK_RC(vmo_xen_view(pair->xen, &grant, 10, 2, user + 3 * PAGE, true, &placed), 0);
	CHECK(placed == user + 3 * PAGE);
	CHECK(user[3 * PAGE - 1] == 'u' && user[5 * PAGE] == 'u');
	CHECK(pair_same(placed, 10 * PAGE, 2 * PAGE, 3));
	memset(user, 'w', 8 * PAGE);		/* as a user would: through its own address */
	CHECK(((char *)whole)[10 * PAGE] == 'w' && ((char *)whole)[12 * PAGE - 1] == 'w');
	CHECK(pair_same((char *)whole + 12 * PAGE, 12 * PAGE, PAGE, 3));

	/* No view at all: the pages stay. */
	CHECK_RC(vmo_xen_unview(pair->xen, whole, PAGES), 0);
	CHECK_RC(vmo_xen_unview(pair->xen, twice, PAGES), 0);
	CHECK_RC(vmo_xen_unview(pair->xen, part, 3), 0);
	munmap(user, 8 * PAGE);
	pair_tell(pair, grefs, sizeof grefs);
	pair_meet(pair);
	CHECK_RC(vmo_xen_view(pair->xen, &grant, 0, 1, NULL, true, &whole), 0);
	CHECK(pair_same(whole, 0, PAGE, 3));
}

static void mapper(struct pair *pair)
{
	vmo_gref grefs[PAGES];
	void *at;
	const char *bytes;

	pair_hear(pair, grefs, sizeof grefs);
	CHECK_RC(vmo_xen_map(pair->xen, pair->peer, grefs, PAGES, false, &at), 0);
	bytes = at;
	CHECK(pair_same(bytes, 0, 10 * PAGE, 3));
	CHECK(bytes[10 * PAGE] == 'w' && bytes[12 * PAGE - 1] == 'w');
	CHECK(pair_same(bytes + 12 * PAGE, 12 * PAGE, 4 * PAGE, 3));
	pair_meet(pair);
}

int main(void)
{
	return pair_test(20, granter, mapper);
}
