/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs of gntalloc: mapped any number of times, anywhere, whole and in part; put over user memory of each kind and taken
 * away again (detach), while the peer's one mapping stays right; alive with no mapping at all; used by system calls;
 * shared with a forked child, who has no gntdev mapping.
 */
#include "conformance.h"

#include <malloc.h>
#include <sys/uio.h>

enum { PAGES = 32 };

static xengntshr_handle *shr;
static uint64_t run_index;
static char *pool;
static int peer_fd;

/* ---- the mapper: says what it sees through the mapping that it made at the beginning ---- */

static char *mapping;

static void child_of_mapper(int fd)
{
	(void)fd;
	CHECK(touch(mapping, false) == SIGSEGV, "a gntdev mapping in a forked child");
}

static void mapper(int fd)
{
	xengnttab_handle *tab = xen.xengnttab_open(NULL, 0);
	uint32_t *refs = heard_refs(fd, PAGES), asked;
	struct peer child;

	mapping = map_refs(tab, PAGES, refs, false);
	CHECK(mapping, "map");
	for (;;) { /* asked for the byte at page P, offset 7; beyond the run: the end */
		hear(fd, &asked, sizeof asked);
		if (asked >= PAGES)
			break;
		say(fd, mapping + asked * PAGE + 7, 1);
	}
	spawn_beside(&child, child_of_mapper);
	finish(&child);
	CHECK(!touch(mapping, false), "the parent's mapping is unharmed");
	meet(fd);
	xen.xengnttab_close(tab);
	free(refs);
}

static char peer_sees(uint32_t page)
{
	char seen;

	say(peer_fd, &page, sizeof page);
	hear(peer_fd, &seen, 1);
	return seen;
}

/* ---- the granter ---- */

static void put_run_over(char *at, uint32_t first, uint32_t pages)
{
	CHECK(mmap(at, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_POPULATE, xen.xengntshr_fd(shr),
	           (off_t)(run_index + first * PAGE)) == at, "MAP_FIXED");
}

static void detach(char *at, uint32_t pages)
{
	char *copy = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memcpy(copy, at, pages * PAGE);
	CHECK(mremap(copy, pages * PAGE, pages * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at) == at, "mremap");
}

/* Bit 61 of pagemap: file-mapped or shared, so substituted and not anonymous. */
static bool marked_in_pagemap(const char *at)
{
	uint64_t entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0 && pread(fd, &entry, 8, (off_t)((uintptr_t)at / PAGE * 8)) == 8, "pagemap");
	close(fd);
	return entry >> 61 & 1;
}

static void check_over(char *user, const char *what)
{
	memset(user, 'U', PAGES * PAGE);
	CHECK(!marked_in_pagemap(user), "%s: anonymous pages are unmarked", what);
	memcpy(pool, user, PAGES * PAGE);
	put_run_over(user, 0, PAGES);
	CHECK(marked_in_pagemap(user) && marked_in_pagemap(user + 31 * PAGE), "%s: substituted pages are marked", what);
	CHECK(user[PAGES * PAGE - 1] == 'U', "%s: the content stays", what);
	memset(user, 'B', PAGES * PAGE);
	CHECK(pool[3 * PAGE] == 'B' && peer_sees(9) == 'B', "%s: three mappings, one page", what);
	detach(user, PAGES);
	CHECK(user[0] == 'B' && !marked_in_pagemap(user), "%s: the content stays after detach", what);
	memset(user, 'z', PAGES * PAGE);
	CHECK(peer_sees(9) == 'B' && pool[9 * PAGE] == 'B', "%s: the run keeps the message", what);
}

static void check_part(char *user)
{
	memset(user, 'z', PAGES * PAGE);
	put_run_over(user + 4 * PAGE, 20, 3);
	memset(user + 4 * PAGE, 'k', 3 * PAGE);
	CHECK(user[4 * PAGE - 1] == 'z' && user[7 * PAGE] == 'z', "the neighbours are untouched");
	CHECK(peer_sees(22) == 'k' && peer_sees(23) != 'k', "these pages of the run and no others");
	detach(user + 5 * PAGE, 1);
	memset(user + 4 * PAGE, 'm', 3 * PAGE);
	CHECK(peer_sees(20) == 'm' && peer_sees(21) == 'k' && peer_sees(22) == 'm', "one page detached from the middle");
	munmap(user + 6 * PAGE, PAGE);
	CHECK(peer_sees(22) == 'm', "unmapped here, alive there");
	put_run_over(user + 6 * PAGE, 22, 1);
	CHECK(user[6 * PAGE] == 'm', "and mapped again");
	detach(user + 4 * PAGE, 3);
}

