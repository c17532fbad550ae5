/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Unshare while the peer maps returns at once; the peer keeps access, and the reference isn't reused, until it
 * unmaps; then the reference is invalid and handed out again.
 */
#include "xenemu_load.h"

static void mapper(int fd)
{
	xengnttab_handle *tab = xen.xengnttab_open(NULL, 0);
	uint32_t refs[4];
	char *at, *second, buffer[16];

	hear(fd, refs, sizeof refs);
	at = xen.xengnttab_map_domain_grant_refs(tab, 4, 1, refs, PROT_READ | PROT_WRITE);
	CHECK(at && !strcmp(at, "still here"), "map");
	meet(fd);
	meet(fd);
	CHECK(!strcmp(at, "still here"), "content stays");
	strcpy(at, "written later");
	second = xen.xengnttab_map_grant_ref(tab, 1, refs[0], PROT_READ);
	CHECK(second && !strcmp(second, "written later"), "as long as it is mapped it can even be mapped again");
	CHECK(copy_status(tab, 1, refs[0], 0, sizeof buffer, buffer) == 0, "and copied");
	CHECK(!xen.xengnttab_unmap(tab, second, 1), "unmap");
	meet(fd);
	meet(fd);
	CHECK(!xen.xengnttab_unmap(tab, at, 4), "unmap");
	CHECK(!xen.xengnttab_map_grant_ref(tab, 1, refs[0], PROT_READ) && errno == EINVAL, "now it is gone");
	CHECK(copy_status(tab, 1, refs[0], 0, sizeof buffer, buffer) == -1, "now it is gone");
	meet(fd);
	xen.xengnttab_close(tab);
}

int main(void)
{
	uint32_t refs[4], other;
	xengntshr_handle *shr;
	struct peer peer;
	char *page;

	test_begin(20);
	spawn(&peer, 2, mapper);
	be_domain(1);
	shr = xen.xengntshr_open(NULL, 0);
	page = xen.xengntshr_share_pages(shr, 2, 4, refs, 1);
	strcpy(page, "still here");
	say(peer.fd, refs, sizeof refs);
	meet(peer.fd);
	CHECK(!xen.xengntshr_unshare(shr, page, 4), "unshare");
	meet(peer.fd);
	meet(peer.fd);
	page = xen.xengntshr_share_pages(shr, 2, 1, &other, 1);
	for (int i = 0; i < 4; i++)
		CHECK(page && other != refs[i], "reference %u is mapped and was handed out again", other);
	CHECK(!xen.xengntshr_unshare(shr, page, 1), "unshare");
	meet(peer.fd);
	meet(peer.fd);
	page = xen.xengntshr_share_pages(shr, 2, 1, &other, 1);
	CHECK(page && other == refs[3], "reference %u, not %u", other, refs[3]);
	finish(&peer);
	xen.xengntshr_close(shr);
	return 0;
}
