/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two processes in one domain share its limit and its grant table, and each may map what was granted to the domain. */
#include "xenemu_load.h"

static void sibling(int fd)
{
	xengntshr_handle *shr = xen.xengntshr_open(NULL, 0);
	uint32_t refs[300];
	uint64_t index;

	meet(fd);
	CHECK(alloc_run(shr, 2, true, 225, refs, &index) == ENOSPC, "800 of 1024 are the sibling's");
	CHECK(!alloc_run(shr, 2, true, 224, refs, &index), "the rest");
	say(fd, refs, sizeof refs[0] * 224);
	meet(fd);
	xen.xengntshr_close(shr);
}

static void killed_sibling(int fd)
{
	xengntshr_handle *shr = xen.xengntshr_open(NULL, 0);
	uint32_t refs[100];
	uint64_t index;

	CHECK(!alloc_run(shr, 2, true, 100, refs, &index), "alloc");
	meet(fd);
	pause();
}

static void mapper(int fd)
{
	xengnttab_handle *tab = xen.xengnttab_open(NULL, 0);
	uint32_t ref;
	char *page;

	hear(fd, &ref, sizeof ref);
	page = xen.xengnttab_map_grant_ref(tab, 1, ref, PROT_READ | PROT_WRITE);
	CHECK(page, "granted to the domain");
	page[0]++;
	meet(fd);
	xen.xengnttab_close(tab);
}

int main(void)
{
	struct peer peer, map_a, map_b;
	xengntshr_handle *shr;
	uint32_t refs[800], theirs[224];
	uint64_t index;
	char *run;

	test_begin(20);
	spawn(&peer, 1, sibling);
	spawn(&map_a, 2, mapper);
	spawn(&map_b, 2, mapper);
	be_domain(1);
	shr = xen.xengntshr_open(NULL, 0);
	CHECK(!alloc_run(shr, 2, true, 800, refs, &index), "alloc");
	run = map_run(shr, index, 1);
	meet(peer.fd);
	hear(peer.fd, theirs, sizeof theirs);
	for (int i = 0; i < 224; i++)
		for (int j = 0; j < 800; j++)
			CHECK(theirs[i] != refs[j], "reference %u twice", refs[j]);
	say(map_a.fd, refs, sizeof refs[0]);
	meet(map_a.fd);
	say(map_b.fd, refs, sizeof refs[0]);
	meet(map_b.fd);
	CHECK(run[0] == 2, "both mapped it");
	meet(peer.fd);
	finish(&peer);
	spawn(&peer, 1, killed_sibling);
	meet(peer.fd);
	CHECK(alloc_run(shr, 2, true, 224, theirs, &index) == ENOSPC, "the new sibling has some");
	kill_peer(&peer);
	CHECK(!alloc_run(shr, 2, true, 224, theirs, &index), "the siblings' share is free, though one was killed");
	finish(&map_a);
	finish(&map_b);
	xen.xengntshr_close(shr);
	return 0;
}
