/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* After kill -9 of everybody the registry file is left; the next start sweeps it. The last one to leave removes it. */
#include "xenemu_load.h"

static void hog(int fd)
{
	xengntshr_handle *shr = xen.xengntshr_open(NULL, 0);
	uint32_t refs[1024];
	uint64_t index;

	CHECK(!alloc_run(shr, 2, true, 1024, refs, &index), "the whole limit");
	meet(fd);
	pause();
}

static void leaves_in_order(int fd)
{
	xengnttab_handle *tab = xen.xengnttab_open(NULL, 0);

	CHECK(tab, "open");
	meet(fd);
	meet(fd);
	xen.xengnttab_close(tab);
}

static void leaves_by_exit(int fd)
{
	static xengntshr_handle *volatile shr; /* never closed */
	static xenevtchn_handle *volatile evtchn;

	shr = xen.xengntshr_open(NULL, 0);
	evtchn = xen.xenevtchn_open(NULL, 0);
	CHECK(shr && evtchn, "open");
	meet(fd);
	meet(fd);
}

int main(void)
{
	struct peer one, two;

	test_begin(20);
	spawn(&one, 1, hog);
	meet(one.fd);
	kill_peer(&one);
	CHECK(registry_exists(), "nobody was left to remove it");
	spawn(&one, 1, hog); /* the limit is free again */
	meet(one.fd);
	CHECK(registry_exists(), "in use");

	/* a survivor in another domain: now the dead one is swept out of a file that stays */
	spawn(&two, 2, leaves_in_order);
	meet(two.fd);
	kill_peer(&one);
	spawn(&one, 1, hog);
	meet(one.fd);
	kill_peer(&one);

	spawn(&one, 3, leaves_by_exit);
	meet(one.fd);
	meet(two.fd);
	finish(&two);
	CHECK(registry_exists(), "one is left");
	meet(one.fd);
	finish(&one);
	CHECK(!registry_exists(), "the last one has left");
	return 0;
}
