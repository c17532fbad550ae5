/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Grant copy: in, out, in bulk, at any offset; the status of each segment; what makes the whole call fail. */
#include "conformance.h"

enum { PAGES = 70 };

struct refs {
	uint32_t run[PAGES];	/* writable to the peer */
	uint32_t readonly, foreign, given_back;
};

static char pattern(size_t at)
{
	return (char)(at / PAGE * 31 + at % 251);
}

static void granter(int fd)
{
	xengntshr_handle *shr = xen.xengntshr_open(NULL, 0);
	uint64_t index, readonly_index, other;
	struct refs refs;
	char *run;

	CHECK(!alloc_run(shr, peer_domain, true, PAGES, refs.run, &index), "alloc");
	CHECK(!alloc_run(shr, peer_domain, false, 1, &refs.readonly, &readonly_index), "alloc");
	CHECK(!alloc_run(shr, ABSENT_DOMAIN, true, 1, &refs.foreign, &other), "alloc");
	CHECK(!alloc_run(shr, peer_domain, true, 1, &refs.given_back, &other), "alloc");
	CHECK(!dealloc_run(shr, other, 1), "give back");
	run = map_run(shr, index, PAGES);
	strcpy(map_run(shr, readonly_index, 1), "read me");
	for (size_t i = 0; i < PAGES * PAGE; i++)
		run[i] = pattern(i);
	say(fd, &refs, sizeof refs);
	meet(fd);
	CHECK(!memcmp(run + 100, "abc", 3) && run[99] == pattern(99) && run[103] == pattern(103), "copied here by the peer");
	CHECK(!memcmp(run + PAGE + 200, "abc", 3), "and from grant to grant");
	xen.xengntshr_close(shr);
}

static xengnttab_grant_copy_segment_t reading(uint32_t ref, void *to, uint16_t len)
{
	xengnttab_grant_copy_segment_t segment = {.flags = GNTCOPY_source_gref, .len = len, .status = 77};

	segment.source.foreign.ref = ref;
	segment.source.foreign.domid = peer_domain;
	segment.dest.virt = to;
	return segment;
}

static void check_bulk(xengnttab_handle *tab, struct refs *refs)
{
	xengnttab_grant_copy_segment_t segment[PAGES];
	char *to = calloc(PAGES + 1, PAGE);

	for (unsigned i = 0; i < PAGES; i++)
		segment[i] = reading(refs->run[i], to + i * PAGE + 16, PAGE);
	CHECK(!xen.xengnttab_grant_copy(tab, PAGES, segment), "copy");
	for (size_t i = 0; i < PAGES * PAGE; i++)
		CHECK(to[i + 16] == pattern(i), "byte %zu", i);
	for (unsigned i = 0; i < PAGES; i++)
		CHECK(!segment[i].status, "status of %u", i);
	free(to);
}

static void check_statuses(xengnttab_handle *tab, struct refs *refs)
{
	struct {
		const char *what;
		uint32_t domain, ref;
		int status;
	} row[] = {
		{"a good one", peer_domain, refs->run[0], GNTST_okay},
		{"a read-only one", peer_domain, refs->readonly, GNTST_okay},
		{"granted to another domain", peer_domain, refs->foreign, GNTST_general_error},
		{"given back", peer_domain, refs->given_back, GNTST_general_error},
		{"reserved reference 0", peer_domain, 0, GNTST_general_error},
		{"out of the table", peer_domain, FAR_REFERENCE, GNTST_bad_gntref},
		{"no such domain", ABSENT_DOMAIN, refs->run[0], GNTST_bad_domain},
	};
	char to[64];
	int status;

	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		status = copy_status(tab, (uint16_t)row[i].domain, row[i].ref, 0, sizeof to, to);
		CHECK(status == row[i].status, "%s: status %d, not %d", row[i].what, status, row[i].status);
	}
}

