/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checked mode: memory that was remapped by direct system calls, past all hooks, is found and forgotten. */
#include "subst_setup.h"

static const char *scenario(struct setup *s)
{
	char *buffer = map_anonymous(MIB);

	start(s, buffer, MIB);
	CHECK_RC(vmo_subst_check(s->subst, (uintptr_t)buffer, MIB), 1);
	CHECK_RC(vmo_subst_check(s->subst, (uintptr_t)buffer + 5 * MIB, MIB), 1);
	syscall(SYS_mmap, buffer, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	pair_fill(buffer, MIB, 2);
	CHECK_RC(vmo_subst_check(s->subst, (uintptr_t)buffer, MIB), 0);
	CHECK_RC(vmo_subst_usage(s->subst).associations, 0);
	CHECK(message_has(s, buffer, 1) && pair_same(buffer, 0, MIB, 2));
	done(s);
	CHECK_RC(vmo_pool_usage(s->pool).pages_taken, 0);

	start(s, buffer, MIB);	/* in part: the rest stays in place */
	syscall(SYS_mmap, buffer, MIB / 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	pair_fill(buffer, MIB / 2, 3);
	CHECK_RC(vmo_subst_check(s->subst, (uintptr_t)buffer, MIB), 0);
	CHECK_RC(vmo_subst_usage(s->subst).pages, 128);
	CHECK(message_has(s, buffer, 1) && pair_same(buffer, 0, MIB / 2, 3));
	CHECK_RC(vmo_subst_check(s->subst, (uintptr_t)buffer, MIB), 1);

	syscall(SYS_madvise, buffer + MIB / 2, PAGE, MADV_DONTNEED);	/* the page has to be mapped anew */
	CHECK_RC(vmo_subst_check(s->subst, (uintptr_t)buffer, MIB), 0);
	CHECK_RC(vmo_subst_usage(s->subst).pages, 127);
	memset(buffer + MIB / 2, 9, PAGE);
	CHECK(message_has(s, buffer, 1));
	return NULL;
}

int main(void)
{
	return subst_test(20, scenario);
}
