/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Grants and maps: content both ways, several and partial mappings, references in any order and twice; what is refused
 * (all of a list for one bad reference), and what becomes of references that are given back.
 */
#include "conformance.h"

enum { PAGES = 12 };

struct refs {
	uint32_t run[PAGES];	/* read-only to the peer; page i begins with 'a' + i */
	uint32_t writable;
	uint32_t foreign;	/* granted to another domain */
	uint32_t given_back;
};

static void granter(int fd)
{
	xengntshr_handle *shr = xen.xengntshr_open(NULL, 0);
	uint64_t run_index, writable_index, index;
	struct refs refs;
	uint32_t again;
	char *run, *writable;

	CHECK(shr, "open");
	CHECK(!alloc_run(shr, peer_domain, false, PAGES, refs.run, &run_index), "a run");
	CHECK(!alloc_run(shr, peer_domain, true, 1, &refs.writable, &writable_index), "a writable page");
	CHECK(!alloc_run(shr, ABSENT_DOMAIN, true, 1, &refs.foreign, &index), "granting to a domain that is not there");
	CHECK(!alloc_run(shr, peer_domain, true, 1, &refs.given_back, &index), "a page to give back");
	CHECK(!dealloc_run(shr, index, 1), "give back");
	CHECK(dealloc_run(shr, index, 1) == EINVAL, "give back twice");
	run = map_run(shr, run_index, PAGES);
	writable = map_run(shr, writable_index, 1);
	for (unsigned i = 0; i < PAGES; i++) {
		CHECK(!run[i * PAGE] && !run[i * PAGE + PAGE - 1], "granted pages are zero");
		run[i * PAGE] = (char)('a' + i);
	}
	strcpy(writable, "from the granter");
	say(fd, &refs, sizeof refs);
	meet(fd); /* the mapper has read all and written */
	CHECK(!strcmp(writable, "from the mapper"), "what the peer wrote: %s", writable);
	run[PAGE] = 'B';
	meet(fd);
	meet(fd); /* its mappings are gone */
	munmap(writable, PAGE);
	CHECK(!dealloc_run(shr, writable_index, 1), "give back");
	CHECK(!alloc_run(shr, peer_domain, true, 1, &again, &index), "a page");
	CHECK(again == refs.writable, "freed references are reused at once: %u, not %u", again, refs.writable);
	strcpy(map_run(shr, index, 1), "someone else's");
	meet(fd);
	meet(fd);
	xen.xengntshr_close(shr);
}

static void check_content(xengnttab_handle *tab, struct refs *refs)
{
	uint32_t mixed[4] = {refs->run[7], refs->run[2], refs->run[7], refs->run[0]};
	char *whole = map_refs(tab, PAGES, refs->run, false), *second = map_refs(tab, PAGES, refs->run, false);
	char *part = map_refs(tab, 3, refs->run + 4, false), *list = map_refs(tab, 4, mixed, false);

	CHECK(whole && second && part && list && whole != second, "map");
	for (unsigned i = 0; i < PAGES; i++)
		CHECK(whole[i * PAGE] == (char)('a' + i) && second[i * PAGE] == (char)('a' + i), "page %u", i);
	CHECK(part[0] == 'e' && part[2 * PAGE] == 'g', "part of a run");
	CHECK(list[0] == 'h' && list[PAGE] == 'c' && list[2 * PAGE] == 'h' && list[3 * PAGE] == 'a', "any order, twice");
	errno = 0;
	CHECK(xen.xengnttab_unmap(tab, whole, PAGES - 1) == -1 && errno == EINVAL, "only whole mappings are unmapped");
	CHECK(!xen.xengnttab_unmap(tab, whole, PAGES), "unmap");
	CHECK(second[0] == 'a' && list[0] == 'h', "the other mappings stand");
	CHECK(!xen.xengnttab_unmap(tab, list, 4) && !xen.xengnttab_unmap(tab, part, 3), "unmap");
	CHECK(!xen.xengnttab_unmap(tab, second, PAGES), "unmap");
}

