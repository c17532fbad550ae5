/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Granted pages are one memory: data goes both ways, in any order of references, through either way to grant. */
#include "xenemu_load.h"

enum { PAGES = 64 };

static unsigned memfd_lines(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	unsigned lines = 0;

	while (fgets(line, sizeof line, maps))
		lines += strstr(line, "/memfd:xenemu") != NULL;
	fclose(maps);
	return lines;
}

static void mapper(int fd)
{
	xengnttab_handle *tab = xen.xengnttab_open(NULL, 0);
	uint32_t refs[PAGES], mixed[PAGES], domids[PAGES], other;
	char *at;

	CHECK(tab, "open");
	hear(fd, refs, sizeof refs);
	hear(fd, &other, sizeof other);
	at = xen.xengnttab_map_domain_grant_refs(tab, PAGES, 1, refs, PROT_READ | PROT_WRITE);
	CHECK(at, "map");
	CHECK(memfd_lines() == 1, "a run of %d pages took %u mappings", PAGES, memfd_lines());
	for (int i = 0; i < PAGES; i++)
		CHECK(at[i * PAGE] == (char)i && at[i * PAGE + PAGE - 1] == (char)~i, "page %d", i);
	memset(at, 'w', PAGES * PAGE);
	CHECK(!xen.xengnttab_unmap(tab, at, PAGES), "unmap");
	CHECK(memfd_lines() == 0, "unmapped");
	meet(fd);
	meet(fd); /* meanwhile the granter has read, and numbered the pages again */
	for (int i = 0; i < PAGES; i++) {
		mixed[i] = refs[PAGES - 1 - i];
		domids[i] = 1;
	}
	mixed[7] = other;
	at = xen.xengnttab_map_grant_refs(tab, PAGES, domids, mixed, PROT_READ);
	CHECK(at, "map, backwards");
	for (int i = 0; i < PAGES; i++)
		CHECK(at[i * PAGE] == (i == 7 ? 's' : PAGES - 1 - i), "page %d, backwards", i);
	for (int i = 0; i < 1100; i++) /* one by one these would be more spans than there are */
		CHECK(xen.xengnttab_map_domain_grant_refs(tab, PAGES, 1, refs, PROT_READ), "mapping %d of one run", i);
	CHECK(xen.xengnttab_unmap(tab, at, PAGES - 1) && errno == EINVAL, "only whole mappings are unmapped");
	meet(fd);
	CHECK(!xen.xengnttab_close(tab), "close");
}

int main(void)
{
	uint32_t refs[PAGES], other;
	xengntshr_handle *shr;
	struct peer peer;
	uint64_t index;
	char *run, *page;

	test_begin(20);
	spawn(&peer, 2, mapper);
	be_domain(1);
	shr = xen.xengntshr_open(NULL, 0);
	CHECK(shr, "open");
	CHECK(!alloc_run(shr, 2, true, PAGES, refs, &index), "alloc");
	run = map_run(shr, index, PAGES);
	page = xen.xengntshr_share_pages(shr, 2, 1, &other, 0);
	CHECK(page, "share_pages");
	page[0] = 's';
	for (int i = 0; i < PAGES; i++) {
		CHECK(!run[i * PAGE + 5], "granted pages are zero");
		run[i * PAGE] = (char)i;
		run[i * PAGE + PAGE - 1] = (char)~i;
	}
	say(peer.fd, refs, sizeof refs);
	say(peer.fd, &other, sizeof other);
	meet(peer.fd);
	for (size_t i = 0; i < PAGES * PAGE; i++)
		CHECK(run[i] == 'w', "byte %zu as the peer wrote it", i);
	for (int i = 0; i < PAGES; i++)
		run[i * PAGE] = (char)i;
	meet(peer.fd);
	meet(peer.fd);
	finish(&peer);
	CHECK(!xen.xengntshr_close(shr), "close");
	CHECK(!registry_exists(), "the last one removes the registry");
	return 0;
}
