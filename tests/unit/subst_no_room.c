/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An empty pool: -ENOSPC at the admitted send, the buffer untouched; room later is used later. */
#include "subst_setup.h"

static const char *scenario(struct setup *s)
{
	char *buffer = map_anonymous(MIB), *other = map_anonymous(MIB);

	s->budget.pages = s->budget.used + 300;
	pair_fill(buffer, MIB, 1);
	CHECK_RC(offer(s, buffer, MIB), 1);
	done(s);
	CHECK_RC(offer(s, other, MIB), -ENOSPC);
	CHECK(munmap(buffer, MIB) == 0);
	if (s->hooks)
		CHECK_RC(offer(s, other, MIB), 1);
	return NULL;
}

int main(void)
{
	return subst_test(20, scenario);
}