static void check_refused(xengnttab_handle *tab, struct refs *refs)
{
	struct {
		const char *what;
		uint32_t domain, ref;
	} bad[] = {
		{"granted to another domain", peer_domain, refs->foreign},
		{"given back", peer_domain, refs->given_back},
		{"reserved reference 0", peer_domain, 0},
		{"out of the table", peer_domain, FAR_REFERENCE},
		{"no such domain", ABSENT_DOMAIN, refs->run[0]},
	};
	uint32_t list[3];

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		errno = 0;
		CHECK(!xen.xengnttab_map_grant_ref(tab, bad[i].domain, bad[i].ref, PROT_READ) && errno == EINVAL, "%s",
		      bad[i].what);
	}
	list[0] = refs->run[0];
	list[1] = refs->foreign;
	list[2] = refs->run[1];
	CHECK(!map_refs(tab, 3, list, false) && errno == EINVAL, "one bad reference refuses the whole list");
	CHECK(!map_refs(tab, 1, refs->run, true) && errno == EINVAL, "a read-only grant is not mapped for writing");
	list[0] = refs->writable;
	list[1] = refs->run[0];
	CHECK(!map_refs(tab, 2, list, true) && errno == EINVAL, "nor is it in a list");
	CHECK(!map_refs(tab, 0, list, false) && errno == EINVAL, "no references");
}

/* Two handles of one process: each has its own mappings. */
static void check_handles(xengnttab_handle *tab, struct refs *refs)
{
	xengnttab_handle *other = xen.xengnttab_open(NULL, 0);
	char *mine = map_refs(tab, 1, refs->run, false), *theirs = map_refs(other, 1, refs->run, false);

	CHECK(mine && theirs, "map through two handles");
	CHECK(!xen.xengnttab_unmap(other, theirs, 1), "unmap");
	xen.xengnttab_close(other);
	CHECK(mine[0] == 'a', "the other handle's end ends no mapping of this");
	CHECK(!xen.xengnttab_unmap(tab, mine, 1), "unmap");
}

static void mapper(int fd)
{
	xengnttab_handle *tab = xen.xengnttab_open(NULL, 0);
	char *run, *writable, *readonly;
	struct refs refs;

	CHECK(tab, "open");
	hear(fd, &refs, sizeof refs);
	check_content(tab, &refs);
	check_refused(tab, &refs);
	check_handles(tab, &refs);
	run = map_refs(tab, PAGES, refs.run, false);
	writable = map_refs(tab, 1, &refs.writable, true);
	readonly = map_refs(tab, 1, &refs.writable, false);
	CHECK(run && writable && readonly, "map");
	CHECK(!strcmp(readonly, "from the granter"), "content: %s", readonly);
	CHECK(touch(run, true) == SIGSEGV && run[0] == 'a', "a store to a read-only mapping");
	CHECK(touch(readonly, true) == SIGSEGV, "also of a writable grant");
	strcpy(writable, "from the mapper");
	CHECK(!strcmp(readonly, "from the mapper"), "two mappings, one page");
	meet(fd);
	meet(fd);
	CHECK(run[PAGE] == 'B', "what the granter wrote later");
	CHECK(!xen.xengnttab_unmap(tab, writable, 1) && !xen.xengnttab_unmap(tab, readonly, 1), "unmap");
	CHECK(!xen.xengnttab_unmap(tab, run, PAGES), "unmap");
	meet(fd);
	meet(fd);
	writable = map_refs(tab, 1, &refs.writable, true);
	CHECK(writable && !strcmp(writable, "someone else's"), "a stale reference reaches other data, silently");
	CHECK(!xen.xengnttab_unmap(tab, writable, 1), "unmap");
	meet(fd);
	xen.xengnttab_close(tab);
}

int main(void)
{
	return conformance(20, granter, mapper);
}
