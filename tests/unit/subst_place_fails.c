/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When pages cannot be mapped over the buffer, the content is still there, and the pool has its pages back. */
#include "subst_setup.h"

#include "xen_internal.h"

static const char *scenario(struct setup *s)
{
	int device = s->xen->gntalloc_fd, kept = dup(device), nothing = open("/dev/zero", O_RDONLY);
	char *buffer = map_anonymous(MIB);
	struct vmo_block *warm;

	CHECK_RC(vmo_pool_take(s->pool, 256, 256, &warm), 0);
	vmo_block_drop(warm);
	pair_fill(buffer, MIB, 1);
	CHECK(dup2(nothing, device) == device);	/* opened read-only: shared, writable maps are refused */
	CHECK_RC(offer(s, buffer, MIB), -EACCES);
	CHECK(dup2(kept, device) == device);
	CHECK(pair_same(buffer, 0, MIB, 1));
	CHECK_RC(vmo_pool_usage(s->pool).pages_taken, 0);
	CHECK_RC(vmo_subst_usage(s->subst).associations, 0);
	CHECK_RC(offer(s, buffer, MIB), 1);
	return message_has(s, buffer, 1) ? NULL : "the message is wrong";
}

int main(void)
{
	return subst_test(20, scenario);
}
