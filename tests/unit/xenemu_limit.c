/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gntalloc's limit and the end of the grant table are ENOSPC; a table that ran out stays out; maptrack is EINVAL. */
#include "xenemu_load.h"

static void at_the_limit(int fd)
{
	xengntshr_handle *shr;
	uint32_t refs[1024];
	uint64_t first, index;

	(void)fd;
	shr = xen.xengntshr_open(NULL, 0);
	CHECK(!alloc_run(shr, 2, true, 1000, refs, &first), "below the default of 1024");
	CHECK(alloc_run(shr, 2, true, 25, refs, &index) == ENOSPC, "one page too many");
	errno = 0;
	CHECK(!xen.xengntshr_share_pages(shr, 2, 25, refs, 1) && errno == ENOSPC, "so for share_pages");
	CHECK(!alloc_run(shr, 2, true, 24, refs, &index), "exactly the limit");
	CHECK(!dealloc_run(shr, first, 500), "give half back");
	CHECK(!alloc_run(shr, 2, true, 500, refs, &index), "what was given back");
	CHECK(dealloc_run(shr, first, 500) == EINVAL, "it was given back before");
	xen.xengntshr_close(shr);
}

static void at_the_end_of_the_table(int fd)
{
	xengntshr_handle *shr;
	uint32_t refs[200];
	uint64_t first, index;

	(void)fd;
	setenv("XENEMU_GRANT_TABLE", "100", 1);
	shr = xen.xengntshr_open(NULL, 0);
	CHECK(!alloc_run(shr, 2, true, 100, refs, &first), "all of it");
	CHECK(alloc_run(shr, 2, true, 1, refs, &index) == ENOSPC, "one more");
	CHECK(!dealloc_run(shr, first, 100), "give all back");
	CHECK(alloc_run(shr, 2, true, 1, refs, &index) == ENOSPC, "a table that ran out stays out");
	xen.xengntshr_close(shr);
	shr = xen.xengntshr_open(NULL, 0);
	CHECK(!alloc_run(shr, 2, true, 1, refs, &index), "until the domain has ended");
	xen.xengntshr_close(shr);
}

static void at_the_end_of_maptrack(int fd)
{
	xengntshr_handle *shr;
	xengnttab_handle *tab;
	uint32_t refs[40];
	uint64_t index;
	void *first;

	(void)fd;
	setenv("XENEMU_MAPTRACK", "50", 1);
	shr = xen.xengntshr_open(NULL, 0);
	tab = xen.xengnttab_open(NULL, 0);
	CHECK(!alloc_run(shr, 1, true, 40, refs, &index), "alloc");
	first = xen.xengnttab_map_domain_grant_refs(tab, 40, 1, refs, PROT_READ);
	CHECK(first, "map");
	errno = 0;
	CHECK(!xen.xengnttab_map_domain_grant_refs(tab, 11, 1, refs, PROT_READ) && errno == EINVAL, "maptrack is full");
	CHECK(xen.xengnttab_map_domain_grant_refs(tab, 10, 1, refs, PROT_READ), "exactly full");
	CHECK(!xen.xengnttab_unmap(tab, first, 40), "unmap");
	CHECK(xen.xengnttab_map_domain_grant_refs(tab, 40, 1, refs, PROT_READ), "room again");
	xen.xengnttab_close(tab);
	xen.xengntshr_close(shr);
}

int main(void)
{
	struct peer peer;

	test_begin(20);
	spawn(&peer, 1, at_the_limit);
	finish(&peer);
	spawn(&peer, 1, at_the_end_of_the_table);
	finish(&peer);
	spawn(&peer, 1, at_the_end_of_maptrack);
	finish(&peer);
	return 0;
}
