/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * kill -9 of a granter: what is mapped stays readable, its unmap-notify byte goes 0 and the event fires, exactly once
 * though several peers watch; notify to the dead is 0; its references are refused from then on.
 */
#include "xenemu_load.h"

struct message {
	uint32_t page, notify_page, port;
};

static void granter(int fd)
{
	xengntshr_handle *shr = xen.xengntshr_open(NULL, 0);
	xenevtchn_handle *evtchn = xen.xenevtchn_open(NULL, 0);
	struct message message = {.port = (uint32_t)xen.xenevtchn_bind_unbound_port(evtchn, 2)};
	char *page = xen.xengntshr_share_pages(shr, 2, 1, &message.page, 1);
	char *notify_page = xen.xengntshr_share_page_notify(shr, 2, &message.notify_page, 0, 8, message.port);

	CHECK(page && notify_page, "share");
	strcpy(page, "still here");
	memset(notify_page, 'A', 16);
	say(fd, &message, sizeof message);
	pause();
}

static void second_watcher(int fd)
{
	xengnttab_handle *tab = xen.xengnttab_open(NULL, 0);
	struct message message;
	volatile char *notify;

	hear(fd, &message, sizeof message);
	notify = xen.xengnttab_map_grant_ref(tab, 1, message.notify_page, PROT_READ);
	CHECK(notify && notify[8] == 'A', "map");
	meet(fd);
	CHECK(becomes(&notify[8], 0, 3000), "the second watcher sees it too");
	meet(fd);
	xen.xengnttab_close(tab);
}

static void drain(xenevtchn_handle *evtchn)
{
	while (event_comes(evtchn, 50))
		xen.xenevtchn_unmask(evtchn, (evtchn_port_t)xen.xenevtchn_pending(evtchn));
}

int main(void)
{
	struct peer dying, second;
	struct message message;
	xengnttab_handle *tab;
	xenevtchn_handle *evtchn;
	volatile char *page, *notify;
	int port, events = 0;

	test_begin(20);
	spawn(&dying, 1, granter);
	spawn(&second, 2, second_watcher);
	be_domain(2);
	tab = xen.xengnttab_open(NULL, 0);
	evtchn = xen.xenevtchn_open(NULL, 0);
	hear(dying.fd, &message, sizeof message);
	port = xen.xenevtchn_bind_interdomain(evtchn, 1, message.port);
	page = xen.xengnttab_map_grant_ref(tab, 1, message.page, PROT_READ | PROT_WRITE);
	notify = xen.xengnttab_map_grant_ref(tab, 1, message.notify_page, PROT_READ);
	CHECK(port > 0 && page && notify, "bind and map");
	say(second.fd, &message, sizeof message);
	meet(second.fd);
	drain(evtchn);
	CHECK(notify[8] == 'A', "not yet");

	kill_peer(&dying);
	CHECK(becomes(&notify[8], 0, 3000), "the notify byte goes 0, through a read-only mapping");
	CHECK(notify[7] == 'A' && notify[9] == 'A', "only that byte");
	while (event_comes(evtchn, events ? 200 : 3000)) {
		CHECK(xen.xenevtchn_pending(evtchn) == port, "which port");
		xen.xenevtchn_unmask(evtchn, (evtchn_port_t)port);
		events++;
	}
	CHECK(events == 1, "%d events", events);
	CHECK(!strcmp((const char *)page, "still here"), "content stays");
	page[0] = 'S';
	CHECK(!xen.xenevtchn_notify(evtchn, (evtchn_port_t)port), "notify to the dead");
	CHECK(!xen.xengnttab_map_grant_ref(tab, 1, message.page, PROT_READ) && errno == EINVAL, "no new mapping");
	meet(second.fd);
	finish(&second);
	xen.xenevtchn_close(evtchn);
	xen.xengnttab_close(tab);
	return 0;
}
