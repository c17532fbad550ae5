/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checked mode: memory that was remapped by direct system calls, past all hooks, is found and forgotten. */
#include "subst_setup.h"

/* Shared memory of the program's own in its place, which pagemap cannot tell from the pool's: it is left alone. */
static const char *other_shared_memory(struct setup *s)
{
	char *buffer = map_anonymous(MIB);
	int fd = memfd_create("own", 0);
	char *own;

	CHECK(fd >= 0 && !ftruncate(fd, (off_t)MIB));
	own = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(own != MAP_FAILED);
	start(s, buffer, MIB);
	syscall(SYS_mmap, buffer + 8 * PAGE, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	pair_fill(buffer, MIB, 4);
	uint32_t before = vmo_subst_usage(s->subst).pages;
	CHECK_RC(vmo_subst_check(s->subst, (uintptr_t)buffer, MIB), 0);
	CHECK_RC(before - vmo_subst_usage(s->subst).pages, 16);
	CHECK(pair_same(buffer, 0, MIB, 4) && !memcmp(own, buffer + 8 * PAGE, 16 * PAGE));
	memset(own, 7, PAGE);
	CHECK(buffer[8 * PAGE] == 7);
	CHECK_RC(vmo_subst_check(s->subst, (uintptr_t)buffer, MIB), 1);
	return NULL;
}

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
	done(s);

	return other_shared_memory(s);
}

int main(void)
{
	return subst_test(20, scenario);
}
