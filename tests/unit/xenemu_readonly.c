/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A read-only grant can be read and by no means written. */
#include <setjmp.h>

#include "xenemu_load.h"

static sigjmp_buf after_fault;

static void on_fault(int signal_number)
{
	siglongjmp(after_fault, signal_number);
}

static bool write_faults(volatile char *at)
{
	if (sigsetjmp(after_fault, 1))
		return true;
	*at = 'x';
	return false;
}

static void mapper(int fd)
{
	xengnttab_handle *tab = xen.xengnttab_open(NULL, 0);
	xengnttab_grant_copy_segment_t out = {.len = 8, .flags = GNTCOPY_dest_gref};
	char local[8] = "local";
	uint32_t ref;
	char *at;

	signal(SIGSEGV, on_fault);
	signal(SIGBUS, on_fault);
	hear(fd, &ref, sizeof ref);
	errno = 0;
	CHECK(!xen.xengnttab_map_grant_ref(tab, 1, ref, PROT_READ | PROT_WRITE) && errno == EINVAL, "map for writing");
	at = xen.xengnttab_map_grant_ref(tab, 1, ref, PROT_READ);
	CHECK(at && !strcmp(at, "read me"), "map for reading");
	CHECK(write_faults(at), "a store goes through");
	CHECK(mprotect(at, PAGE, PROT_READ | PROT_WRITE) || write_faults(at), "mprotect makes it writable");
	CHECK(copy_status(tab, 1, ref, 0, 8, local) == GNTST_okay && !strcmp(local, "read me"), "copy out of it");
	out.source.virt = local;
	out.dest.foreign.ref = ref;
	out.dest.foreign.domid = 1;
	CHECK(!xen.xengnttab_grant_copy(tab, 1, &out) && out.status == -1, "copy into it: status %d", out.status);
	CHECK(!xen.xengnttab_unmap(tab, at, 1), "unmap");
	xen.xengnttab_close(tab);
	meet(fd);
}

int main(void)
{
	xengntshr_handle *shr;
	struct peer peer;
	uint32_t ref;
	char *page;

	test_begin(20);
	spawn(&peer, 2, mapper);
	be_domain(1);
	shr = xen.xengntshr_open(NULL, 0);
	page = xen.xengntshr_share_pages(shr, 2, 1, &ref, 0);
	CHECK(page, "share");
	strcpy(page, "read me");
	say(peer.fd, &ref, sizeof ref);
	meet(peer.fd);
	CHECK(!strcmp(page, "read me"), "unchanged");
	finish(&peer);
	xen.xengntshr_close(shr);
	return 0;
}
