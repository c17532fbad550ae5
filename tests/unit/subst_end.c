/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One per process; at its end all buffers are private again, the hooks watch nothing, and a new one may begin. */
#include "subst_setup.h"

static bool no(void)
{
	return false;
}

static const char *scenario(struct setup *s)
{
	struct vmo_memhook foreign = { .effective = no };
	struct vmo_subst_options options = { true, true, 1, NULL };
	struct vmo_memhook *table = s->hooks ? &vmo_memhook_table : &deaf;
	struct vmo_subst *second;
	char *buffer = map_anonymous(MIB);

	CHECK_RC(vmo_subst_new(&second, &options), -EBUSY);
	start(s, buffer, MIB);
	CHECK_RC(table->begin, (uintptr_t)buffer);
	CHECK_RC(table->end, (uintptr_t)buffer + MIB);
	vmo_subst_free(s->subst);
	CHECK(!table->begin && !table->end && !table->listener);
	CHECK(pair_same(buffer, 0, MIB, 1) && message_has(s, buffer, 1));
	pair_fill(buffer, MIB, 2);
	CHECK(message_has(s, buffer, 1));
	done(s);
	CHECK_RC(vmo_pool_usage(s->pool).pages_taken, 0);

	CHECK_RC(vmo_subst_new(&s->subst, &options), 0);	/* no hooks: nothing is ever substituted */
	CHECK_RC(offer(s, buffer, MIB), 0);
	vmo_subst_free(s->subst);
	options.hook = &foreign;
	CHECK_RC(vmo_subst_new(&s->subst, &options), 0);	/* the program's free() is its own */
	CHECK_RC(offer(s, buffer, MIB), 0);
	vmo_subst_free(s->subst);
	options.hook = table;
	options.enable = false;
	CHECK_RC(vmo_subst_new(&s->subst, &options), 0);
	CHECK_RC(offer(s, buffer, MIB), 0);
	vmo_subst_free(s->subst);
	vmo_subst_free(NULL);
	options.enable = true;
	CHECK_RC(vmo_subst_new(&s->subst, &options), 0);
	CHECK_RC(offer(s, buffer, MIB), 1);
	return message_has(s, buffer, 2) ? NULL : "the message is wrong";
}

int main(void)
{
	return subst_test(20, scenario);
}
