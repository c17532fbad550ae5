/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bad references: a map is refused as a whole with EINVAL; a copy says per segment why. */
#include "xenemu_load.h"

static uint32_t valid, other_domain, unshared;

struct expectation {
	const char *what;
	uint16_t domid;
	const uint32_t *ref;
	uint32_t number;
	int map_errno; /* 0: works */
	int copy_status;
};

/* What real Xen 4.17 answered. */
static const struct expectation table[] = {
	{"a valid grant", 1, &valid, 0, 0, 0},
	{"granted to another domain", 1, &other_domain, 0, EINVAL, -1},
	{"unshared", 1, &unshared, 0, EINVAL, -1},
	{"reserved reference 0", 1, NULL, 0, EINVAL, -1},
	{"reserved reference 3", 1, NULL, 3, EINVAL, -1},
	{"out of the table", 1, NULL, 20000, EINVAL, -3},
	{"far out of the table", 1, NULL, 0x7fffffff, EINVAL, -3},
	{"no such domain", 77, &valid, 0, EINVAL, -2},
};

static void check_each(xengnttab_handle *tab)
{
	char buffer[64];

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		const struct expectation *row = &table[i];
		uint32_t ref = row->ref ? *row->ref : row->number;
		void *at;
		int status;

		errno = 0;
		at = xen.xengnttab_map_grant_ref(tab, row->domid, ref, PROT_READ);
		CHECK(row->map_errno ? !at && errno == row->map_errno : at != NULL, "map %s: %p", row->what, at);
		if (at)
			CHECK(!xen.xengnttab_unmap(tab, at, 1), "unmap");
		status = copy_status(tab, row->domid, ref, 0, sizeof buffer, buffer);
		CHECK(status == row->copy_status, "copy %s: status %d, not %d", row->what, status, row->copy_status);
	}
}

static void check_batches(xengnttab_handle *tab)
{
	uint32_t refs[3] = {valid, unshared, valid};
	xengnttab_grant_copy_segment_t segments[3] = {{.len = 5}, {.len = 5}, {.len = 5}};
	char to[3][8] = {"", "", ""};

	errno = 0;
	CHECK(!xen.xengnttab_map_domain_grant_refs(tab, 3, 1, refs, PROT_READ) && errno == EINVAL, "one bad in a list");
	for (int i = 0; i < 3; i++) {
		segments[i].flags = GNTCOPY_source_gref;
		segments[i].source.foreign.ref = refs[i];
		segments[i].source.foreign.domid = 1;
		segments[i].dest.virt = to[i];
	}
	CHECK(!xen.xengnttab_grant_copy(tab, 3, segments), "the call itself works");
	CHECK(segments[0].status == 0 && segments[1].status == -1 && segments[2].status == 0, "status of each");
	CHECK(!strcmp(to[0], "good") && !to[1][0] && !strcmp(to[2], "good"), "the good ones are copied");
}

static void check_arguments(xengnttab_handle *tab)
{
	static const uint16_t crossing[][2] = {{4000, 200}, {0, 8192}, {4096, 1}};
	xengnttab_grant_copy_segment_t local = {.len = 1};
	char buffer[8192];

	for (int i = 0; i < 3; i++) {
		errno = 0;
		CHECK(copy_status(tab, 1, valid, crossing[i][0], crossing[i][1], buffer) == 99 && errno == EINVAL,
		      "offset %u len %u", crossing[i][0], crossing[i][1]);
	}
	local.source.virt = local.dest.virt = buffer;
	errno = 0;
	CHECK(xen.xengnttab_grant_copy(tab, 1, &local) == -1 && errno == EINVAL, "no side is a grant");
	errno = 0;
	CHECK(!xen.xengnttab_map_domain_grant_refs(tab, 0, 1, &valid, PROT_READ) && errno == EINVAL, "no references");
}

static void mapper(int fd)
{
	xengnttab_handle *tab = xen.xengnttab_open(NULL, 0);

	hear(fd, &valid, sizeof valid);
	hear(fd, &other_domain, sizeof other_domain);
	hear(fd, &unshared, sizeof unshared);
	check_each(tab);
	check_batches(tab);
	check_arguments(tab);
	xen.xengnttab_close(tab);
	meet(fd);
}

int main(void)
{
	struct peer peer;
	xengntshr_handle *shr;
	char *good, *gone;

	test_begin(20);
	spawn(&peer, 2, mapper);
	be_domain(1);
	shr = xen.xengntshr_open(NULL, 0);
	good = xen.xengntshr_share_pages(shr, 2, 1, &valid, 1);
	CHECK(good && xen.xengntshr_share_pages(shr, 3, 1, &other_domain, 1), "share");
	gone = xen.xengntshr_share_pages(shr, 2, 1, &unshared, 1);
	CHECK(gone && !xen.xengntshr_unshare(shr, gone, 1), "unshare");
	CHECK(xen.xengntshr_unshare(shr, gone, 1) == -1 && errno == EINVAL, "unshare twice");
	CHECK(!xen.xengntshr_share_pages(shr, 2, 0, &unshared, 1) && errno == EINVAL, "no pages");
	strcpy(good, "good");
	say(peer.fd, &valid, sizeof valid);
	say(peer.fd, &other_domain, sizeof other_domain);
	say(peer.fd, &unshared, sizeof unshared);
	meet(peer.fd);
	finish(&peer);
	xen.xengntshr_close(shr);
	return 0;
}
