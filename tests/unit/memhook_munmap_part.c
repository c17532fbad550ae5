/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* munmap() of the middle: that part is gone, the rest keeps content and place; a munmap() that fails ends nothing. */
#include "subst_setup.h"

static const char *scenario(struct setup *s)
{
	char *buffer = map_anonymous(MIB);

	start(s, buffer, MIB);
	CHECK(munmap(buffer + 1, MIB) == -1 && errno == EINVAL);
	CHECK(munmap(buffer + 256 * KIB, 512 * KIB) == 0);
	if (!pair_same(buffer, 0, 256 * KIB, 1) || !pair_same(buffer + 768 * KIB, 768 * KIB, 256 * KIB, 1))
		return "the rest lost its content";
	if (s->hooks)
		CHECK_RC(vmo_subst_usage(s->subst).pages, 128);	/* and is still in place */
	CHECK(mmap(buffer + 256 * KIB, 512 * KIB, PROT_READ | PROT_WRITE,
	           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == buffer + 256 * KIB);
	if (!message_has(s, buffer, 1))
		return "the message under way changed";
	offer_on(s, buffer + 256 * KIB, 512 * KIB);
	if (!message_is_buffer(s))
		return "the peer gets other bytes than the buffer's";
	CHECK(offer_on(s, buffer, MIB) > 0);	/* old and new parts, one message */
	return message_is_buffer(s) ? NULL : "the whole is wrong";
}

int main(void)
{
	return hook_test(20, scenario);
}
