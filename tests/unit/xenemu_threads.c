/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Threads of one process share its handles, open and close their own, and fork meanwhile; nothing is lost. */
#include <pthread.h>

#include "xenemu_load.h"

enum { THREADS = 4, ROUNDS = 150, PAGES = 16 };

static xengntshr_handle *shr;
static xengnttab_handle *tab;

static void one_round(int round)
{
	xenevtchn_handle *evtchn = xen.xenevtchn_open(NULL, 0);
	int port = xen.xenevtchn_bind_unbound_port(evtchn, 1);
	uint32_t refs[PAGES];
	uint64_t index;
	char *run, *at;

	CHECK(port > 0, "bind");
	CHECK(!alloc_run(shr, 1, true, PAGES, refs, &index), "alloc");
	run = map_run(shr, index, PAGES);
	memset(run, round, PAGES * PAGE);
	at = xen.xengnttab_map_domain_grant_refs(tab, PAGES, 1, refs, PROT_READ);
	CHECK(at && at[0] == (char)round && at[PAGES * PAGE - 1] == (char)round, "map");
	CHECK(!xen.xengnttab_unmap(tab, at, PAGES), "unmap");
	CHECK(!munmap(run, PAGES * PAGE), "munmap");
	CHECK(!dealloc_run(shr, index, PAGES), "dealloc");
	CHECK(!xen.xenevtchn_close(evtchn), "close");
}

static void *work(void *unused)
{
	for (int round = 0; round < ROUNDS; round++)
		one_round(round);
	return unused;
}

static void child(int fd)
{
	(void)fd;
	xen.xengntshr_close(shr);
	_exit(0);
}

int main(void)
{
	pthread_t threads[THREADS];
	struct peer peer;
	uint32_t refs[1024];
	uint64_t index;

	test_begin(60);
	be_domain(1);
	shr = xen.xengntshr_open(NULL, 0);
	tab = xen.xengnttab_open(NULL, 0);
	for (int i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&threads[i], NULL, work, NULL), "thread");
	for (int i = 0; i < 20; i++) {
		spawn(&peer, 1, child);
		finish(&peer);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	CHECK(!alloc_run(shr, 1, true, 1024, refs, &index), "all of the limit is free");
	xen.xengnttab_close(tab);
	xen.xengntshr_close(shr);
	CHECK(!registry_exists(), "removed");
	return 0;
}
