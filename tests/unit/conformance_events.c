/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Event channels: who may bind, the binder's one spurious event, masked until unmask, both directions, after the end. */
#include "conformance.h"

enum { SOON_MS = 3000, NEVER_MS = 150 };

static bool takes_event(xenevtchn_handle *evtchn, int port)
{
	return event_comes(evtchn, SOON_MS) && xen.xenevtchn_pending(evtchn) == port &&
	       !xen.xenevtchn_unmask(evtchn, (evtchn_port_t)port);
}

static void granter(int fd)
{
	xenevtchn_handle *evtchn = xen.xenevtchn_open(NULL, 0);
	uint32_t ports[2];
	int port;

	CHECK(evtchn, "open");
	ports[0] = (uint32_t)(port = xen.xenevtchn_bind_unbound_port(evtchn, peer_domain));
	ports[1] = (uint32_t)xen.xenevtchn_bind_unbound_port(evtchn, ABSENT_DOMAIN);
	CHECK(port > 0, "offer a port");
	CHECK(!xen.xenevtchn_notify(evtchn, ports[0]), "nobody is there yet: no error");
	CHECK(xen.xenevtchn_notify(evtchn, 900) == -1 && errno == ENOTCONN, "not a port of ours");
	CHECK(xen.xenevtchn_unbind(evtchn, 900) == -1 && errno == ENOTCONN, "not a port of ours");
	say(fd, ports, sizeof ports);
	meet(fd); /* bound */
	CHECK(!event_comes(evtchn, NEVER_MS), "nothing for the side that offered");
	meet(fd);
	meet(fd); /* three are sent */
	CHECK(takes_event(evtchn, port), "it comes");
	while (event_comes(evtchn, NEVER_MS))
		CHECK(takes_event(evtchn, port), "the same port again");
	meet(fd);
	meet(fd); /* one more, then one while it is masked */
	CHECK(event_comes(evtchn, SOON_MS) && xen.xenevtchn_pending(evtchn) == port, "it comes");
	meet(fd);
	meet(fd);
	CHECK(!event_comes(evtchn, NEVER_MS), "masked until unmask");
	CHECK(!xen.xenevtchn_unmask(evtchn, (evtchn_port_t)port) && takes_event(evtchn, port), "kept meanwhile");
	CHECK(!event_comes(evtchn, NEVER_MS), "but once");
	CHECK(!xen.xenevtchn_notify(evtchn, (evtchn_port_t)port), "the other direction");
	meet(fd);
	meet(fd); /* the peer has unbound */
	CHECK(!xen.xenevtchn_notify(evtchn, (evtchn_port_t)port), "to a side that has unbound: no error");
	xen.xenevtchn_close(evtchn);
}

static void mapper(int fd)
{
	xenevtchn_handle *evtchn = xen.xenevtchn_open(NULL, 0);
	uint32_t ports[2];
	int port;

	hear(fd, ports, sizeof ports);
	CHECK(xen.xenevtchn_bind_interdomain(evtchn, ABSENT_DOMAIN, ports[0]) == -1 && errno == ESRCH, "no such domain");
	if ((int)ports[1] > 0)
		CHECK(xen.xenevtchn_bind_interdomain(evtchn, peer_domain, ports[1]) == -1 && errno == EINVAL,
		      "offered to another domain");
	port = xen.xenevtchn_bind_interdomain(evtchn, peer_domain, ports[0]);
	CHECK(port > 0, "bind");
	CHECK(takes_event(evtchn, port), "one spurious event for the side that binds");
	CHECK(!event_comes(evtchn, NEVER_MS), "but only one");
	CHECK(xen.xenevtchn_bind_interdomain(evtchn, peer_domain, ports[0]) == -1 && errno == EINVAL, "it is bound already");
	meet(fd);
	meet(fd);
	for (int i = 0; i < 3; i++)
		CHECK(!xen.xenevtchn_notify(evtchn, (evtchn_port_t)port), "notify");
	meet(fd);
	meet(fd);
	CHECK(!xen.xenevtchn_notify(evtchn, (evtchn_port_t)port), "notify");
	meet(fd);
	meet(fd);
	CHECK(!xen.xenevtchn_notify(evtchn, (evtchn_port_t)port), "notify while it is masked there");
	meet(fd);
	CHECK(takes_event(evtchn, port), "the other direction");
	meet(fd);
	CHECK(!xen.xenevtchn_unbind(evtchn, (evtchn_port_t)port), "unbind");
	CHECK(xen.xenevtchn_notify(evtchn, (evtchn_port_t)port) == -1 && errno == ENOTCONN, "unbound");
	meet(fd);
	xen.xenevtchn_close(evtchn);
}

int main(void)
{
	return conformance(20, granter, mapper);
}