static void check_one_bad(xengnttab_handle *tab, struct refs *refs)
{
	char to[3][8] = {"", "", ""};
	xengnttab_grant_copy_segment_t segment[3] = {reading(refs->readonly, to[0], 8), reading(refs->foreign, to[1], 8),
	                                             reading(refs->readonly, to[2], 8)};

	CHECK(!xen.xengnttab_grant_copy(tab, 3, segment), "the call itself works");
	CHECK(!segment[0].status && segment[1].status == GNTST_general_error && !segment[2].status, "status of each: %d %d %d",
	      segment[0].status, segment[1].status, segment[2].status);
	CHECK(!strcmp(to[0], "read me") && !to[1][0] && !strcmp(to[2], "read me"), "the good ones are copied");
}

static void check_arguments(xengnttab_handle *tab, struct refs *refs)
{
	static const uint16_t crossing[][2] = {{4000, 200}, {0, 8192}, {4096, 1}};
	char *readonly = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), to[8192] = "";

	for (int i = 0; i < 3; i++) {
		errno = 0;
		CHECK(copy_status(tab, peer_domain, refs->run[0], crossing[i][0], crossing[i][1], to) == 99 && errno == EINVAL,
		      "offset %u, %u bytes: over the end of a page", crossing[i][0], crossing[i][1]);
	}
	CHECK(!copy_status(tab, peer_domain, refs->run[0], 4095, 1, to) && to[0] == pattern(4095), "the last byte");
	errno = 0;
	CHECK(copy_status(tab, peer_domain, refs->run[0], 0, 8, readonly) == 99 && errno == EFAULT, "to read-only memory");
	errno = 0;
	CHECK(copy_status(tab, peer_domain, refs->run[0], 0, 8, (void *)8) == 99 && errno == EFAULT, "to no memory");
	munmap(readonly, PAGE);
}

static void check_into_mapping(xengnttab_handle *tab, struct refs *refs)
{
	char *mapped = map_refs(tab, 1, refs->run + 5, true);
	int status;

	CHECK(mapped, "map");
	status = copy_status(tab, peer_domain, refs->run[0], 0, 64, mapped + 100);
	CHECK(status == GNTST_bad_page, "into a gntdev mapping: status %d", status);
	CHECK(!xen.xengnttab_unmap(tab, mapped, 1), "unmap");
}

static void copy_out(xengnttab_handle *tab, struct refs *refs)
{
	xengnttab_grant_copy_segment_t out = {.flags = GNTCOPY_dest_gref, .len = 3}, across, refused;
	char abc[] = "abc";

	out.source.virt = abc;
	out.dest.foreign.ref = refs->run[0];
	out.dest.foreign.domid = peer_domain;
	out.dest.foreign.offset = 100;
	CHECK(!xen.xengnttab_grant_copy(tab, 1, &out) && !out.status, "into a writable grant: status %d", out.status);
	across = out;
	across.flags = GNTCOPY_source_gref | GNTCOPY_dest_gref;
	across.source = out.dest;
	across.dest.foreign.ref = refs->run[1];
	across.dest.foreign.offset = 200;
	CHECK(!xen.xengnttab_grant_copy(tab, 1, &across) && !across.status, "from grant to grant: status %d", across.status);
	refused = out;
	refused.dest.foreign.ref = refs->readonly;
	CHECK(!xen.xengnttab_grant_copy(tab, 1, &refused) && refused.status == GNTST_general_error,
	      "into a read-only grant: status %d", refused.status);
}

static void mapper(int fd)
{
	xengnttab_handle *tab = xen.xengnttab_open(NULL, 0);
	struct refs refs;

	hear(fd, &refs, sizeof refs);
	check_bulk(tab, &refs);
	check_statuses(tab, &refs);
	check_one_bad(tab, &refs);
	check_arguments(tab, &refs);
	check_into_mapping(tab, &refs);
	copy_out(tab, &refs);
	meet(fd);
	xen.xengnttab_close(tab);
}

int main(void)
{
	return conformance(20, granter, mapper);
}
