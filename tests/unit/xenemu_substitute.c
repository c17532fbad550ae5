/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A run of ALLOC_GREF is mapped any number of times, anywhere, whole and in part: over user memory, and away again,
 * while the peer's one mapping stays right; with no local mapping left the content survives.
 */
#include "xenemu_load.h"

enum { PAGES = 32 };

static void mapper(int fd)
{
	xengnttab_handle *tab = xen.xengnttab_open(NULL, 0);
	uint32_t refs[PAGES], expected;
	const char *at;

	hear(fd, refs, sizeof refs);
	at = xen.xengnttab_map_domain_grant_refs(tab, PAGES, 1, refs, PROT_READ);
	CHECK(at, "map");
	for (;;) { /* "the byte at page P is C", until C is 0 */
		hear(fd, &expected, sizeof expected);
		if (!(expected & 0xff))
			break;
		CHECK(at[(expected >> 8) * PAGE + 7] == (char)expected, "page %u: %c, not %c", expected >> 8,
		      at[(expected >> 8) * PAGE + 7], (char)expected);
		meet(fd);
	}
	xen.xengnttab_close(tab);
}

static void peer_sees(struct peer *peer, uint32_t page, char what)
{
	uint32_t expected = page << 8 | (unsigned char)what;

	say(peer->fd, &expected, sizeof expected);
	if (what)
		meet(peer->fd);
}

static void put_run_over(xengntshr_handle *shr, char *at, uint64_t index, uint32_t pages)
{
	CHECK(mmap(at, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, xen.xengntshr_fd(shr),
	           (off_t)index) == at, "MAP_FIXED");
}

static void detach(char *at, uint32_t pages)
{
	char *copy = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memcpy(copy, at, pages * PAGE);
	CHECK(mremap(copy, pages * PAGE, pages * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at) == at, "mremap");
}

static void over(struct peer *peer, xengntshr_handle *shr, uint64_t index, char *pool, char *user, const char *what)
{
	memset(user, 'U', PAGES * PAGE);
	memcpy(pool, user, PAGES * PAGE);
	put_run_over(shr, user, index, PAGES);
	CHECK(user[PAGES * PAGE - 1] == 'U', "%s: content stays", what);
	memset(user, 'B', PAGES * PAGE);
	CHECK(pool[3 * PAGE] == 'B', "%s: mapped twice", what);
	peer_sees(peer, 9, 'B');
	detach(user, PAGES);
	CHECK(user[0] == 'B', "%s: content stays after detach", what);
	memset(user, 'z', PAGES * PAGE);
	peer_sees(peer, 9, 'B');
}

static char *aligned(char *at)
{
	return (char *)(((uintptr_t)at + PAGE - 1) & ~(PAGE - 1));
}

int main(void)
{
	static char bss[(PAGES + 1) * PAGE];
	char stack[(PAGES + 1) * PAGE], *heap, *anonymous, *pool, *second;
	uint32_t refs[PAGES];
	struct peer peer;
	xengntshr_handle *shr;
	uint64_t index;

	test_begin(20);
	spawn(&peer, 2, mapper);
	be_domain(1);
	shr = xen.xengntshr_open(NULL, 0);
	CHECK(!alloc_run(shr, 2, false, PAGES, refs, &index), "alloc");
	pool = map_run(shr, index, PAGES);
	second = map_run(shr, index, PAGES);
	say(peer.fd, refs, sizeof refs);
	pool[7] = '1';
	CHECK(second[7] == '1', "two mappings of one run");
	peer_sees(&peer, 0, '1');

	anonymous = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	heap = malloc((PAGES + 1) * PAGE);
	over(&peer, shr, index, pool, anonymous, "anonymous memory");
	over(&peer, shr, index, pool, aligned(heap), "malloc'ed memory");
	over(&peer, shr, index, pool, aligned(bss), ".bss");
	over(&peer, shr, index, pool, aligned(stack), "the stack");

	put_run_over(shr, anonymous + 4 * PAGE, index + 20 * PAGE, 3);
	memset(anonymous + 4 * PAGE, 'k', 3 * PAGE);
	CHECK(anonymous[4 * PAGE - 1] == 'z' && anonymous[7 * PAGE] == 'z', "the neighbours are untouched");
	peer_sees(&peer, 22, 'k');
	peer_sees(&peer, 23, 'B');

	CHECK(!munmap(pool, PAGES * PAGE) && !munmap(second, PAGES * PAGE) && !munmap(anonymous, PAGES * PAGE), "munmap");
	pool = map_run(shr, index, PAGES);
	CHECK(pool[20 * PAGE] == 'k' && pool[0] == 'B', "content survives with no mapping");
	peer_sees(&peer, 22, 'k');
	peer_sees(&peer, 0, 0);
	finish(&peer);
	free(heap);
	xen.xengntshr_close(shr);
	return 0;
}
