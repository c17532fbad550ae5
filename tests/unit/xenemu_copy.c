/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Grant copy: in, out, between two grants, in bulk; a bad pointer is EFAULT, a gntdev mapping as local side is -9. */
#include "xenemu_load.h"

enum { PAGES = 200 };

static xengnttab_grant_copy_segment_t segment(uint16_t flags, uint16_t len)
{
	return (xengnttab_grant_copy_segment_t){.flags = flags, .len = len, .status = 77};
}

static void copy_in_bulk(xengnttab_handle *tab, const uint32_t *refs)
{
	xengnttab_grant_copy_segment_t segments[PAGES];
	char *to = malloc(PAGES * PAGE);

	for (int i = 0; i < PAGES; i++) {
		segments[i] = segment(GNTCOPY_source_gref, PAGE);
		segments[i].source.foreign.ref = refs[i];
		segments[i].source.foreign.domid = 1;
		segments[i].dest.virt = to + (unsigned)i * PAGE;
	}
	CHECK(!xen.xengnttab_grant_copy(tab, PAGES, segments), "copy");
	for (size_t i = 0; i < PAGES * PAGE; i++)
		CHECK(to[i] == (char)(i / PAGE + i % PAGE), "byte %zu", i);
	for (int i = 0; i < PAGES; i++)
		CHECK(segments[i].status == 0, "status of %d", i);
	free(to);
}

static void copy_out(xengnttab_handle *tab, const uint32_t *refs)
{
	xengnttab_grant_copy_segment_t out = segment(GNTCOPY_dest_gref, 3);
	xengnttab_grant_copy_segment_t across = segment(GNTCOPY_source_gref | GNTCOPY_dest_gref, 3);
	char abc[] = "abc";

	out.source.virt = abc;
	out.dest.foreign.ref = refs[0];
	out.dest.foreign.domid = 1;
	out.dest.foreign.offset = 100;
	CHECK(!xen.xengnttab_grant_copy(tab, 1, &out) && out.status == 0, "into a grant");
	across.source = out.dest;
	across.dest = out.dest;
	across.dest.foreign.ref = refs[1];
	CHECK(!xen.xengnttab_grant_copy(tab, 1, &across) && across.status == 0, "from grant to grant");
}

static void bad_pointers(xengnttab_handle *tab, uint32_t ref)
{
	char *readonly = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *mapped = xen.xengnttab_map_grant_ref(tab, 1, ref, PROT_READ | PROT_WRITE);

	errno = 0;
	CHECK(copy_status(tab, 1, ref, 0, 64, readonly) == 99 && errno == EFAULT, "a read-only destination");
	errno = 0;
	CHECK(copy_status(tab, 1, ref, 0, 64, (void *)8) == 99 && errno == EFAULT, "a bad destination");
	CHECK(mapped, "map");
	CHECK(copy_status(tab, 1, ref, 0, 64, mapped + 100) == -9, "into a gntdev mapping");
	CHECK(!xen.xengnttab_unmap(tab, mapped, 1), "unmap");
}

static void copier(int fd)
{
	xengnttab_handle *tab = xen.xengnttab_open(NULL, 0);
	uint32_t refs[PAGES];

	hear(fd, refs, sizeof refs);
	copy_in_bulk(tab, refs);
	copy_out(tab, refs);
	bad_pointers(tab, refs[0]);
	meet(fd);
	xen.xengnttab_close(tab);
}

int main(void)
{
	uint32_t refs[PAGES];
	struct peer peer;
	xengntshr_handle *shr;
	uint64_t index;
	char *run;

	test_begin(20);
	spawn(&peer, 2, copier);
	be_domain(1);
	shr = xen.xengntshr_open(NULL, 0);
	CHECK(!alloc_run(shr, 2, true, PAGES, refs, &index), "alloc");
	run = map_run(shr, index, PAGES);
	for (size_t i = 0; i < PAGES * PAGE; i++)
		run[i] = (char)(i / PAGE + i % PAGE);
	say(peer.fd, refs, sizeof refs);
	meet(peer.fd);
	CHECK(!memcmp(run + 100, "abc", 3) && !memcmp(run + PAGE + 100, "abc", 3), "what the peer copied to us");
	finish(&peer);
	xen.xengntshr_close(shr);
	return 0;
}
