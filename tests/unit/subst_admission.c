/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The n-th send of the same interior substitutes it; other interiors count for themselves; n is measured or given. */
#include "subst_setup.h"

static void reopen(struct setup *s, long admission)
{
	struct vmo_xen *xen = s->xen;
	bool hooks = s->hooks;

	done(s);
	vmo_subst_free(s->subst);
	setup_open(s, xen, hooks, admission, MIB);
}

/* Which send is the first in place? */
static int first_in_place(struct setup *s, char *at, size_t bytes)
{
	for (int n = 1; n < 10000; n++)
		if (offer(s, at, bytes) > 0)
			return n;
	return 0;
}

static const char *scenario(struct setup *s)
{
	char *buffer = map_anonymous(MIB), *other = map_anonymous(MIB);
	long n;

	CHECK_RC(vmo_subst_usage(s->subst).need, 1);
	reopen(s, 5);
	for (int i = 1; i < 5; i++) {
		CHECK_RC(offer(s, buffer, MIB), 0);
		CHECK_RC(offer(s, other, MIB), 0);
		CHECK_RC(offer(s, other, MIB / 2), 0);
	}
	CHECK_RC(offer(s, buffer + 100, MIB - 100), 0);		/* another interior: page 0 is not in it */
	CHECK_RC(offer(s, buffer, MIB), 1);
	done(s);
	CHECK_RC(offer(s, buffer + 100, MIB - 100), 1);		/* in place now, as a part */
	CHECK_RC(vmo_subst_usage(s->subst).associations, 1);
	reopen(s, 0);
	n = vmo_subst_usage(s->subst).need;
	printf("n measured: %ld\n", n);
	CHECK(n >= 2 && n <= 8);
	CHECK_RC(first_in_place(s, buffer, MIB), n);

	reopen(s, 3);	/* a buffer that was refused once is looked at again only after many sends */
	CHECK(!mprotect(other, PAGE, PROT_READ));
	for (int i = 0; i < 3; i++)
		CHECK_RC(offer(s, other, MIB), 0);
	CHECK(!mprotect(other, PAGE, PROT_READ | PROT_WRITE));
	CHECK_RC(first_in_place(s, other, MIB), 4096);
	return NULL;
}

int main(void)
{
	return subst_test(20, scenario);
}
