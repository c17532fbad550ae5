/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Event channels: binding, the one spurious event, masking until unmask, coalescing, and every refusal. */
#include "xenemu_load.h"

static void binder(int fd)
{
	xenevtchn_handle *evtchn = xen.xenevtchn_open(NULL, 0);
	uint32_t port;
	int local;

	hear(fd, &port, sizeof port);
	CHECK(xen.xenevtchn_bind_interdomain(evtchn, 1, port + 50) == -1 && errno == EINVAL, "no such remote port");
	CHECK(xen.xenevtchn_bind_interdomain(evtchn, 77, port) == -1 && errno == ESRCH, "no such domain");
	local = xen.xenevtchn_bind_interdomain(evtchn, 1, port);
	CHECK(local > 0, "bind");
	CHECK(event_comes(evtchn, 1000) && xen.xenevtchn_pending(evtchn) == local, "one spurious event for the binder");
	CHECK(!xen.xenevtchn_unmask(evtchn, (evtchn_port_t)local), "unmask");
	CHECK(!event_comes(evtchn, 50), "but only one");
	CHECK(xen.xenevtchn_bind_interdomain(evtchn, 1, port) == -1 && errno == EINVAL, "it is bound already");
	meet(fd);
	meet(fd); /* meanwhile: no event there */
	for (int i = 0; i < 3; i++)
		CHECK(!xen.xenevtchn_notify(evtchn, (evtchn_port_t)local), "notify");
	meet(fd); /* three before pending are one */
	meet(fd);
	CHECK(!xen.xenevtchn_notify(evtchn, (evtchn_port_t)local), "notify while masked");
	meet(fd);
	CHECK(event_comes(evtchn, 1000) && xen.xenevtchn_pending(evtchn) == local, "the other direction");
	CHECK(!xen.xenevtchn_unmask(evtchn, (evtchn_port_t)local), "unmask");
	CHECK(!xen.xenevtchn_unbind(evtchn, (evtchn_port_t)local), "unbind");
	CHECK(xen.xenevtchn_notify(evtchn, (evtchn_port_t)local) == -1 && errno == ENOTCONN, "unbound");
	meet(fd);
	xen.xenevtchn_close(evtchn);
}

static void stranger(int fd)
{
	xenevtchn_handle *evtchn = xen.xenevtchn_open(NULL, 0);
	uint32_t port;

	hear(fd, &port, sizeof port);
	CHECK(xen.xenevtchn_bind_interdomain(evtchn, 1, port) == -1 && errno == EINVAL, "offered to another domain");
	CHECK(!xen.xenevtchn_restrict(evtchn, 5), "restrict");
	CHECK(xen.xenevtchn_bind_unbound_port(evtchn, 1) == -1 && errno == EACCES, "restricted to another domain");
	CHECK(xen.xenevtchn_bind_unbound_port(evtchn, 5) > 0, "restricted to this");
	xen.xenevtchn_close(evtchn);
}

static void check_refusals(xenevtchn_handle *evtchn)
{
	CHECK(!xen.xenevtchn_open(NULL, 1u << 7) && errno == EINVAL, "unknown flags");
	CHECK(!xen.xenevtchn_fdopen(NULL, 0, 0) && errno == EOPNOTSUPP, "fdopen");
	CHECK(xen.xenevtchn_bind_virq(evtchn, 0) == -1 && errno == EOPNOTSUPP, "bind_virq");
	CHECK(xen.xenevtchn_notify(evtchn, 3000) == -1 && errno == ENOTCONN, "not a port");
	CHECK(xen.xenevtchn_unbind(evtchn, 3000) == -1 && errno == ENOTCONN, "not a port");
	CHECK(xen.xenevtchn_unbind(evtchn, 1u << 30) == -1 && errno == EINVAL, "no such number");
	fcntl(xen.xenevtchn_fd(evtchn), F_SETFL, O_NONBLOCK);
	CHECK(xen.xenevtchn_pending(evtchn) == -1 && errno == EAGAIN, "nothing is pending");
}

int main(void)
{
	xenevtchn_handle *evtchn;
	struct peer peer, other;
	uint32_t port;

	test_begin(20);
	spawn(&peer, 2, binder);
	spawn(&other, 3, stranger);
	be_domain(1);
	evtchn = xen.xenevtchn_open(NULL, 0);
	port = (uint32_t)xen.xenevtchn_bind_unbound_port(evtchn, 2);
	CHECK((int)port > 0, "bind");
	CHECK(!xen.xenevtchn_notify(evtchn, port), "nobody is there yet");
	say(other.fd, &port, sizeof port);
	finish(&other);
	say(peer.fd, &port, sizeof port);
	meet(peer.fd);
	CHECK(!event_comes(evtchn, 50), "nothing for the side that waited");
	check_refusals(evtchn);
	meet(peer.fd);

	meet(peer.fd);
	CHECK(event_comes(evtchn, 1000) && xen.xenevtchn_pending(evtchn) == (int)port, "it comes");
	CHECK(!event_comes(evtchn, 50), "three before pending are one");
	meet(peer.fd);
	meet(peer.fd);
	CHECK(!event_comes(evtchn, 50), "masked until unmask");
	CHECK(!xen.xenevtchn_unmask(evtchn, port), "unmask");
	CHECK(event_comes(evtchn, 1000) && xen.xenevtchn_pending(evtchn) == (int)port, "kept while masked");
	CHECK(!xen.xenevtchn_unmask(evtchn, port), "unmask");
	CHECK(!event_comes(evtchn, 50), "but once");
	CHECK(!xen.xenevtchn_notify(evtchn, port), "back");
	meet(peer.fd);
	CHECK(!xen.xenevtchn_notify(evtchn, port), "to a side that has unbound");
	finish(&peer);
	xen.xenevtchn_close(evtchn);
	return 0;
}
