/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Freed references are handed out again at once, last freed first, with zeroed pages: a stale reference misleads. */
#include "xenemu_load.h"

int main(void)
{
	xengntshr_handle *shr;
	xengnttab_handle *tab;
	uint32_t first, refs[3], again[3];
	struct stat status;
	uint64_t index;
	char *page, *at;

	test_begin(20);
	be_domain(1);
	shr = xen.xengntshr_open(NULL, 0);
	tab = xen.xengnttab_open(NULL, 0);
	page = xen.xengntshr_share_pages(shr, 1, 1, &first, 1);
	CHECK(page && first >= 8, "the first 8 references are reserved: %u", first);
	strcpy(page, "old");
	CHECK(!xen.xengntshr_unshare(shr, page, 1), "unshare");
	page = xen.xengntshr_share_pages(shr, 1, 1, refs, 1);
	CHECK(page && refs[0] == first, "reference %u, not %u again", refs[0], first);
	CHECK(!page[0], "a new page is zero");
	strcpy(page, "new");
	at = xen.xengnttab_map_grant_ref(tab, 1, first, PROT_READ);
	CHECK(at && !strcmp(at, "new"), "the stale reference reaches the new data");
	CHECK(!alloc_run(shr, 1, true, 3, refs, &index), "alloc");
	CHECK(!fstat(xen.xengntshr_fd(shr), &status) && status.st_blocks == 3 * 8, "memory of 3 pages");
	CHECK(!dealloc_run(shr, index, 3), "dealloc");
	CHECK(!fstat(xen.xengntshr_fd(shr), &status) && status.st_blocks == 0, "the memory is given back");
	CHECK(!xen.xengnttab_map_grant_ref(tab, 1, refs[1], PROT_READ) && errno == EINVAL, "a freed reference");
	CHECK(!alloc_run(shr, 1, true, 3, again, &index), "alloc again");
	for (int i = 0; i < 3; i++)
		CHECK(again[i] == refs[2 - i], "last freed, first used: %u %u", again[i], refs[2 - i]);
	xen.xengnttab_close(tab);
	xen.xengntshr_close(shr);
	return 0;
}
