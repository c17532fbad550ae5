/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pages that are substituted for one domain are not moved for another: staged, whole or in part. */
#include "subst_setup.h"

static const char *scenario(struct setup *s)
{
	char *buffer = map_anonymous(MIB);
	struct vmo_pool *first = s->pool, *second;

	CHECK_RC(vmo_pool_new(&second, s->xen, 3, MIB, &s->budget), 0);
	start(s, buffer, MIB / 2);
	done(s);
	s->pool = second;
	for (int i = 0; i < 3; i++) {
		CHECK_RC(offer(s, buffer, MIB / 2), 0);
		CHECK_RC(offer(s, buffer, MIB), 0);
	}
	CHECK_RC(offer(s, buffer + MIB / 2, MIB / 2), 1);
	CHECK_RC(s->piece[0].block->pool == second, 1);
	done(s);
	s->pool = first;
	CHECK_RC(offer(s, buffer, MIB / 2), 1);
	CHECK_RC(offer(s, buffer, MIB), 0);
	done(s);
	return NULL;
}

int main(void)
{
	return subst_test(20, scenario);
}
