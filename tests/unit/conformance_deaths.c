/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A granter that is killed: what is mapped stays readable, its unmap-notify byte goes 0, the event fires, and once it is
 * unmapped its references are refused and its pages are the domain's again. A mapper that is killed: its notify byte in
 * the granter's page goes 0.
 */
#include "conformance.h"

enum { PAGES = 35, SOON_MS = 12000 };

struct offer {
	uint32_t refs[PAGES];
	uint32_t watched; /* byte 10 of it goes 0 at the granter's death */
	uint32_t port;
};

static int set_notify(xengntshr_handle *shr, uint64_t at, uint32_t action, uint32_t port)
{
	struct ioctl_gntalloc_unmap_notify op = {.index = at, .action = action, .event_channel_port = port};

	return xen.xenemu_gntalloc_ioctl(xen.xengntshr_fd(shr), IOCTL_GNTALLOC_SET_UNMAP_NOTIFY, &op) ? errno : 0;
}

/* Runs beside the granter; is killed. */
static void victim(int fd)
{
	xengntshr_handle *shr = xen.xengntshr_open(NULL, 0);
	xenevtchn_handle *evtchn = xen.xenevtchn_open(NULL, 0);
	uint64_t run_index, watched_index;
	struct offer offer;
	char *watched;

	CHECK(!alloc_run(shr, peer_domain, false, PAGES, offer.refs, &run_index), "alloc");
	CHECK(!alloc_run(shr, peer_domain, true, 1, &offer.watched, &watched_index), "alloc");
	offer.port = (uint32_t)xen.xenevtchn_bind_unbound_port(evtchn, peer_domain);
	CHECK((int)offer.port > 0, "offer a port");
	CHECK(!set_notify(shr, watched_index + 10, UNMAP_NOTIFY_CLEAR_BYTE | UNMAP_NOTIFY_SEND_EVENT, offer.port), "arm");
	memset(map_run(shr, run_index, PAGES), 'V', PAGES * PAGE);
	watched = map_run(shr, watched_index, 1);
	memset(watched, 'W', PAGE);
	say(fd, &offer, sizeof offer);
	for (;;)
		pause();
}

static void check_mapper_dies(int fd)
{
	xengntshr_handle *shr = xen.xengntshr_open(NULL, 0);
	uint64_t index;
	uint32_t ref;
	char *page;

	CHECK(!alloc_run(shr, peer_domain, true, 1, &ref, &index), "alloc");
	page = map_run(shr, index, 1);
	memset(page, 'G', PAGE);
	say(fd, &ref, sizeof ref);
	meet(fd); /* mapped there, and killed */
	CHECK(becomes(page + 20, 0, SOON_MS), "a killed mapper's notify byte goes 0");
	CHECK(page[19] == 'G' && page[21] == 'G', "only that byte");
	munmap(page, PAGE);
	xen.xengntshr_close(shr);
}

static void granter(int fd)
{
	uint32_t limit = limit_pages();
	struct offer offer;
	struct peer dying;

	spawn_beside(&dying, victim);
	hear(dying.fd, &offer, sizeof offer);
	CHECK(!room_for(limit - PAGES) && room_for(limit - PAGES - 1), "its pages count in the domain's limit");
	say(fd, &offer, sizeof offer);
	meet(fd);
	kill_peer(&dying);
	meet(fd);
	meet(fd); /* the peer has unmapped */
	CHECK(room_for(limit), "the killed granter's pages count no more");
	check_mapper_dies(fd);
}

/* On real Xen it takes a while: Linux gives back 10 such pages a second. */
static void check_gone(xengnttab_handle *tab, const struct offer *offer)
{
	struct timespec start, end;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (int i = 0; i < PAGES; i++)
		CHECK(is_refused_soon(tab, offer->refs[i], SOON_MS), "page %d is granted still", i);
	CHECK(is_refused_soon(tab, offer->watched, SOON_MS), "the watched page is granted still");
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("%d pages of the killed granter were gone after %ld ms\n", PAGES + 1,
	       (end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000);
}

static void check_granter_dies(int fd)
{
	xengnttab_handle *tab = xen.xengnttab_open(NULL, 0);
	xenevtchn_handle *evtchn = xen.xenevtchn_open(NULL, 0);
	volatile char *run, *watched;
	struct offer offer;
	int port;

	hear(fd, &offer, sizeof offer);
	port = xen.xenevtchn_bind_interdomain(evtchn, peer_domain, offer.port);
	run = map_refs(tab, PAGES, offer.refs, false);
	watched = map_refs(tab, 1, &offer.watched, false);
	CHECK(port > 0 && run && watched && run[0] == 'V', "bind and map");
	while (event_comes(evtchn, 100))
		xen.xenevtchn_unmask(evtchn, (evtchn_port_t)xen.xenevtchn_pending(evtchn));
	CHECK(watched[10] == 'W', "not yet");
	meet(fd);
	meet(fd); /* killed */
	CHECK(becomes(&watched[10], 0, SOON_MS), "the notify byte goes 0, through a read-only mapping");
	CHECK(watched[9] == 'W' && watched[11] == 'W', "only that byte");
	CHECK(event_comes(evtchn, SOON_MS) && xen.xenevtchn_pending(evtchn) == port, "the event fires");
	for (size_t i = 0; i < PAGES * PAGE; i += PAGE)
		CHECK(run[i] == 'V' && run[i + PAGE - 1] == 'V', "the content stays: page %zu", i / PAGE);
	CHECK(!xen.xenevtchn_notify(evtchn, (evtchn_port_t)port), "to the dead: no error");
	CHECK(!xen.xengnttab_unmap(tab, (void *)run, PAGES) && !xen.xengnttab_unmap(tab, (void *)watched, 1), "unmap");
	check_gone(tab, &offer);
	meet(fd);
	xen.xenevtchn_close(evtchn);
	xen.xengnttab_close(tab);
}

static void dying_mapper(int fd)
{
	xengnttab_handle *tab = xen.xengnttab_open(NULL, 0);
	uint32_t ref;
	char *page;

	hear(fd, &ref, sizeof ref);
	page = xen.xengnttab_map_grant_ref_notify(tab, peer_domain, ref, PROT_READ | PROT_WRITE, 20, NONE);
	CHECK(page && page[20] == 'G', "map");
	meet(fd);
	for (;;)
		pause();
}

static void mapper(int fd)
{
	struct peer dying;
	uint32_t ref;

	check_granter_dies(fd);
	spawn_beside(&dying, dying_mapper);
	hear(fd, &ref, sizeof ref);
	say(dying.fd, &ref, sizeof ref);
	meet(dying.fd);
	kill_peer(&dying);
	meet(fd);
}

int main(void)
{
	return conformance(25, granter, mapper);
}
