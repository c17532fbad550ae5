/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A forked child does its parent no harm: it shares gntalloc pages, has no gntdev mapping, can only close what it
 * inherited, and may open anew. Descriptors do not survive exec.
 */
#include <setjmp.h>

#include "xenemu_load.h"

static sigjmp_buf after_fault;
static xengntshr_handle *shr;
static xengnttab_handle *tab;
static xenevtchn_handle *evtchn;
static char *shared, *mapped, *run;

static void on_fault(int signal_number)
{
	siglongjmp(after_fault, signal_number);
}

static bool read_faults(volatile const char *at)
{
	if (sigsetjmp(after_fault, 1))
		return true;
	(void)*at;
	return false;
}

static void inherit(int fd)
{
	uint32_t ref;

	signal(SIGSEGV, on_fault);
	signal(SIGBUS, on_fault);
	(void)fd;
	CHECK(!strcmp(shared, "parent") && !strcmp(run, "run"), "gntalloc pages are shared");
	strcpy(shared, "child");
	CHECK(read_faults(mapped), "gntdev mappings are lost");
	errno = 0;
	CHECK(!xen.xengntshr_share_pages(shr, 1, 1, &ref, 1) && errno, "an inherited handle is of no use");
	CHECK(xen.xengntshr_unshare(shr, shared, 1) == -1, "an inherited handle is of no use");
	CHECK(!xen.xengntshr_close(shr) && !xen.xengnttab_close(tab) && !xen.xenevtchn_close(evtchn), "close");
}

static void inherit_and_leave(int fd)
{
	(void)fd;
	CHECK(!strcmp(shared, "child"), "shared");
}

static void open_anew(int fd)
{
	xengntshr_handle *own = xen.xengntshr_open(NULL, 0);
	uint32_t ref;

	(void)fd;
	CHECK(own && xen.xengntshr_share_pages(own, 1, 1, &ref, 1), "a handle of its own");
	CHECK(!xen.xengntshr_share_pages(shr, 1, 1, &ref, 1), "the inherited one is still of no use");
	xen.xengntshr_close(own);
}

static void crash(int fd)
{
	(void)fd;
	kill(getpid(), SIGKILL);
}

static void in_a_child(void (*work)(int fd), bool crashes)
{
	struct peer child;

	spawn(&child, 2, work);
	if (crashes)
		kill_peer(&child);
	else
		finish(&child);
}

/* /proc/self/fd of an exec'ed program: nothing of ours. */
static void check_exec(void)
{
	char line[512];
	FILE *listing = popen("ls -l /proc/self/fd", "r");

	while (fgets(line, sizeof line, listing))
		CHECK(!strstr(line, "xenemu") && !strstr(line, "anon_inode:[eventfd]"), "survives exec: %s", line);
	pclose(listing);
}

int main(void)
{
	uint32_t ref, refs[2];
	uint64_t index;
	char *again;
	int port;

	test_begin(20);
	be_domain(1);
	shr = xen.xengntshr_open(NULL, 0);
	tab = xen.xengnttab_open(NULL, 0);
	evtchn = xen.xenevtchn_open(NULL, 0);
	shared = xen.xengntshr_share_pages(shr, 1, 1, &ref, 1);
	CHECK(!alloc_run(shr, 1, true, 2, refs, &index), "alloc");
	run = map_run(shr, index, 2);
	port = xen.xenevtchn_bind_unbound_port(evtchn, 1);
	strcpy(shared, "parent");
	strcpy(run, "run");
	mapped = xen.xengnttab_map_grant_ref(tab, 1, ref, PROT_READ);
	CHECK(mapped && port > 0, "map, bind");

	in_a_child(inherit, false);
	CHECK(!strcmp(mapped, "child"), "what the child wrote");
	in_a_child(inherit_and_leave, false);
	in_a_child(open_anew, false);
	in_a_child(crash, true);
	be_domain(1);
	check_exec();

	CHECK(registry_exists(), "a child removed the registry");
	again = xen.xengnttab_map_grant_ref(tab, 1, ref, PROT_READ | PROT_WRITE);
	CHECK(again && !strcmp(again, "child"), "the grant stands");
	again = xen.xengnttab_map_domain_grant_refs(tab, 2, 1, refs, PROT_READ);
	CHECK(again && !strcmp(again, "run"), "the run stands");
	CHECK(!xen.xenevtchn_notify(evtchn, (evtchn_port_t)port), "the port stands");
	CHECK(!dealloc_run(shr, index, 2), "dealloc");
	xen.xenevtchn_close(evtchn);
	xen.xengnttab_close(tab);
	xen.xengntshr_close(shr);
	CHECK(!registry_exists(), "removed by the parent");
	return 0;
}
