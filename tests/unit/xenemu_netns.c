/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Domains in different network namespaces reach each other all the same: grants, events, and the news of a death. */
#define _GNU_SOURCE 1
#include <sched.h>

#include "xenemu_load.h"

static void granter(int fd)
{
	xengntshr_handle *shr;
	xenevtchn_handle *evtchn;
	uint32_t ref, port;
	char refused = unshare(CLONE_NEWNET) != 0, *page;

	say(fd, &refused, 1);
	if (refused)
		exit(0);
	shr = xen.xengntshr_open(NULL, 0);
	evtchn = xen.xenevtchn_open(NULL, 0);
	port = (uint32_t)xen.xenevtchn_bind_unbound_port(evtchn, 2);
	page = xen.xengntshr_share_page_notify(shr, 2, &ref, 0, 0, port);
	page[0] = 'n';
	say(fd, &ref, sizeof ref);
	say(fd, &port, sizeof port);
	pause();
}

int main(void)
{
	xengnttab_handle *tab;
	xenevtchn_handle *evtchn;
	uint32_t ref, port;
	volatile char *page;
	struct peer peer;
	char refused;
	int local;

	test_begin(20);
	spawn(&peer, 1, granter);
	hear(peer.fd, &refused, 1);
	if (refused)
		skip("no right to make a network namespace");
	be_domain(2);
	hear(peer.fd, &ref, sizeof ref);
	hear(peer.fd, &port, sizeof port);
	tab = xen.xengnttab_open(NULL, 0);
	evtchn = xen.xenevtchn_open(NULL, 0);
	local = xen.xenevtchn_bind_interdomain(evtchn, 1, port);
	page = xen.xengnttab_map_grant_ref(tab, 1, ref, PROT_READ);
	CHECK(local > 0 && page && page[0] == 'n', "bind and map");
	CHECK(xen.xenevtchn_pending(evtchn) == local && !xen.xenevtchn_unmask(evtchn, (evtchn_port_t)local), "spurious");
	kill_peer(&peer);
	CHECK(becomes(page, 0, 3000) && event_comes(evtchn, 3000), "the news");
	xen.xenevtchn_close(evtchn);
	xen.xengnttab_close(tab);
	return 0;
}
