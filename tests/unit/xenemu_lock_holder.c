/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kill -9 at any moment, amid any change of the registry, neither blocks nor corrupts the others. */
#include "xenemu_load.h"

enum { ROUNDS = 60 };

static void busy(int fd)
{
	xengntshr_handle *shr = xen.xengntshr_open(NULL, 0);
	xengnttab_handle *tab = xen.xengnttab_open(NULL, 0);
	xenevtchn_handle *evtchn = xen.xenevtchn_open(NULL, 0);
	uint32_t refs[40];
	uint64_t index;
	void *at;
	int port;

	meet(fd);
	for (;;) {
		port = xen.xenevtchn_bind_unbound_port(evtchn, 1);
		CHECK(port > 0, "bind");
		CHECK(!alloc_run(shr, 2, true, 40, refs, &index), "alloc");
		at = xen.xengnttab_map_domain_grant_refs(tab, 40, 2, refs, PROT_READ);
		CHECK(at, "map");
		CHECK(!xen.xengnttab_unmap(tab, at, 40), "unmap");
		CHECK(!dealloc_run(shr, index, 40), "dealloc");
		CHECK(!xen.xenevtchn_unbind(evtchn, (evtchn_port_t)port), "unbind");
	}
}

int main(void)
{
	struct peer one, two;
	xengntshr_handle *shr;
	uint32_t refs[1024];
	uint64_t index;

	test_begin(60);
	be_domain(2);
	shr = xen.xengntshr_open(NULL, 0);
	CHECK(shr, "open");
	spawn(&two, 2, busy);
	meet(two.fd);
	for (int round = 0; round < ROUNDS; round++) {
		spawn(&one, 2, busy);
		meet(one.fd);
		usleep((useconds_t)(1000 + round * 37 % 3000));
		kill_peer(&one);
	}
	CHECK(waitpid(two.pid, NULL, WNOHANG) == 0, "the other one was disturbed");
	kill_peer(&two);
	be_domain(2);
	spawn(&one, 2, busy); /* its start sweeps the dead */
	meet(one.fd);
	kill_peer(&one);
	xen.xengntshr_close(shr);
	shr = xen.xengntshr_open(NULL, 0);
	CHECK(!alloc_run(shr, 1, true, 1024, refs, &index), "not one page was lost");
	for (int i = 0; i < 1024; i++)
		for (int j = 0; j < i; j++)
			CHECK(refs[i] != refs[j], "reference %u twice", refs[i]);
	xen.xengntshr_close(shr);
	return 0;
}
