/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SET_UNMAP_NOTIFY on a run fires at dealloc once no local mapping is left, or at exit; not if it was taken back. */
#include "xenemu_load.h"

static int set_notify(xengntshr_handle *shr, uint64_t index, uint32_t action, uint32_t port)
{
	struct ioctl_gntalloc_unmap_notify op = {.index = index, .action = action, .event_channel_port = port};

	return xen.xenemu_gntalloc_ioctl(xen.xengntshr_fd(shr), IOCTL_GNTALLOC_SET_UNMAP_NOTIFY, &op) ? errno : 0;
}

static void granter(int fd)
{
	xengntshr_handle *shr = xen.xengntshr_open(NULL, 0);
	uint32_t refs[3];
	uint64_t index;
	char *run;

	CHECK(!alloc_run(shr, 2, true, 3, refs, &index), "alloc");
	CHECK(set_notify(shr, index + 3 * PAGE, UNMAP_NOTIFY_CLEAR_BYTE, 0) == ENOENT, "no such page");
	CHECK(set_notify(shr, index, 8, 0) == EINVAL, "no such action");
	CHECK(set_notify(shr, index, UNMAP_NOTIFY_SEND_EVENT, 5) == EINVAL, "no such port");
	for (uint32_t i = 0; i < 3; i++)
		CHECK(!set_notify(shr, index + i * PAGE + 10, UNMAP_NOTIFY_CLEAR_BYTE, 0), "arm");
	CHECK(!set_notify(shr, index + PAGE, 0, 0), "take the second back");
	run = map_run(shr, index, 3);
	memset(run, 'N', 3 * PAGE);
	say(fd, refs, sizeof refs);
	meet(fd);
	CHECK(!dealloc_run(shr, index, 1), "dealloc while mapped here");
	usleep(50000);
	CHECK(run[10] == 'N', "a page that is mapped here is not gone");
	munmap(run, 3 * PAGE);
	CHECK(!dealloc_run(shr, index + PAGE, 1), "dealloc, with no mapping");
	meet(fd);
	meet(fd);
	CHECK(!alloc_run(shr, 2, true, 1, refs, &index), "looks at what was deallocated once more");
	meet(fd);
	meet(fd); /* the third: at exit */
}

int main(void)
{
	xengnttab_handle *tab;
	struct peer peer;
	uint32_t refs[3];
	volatile char *at;

	test_begin(20);
	spawn(&peer, 1, granter);
	be_domain(2);
	tab = xen.xengnttab_open(NULL, 0);
	hear(peer.fd, refs, sizeof refs);
	at = xen.xengnttab_map_domain_grant_refs(tab, 3, 1, refs, PROT_READ | PROT_WRITE);
	CHECK(at, "map");
	meet(peer.fd);
	meet(peer.fd);
	CHECK(becomes(&at[10], 0, 1000), "deallocated and not mapped there any more");
	CHECK(at[PAGE + 10] == 'N', "taken back");
	at[10] = 'X';
	meet(peer.fd);
	meet(peer.fd);
	CHECK(at[10] == 'X', "it fires once");
	CHECK(at[2 * PAGE + 10] == 'N', "not yet");
	meet(peer.fd);
	finish(&peer);
	CHECK(becomes(&at[2 * PAGE + 10], 0, 1000), "at exit");
	CHECK(at[PAGE + 10] == 'N' && at[PAGE] == 'N', "content stays");
	xen.xengnttab_close(tab);
	return 0;
}