static void check_system_calls(char *user)
{
	struct iovec from = {user + PAGE - 8, 16}, to;
	char copy[16];
	int ends[2];

	memset(user, 's', 2 * PAGE);
	put_run_over(user, 0, 2);
	memset(user, 's', 2 * PAGE);
	CHECK(!pipe(ends), "pipe");
	CHECK(write(ends[1], user + PAGE - 8, 16) == 16 && read(ends[0], copy, 16) == 16 && copy[15] == 's', "write(2) out of it");
	CHECK(write(ends[1], "0123456789abcdef", 16) == 16 && read(ends[0], user + PAGE - 8, 16) == 16, "read(2) into it");
	CHECK(!memcmp(user + PAGE - 8, "0123456789abcdef", 16), "what was read");
	to = (struct iovec){copy, 16};
	CHECK(process_vm_readv(getpid(), &to, 1, &from, 1, 0) == 16 && copy[15] == 'f', "process_vm_readv");
	CHECK(!mlock(user, 2 * PAGE) && !munlock(user, 2 * PAGE), "mlock");
	CHECK(!mprotect(user, PAGE, PROT_READ) && touch(user, true) == SIGSEGV, "mprotect");
	CHECK(!mprotect(user, PAGE, PROT_READ | PROT_WRITE) && !touch(user, true), "mprotect back");
	user[7] = 'p';
	CHECK(peer_sees(0) == 'p', "still the run's page");
	CHECK(!madvise(user, 2 * PAGE, MADV_DONTFORK) && !madvise(user, 2 * PAGE, MADV_DOFORK), "madvise of fork");
	detach(user, 2);
	close(ends[0]), close(ends[1]);
}

static char *shared_with_child;

static void write_in_child(int fd)
{
	(void)fd;
	shared_with_child[7] = 'C';
}

/* Not copy-on-write: the child's store is seen by its parent and by the peer. */
static void check_fork(char *user)
{
	struct peer child;

	put_run_over(user, 0, PAGES);
	user[7] = 'P';
	shared_with_child = user;
	spawn_beside(&child, write_in_child);
	finish(&child);
	CHECK(user[7] == 'C' && peer_sees(0) == 'C', "a forked child shares substituted pages");
	detach(user, PAGES);
	spawn_beside(&child, write_in_child);
	user[7] = 'Q';
	finish(&child);
	CHECK(user[7] == 'Q' && peer_sees(0) == 'C', "after detach it has its own");
}

static char *aligned(char *at)
{
	return (char *)(((uintptr_t)at + PAGE - 1) & ~(PAGE - 1));
}

static void check_kinds(char *anonymous)
{
	static char bss[(PAGES + 1) * PAGE];
	char stack[(PAGES + 1) * PAGE], *large = malloc((PAGES + 1) * PAGE), *heap;
	FILE *file = tmpfile();
	char *private;

	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	heap = malloc((PAGES + 1) * PAGE);
	CHECK(file && !ftruncate(fileno(file), PAGES * PAGE), "a file");
	private = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fileno(file), 0);
	check_over(anonymous, "anonymous memory");
	check_over(aligned(large), "malloc'ed memory");
	check_over(aligned(heap), "the brk heap");
	check_over(aligned(bss), ".bss");
	check_over(aligned(stack), "the stack");
	check_over(private, "a private mapping of a file");
	free(large), free(heap);
	fclose(file);
}

static void granter(int fd)
{
	char *second, *anonymous = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t refs[PAGES], end = PAGES;

	peer_fd = fd;
	shr = xen.xengntshr_open(NULL, 0);
	CHECK(!alloc_run(shr, peer_domain, false, PAGES, refs, &run_index), "alloc");
	pool = map_run(shr, run_index, PAGES);
	second = map_run(shr, run_index, PAGES);
	say(fd, refs, sizeof refs);
	pool[7] = '1';
	CHECK(second[7] == '1' && peer_sees(0) == '1', "two mappings of one run");
	check_kinds(anonymous);
	check_part(anonymous);
	check_system_calls(anonymous);
	check_fork(anonymous);
	pool[9 * PAGE + 7] = 'N';
	CHECK(!munmap(pool, PAGES * PAGE) && !munmap(second, PAGES * PAGE) && !munmap(anonymous, PAGES * PAGE), "munmap");
	CHECK(peer_sees(9) == 'N', "with no mapping here");
	pool = map_run(shr, run_index, PAGES);
	CHECK(pool[9 * PAGE + 7] == 'N', "the content survives with no mapping");
	CHECK(!dealloc_run(shr, run_index, PAGES), "give back what is mapped on both sides");
	pool[9 * PAGE + 7] = 'O';
	CHECK(peer_sees(9) == 'O', "it lives while it is mapped");
	say(fd, &end, sizeof end);
	meet(fd);
	xen.xengntshr_close(shr);
}

int main(void)
{
	return conformance(20, granter, mapper);
}
