/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The mapper's unmap-notify: at unmap, at close, at exit and at kill -9 the byte in the granter's page goes 0 and the
 * event fires; the mapping no longer counts, so unshare gives the reference back at once.
 */
#include "xenemu_load.h"

static const char *way;

static void mapper(int fd)
{
	xengnttab_handle *tab = xen.xengnttab_open(NULL, 0);
	xenevtchn_handle *evtchn = xen.xenevtchn_open(NULL, 0);
	uint32_t ref, port;
	char *page;
	int local;

	hear(fd, &ref, sizeof ref);
	hear(fd, &port, sizeof port);
	local = xen.xenevtchn_bind_interdomain(evtchn, 1, port);
	CHECK(local > 0, "bind");
	CHECK(!xen.xengnttab_map_grant_ref_notify(tab, 1, ref, PROT_READ, 4, NONE) && errno == EINVAL,
	      "a byte can't be cleared in a read-only mapping");
	CHECK(!xen.xengnttab_map_grant_ref_notify(tab, 1, ref, PROT_READ | PROT_WRITE, 4, 999) && errno == EINVAL,
	      "not a port of ours");
	page = xen.xengnttab_map_grant_ref_notify(tab, 1, ref, PROT_READ | PROT_WRITE, 4, (evtchn_port_t)local);
	CHECK(page && page[4] == 'B', "map");
	meet(fd);
	if (!strcmp(way, "kill"))
		kill(getpid(), SIGKILL);
	if (!strcmp(way, "unmap"))
		CHECK(!xen.xengnttab_unmap(tab, page, 1), "unmap");
	if (!strcmp(way, "close, the channel first"))
		xen.xenevtchn_close(evtchn);
	if (strcmp(way, "exit"))
		xen.xengnttab_close(tab);
	exit(0);
}

static void check_way(const char *name)
{
	struct peer peer;
	xengntshr_handle *shr;
	xenevtchn_handle *evtchn;
	uint32_t ref, again, port;
	char *page;

	way = name;
	spawn(&peer, 2, mapper);
	shr = xen.xengntshr_open(NULL, 0);
	evtchn = xen.xenevtchn_open(NULL, 0);
	page = xen.xengntshr_share_pages(shr, 2, 1, &ref, 1);
	port = (uint32_t)xen.xenevtchn_bind_unbound_port(evtchn, 2);
	memset(page, 'B', 16);
	say(peer.fd, &ref, sizeof ref);
	say(peer.fd, &port, sizeof port);
	meet(peer.fd);
	CHECK(becomes(page + 4, 0, 3000), "%s: the byte goes 0", way);
	CHECK(page[3] == 'B' && page[5] == 'B', "%s: only that byte", way);
	CHECK(event_comes(evtchn, 3000) && xen.xenevtchn_pending(evtchn) == (int)port, "%s: the event fires", way);
	waitpid(peer.pid, NULL, 0);
	close(peer.fd);
	CHECK(!xen.xengntshr_unshare(shr, page, 1), "unshare");
	page = xen.xengntshr_share_pages(shr, 2, 1, &again, 1);
	CHECK(page && again == ref, "%s: reference %u is free for use, not %u", way, ref, again);
	xen.xenevtchn_close(evtchn);
	xen.xengntshr_close(shr);
	CHECK(!registry_exists(), "%s: the registry is removed", way);
}

int main(void)
{
	test_begin(30);
	be_domain(1);
	check_way("unmap");
	check_way("close");
	check_way("close, the channel first");
	check_way("exit");
	check_way("kill");
	return 0;
}
