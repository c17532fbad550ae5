/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An event channel wakes the other domain's sleeper, both ways; without an event the wait ends in time. */
#include "xen_pair.h"

#define SECOND 1000000000ull
#define ROUNDS 200

/* Until nothing is pending: the binding side sees one spurious event. */
static void quiet(struct pair *pair)
{
	int rc;

	while ((rc = vmo_xen_port_wait(pair->xen, SECOND / 50)) == 1)
		;
	CHECK_RC(rc, 0);
}

static void ping_pong(struct pair *pair, uint32_t port, bool first)
{
	for (int i = 0; i < ROUNDS; i++) {
		if (first || i)
			CHECK_RC(vmo_xen_port_notify(pair->xen, port), 0);
		if (!first || i < ROUNDS - 1)
			CHECK_RC(vmo_xen_port_wait(pair->xen, 10 * SECOND), 1);
	}
	if (!first)
		CHECK_RC(vmo_xen_port_notify(pair->xen, port), 0);
	else
		CHECK_RC(vmo_xen_port_wait(pair->xen, 10 * SECOND), 1);
}

static void offerer(struct pair *pair)
{
	uint32_t port;
	uint64_t start = vmo_now_ns();

	CHECK_RC(vmo_xen_port_wait(pair->xen, SECOND / 20), 0);
	CHECK(vmo_now_ns() - start >= SECOND / 20);
	CHECK_RC(vmo_xen_port_offer(pair->xen, pair->peer, &port), 0);
	pair_tell(pair, &port, sizeof port);
	pair_meet(pair);
	quiet(pair);
	pair_meet(pair);
	ping_pong(pair, port, true);
	pair_meet(pair);
	CHECK_RC(vmo_xen_port_close(pair->xen, port), 0);
	CHECK(vmo_xen_port_notify(pair->xen, port) < 0);
	CHECK(vmo_xen_port_close(pair->xen, port) < 0);
}

static void binder(struct pair *pair)
{
	uint32_t remote, port = 777;

	pair_hear(pair, &remote, sizeof remote);
	CHECK(vmo_xen_port_bind(pair->xen, pair->peer, remote + 1000, &port) < 0);
	CHECK(port == 777);
	CHECK_RC(vmo_xen_port_bind(pair->xen, pair->peer, remote, &port), 0);
	pair_meet(pair);
	quiet(pair);
	pair_meet(pair);
	ping_pong(pair, port, false);
	pair_meet(pair);
}

int main(void)
{
	return pair_test(60, offerer, binder);
}
