/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * conformance.h: one source of assertions about Xen's user-space interface, run against real Xen and against libxenemu.
 *
 *   conformance(20, granter, mapper)
 *     emulated   granter(fd) in domain 1, a process; mapper(fd) in domain 2, another one
 *     real       the same program runs in both guests of tools/xenlab with VMO_TEST_GUEST="ROLE PEERDOM PEERIP": guest 1
 *                is the granter, guest 2 the mapper, fd is TCP between them
 *
 * A test uses `xen.*` (the libraries' functions), gntalloc through alloc_run, dealloc_run, map_run, and my_domain and
 * peer_domain; it may not ask which Xen it is on. Where the two differ the difference has a name and stands in
 * conformance_differences.c, checked on each side separately; README.md of tools/xenemu lists it too.
 *
 * Not handled: xenstore (the shim asks it for `domid` alone).
 */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include "xenemu_load.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <setjmp.h>

#define ABSENT_DOMAIN 4711u /* no such domain on either side */
#define FAR_REFERENCE 0x7fffffffu /* beyond any grant table */

static bool on_real_xen;
static uint16_t my_domain, peer_domain;
static int role; /* 1 granter, 2 mapper */

static inline int real_gntalloc(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg);
}

static inline void *real_symbol(const char *name)
{
	static const char *const libraries[] = {"libxengnttab.so.1", "libxenevtchn.so.1"};
	void *library, *found;

	for (int i = 0; i < 2; i++) {
		library = dlopen(libraries[i], RTLD_NOW | RTLD_LOCAL);
		CHECK(library, "%s", dlerror());
		found = dlsym(library, name);
		if (found)
			return found;
	}
	return NULL;
}

static inline void load_real_calls(void)
{
#define CONFORMANCE_LOAD(name) *(void **)&xen.name = real_symbol(#name);
	XENEMU_CALLS(CONFORMANCE_LOAD)
#undef CONFORMANCE_LOAD
	CHECK(xen.xengnttab_open && xen.xengntshr_open && xen.xenevtchn_open, "the Xen libraries lack a function");
	xen.xenemu_gntalloc_ioctl = real_gntalloc;
}

/* Guest 1 listens, guest 2 calls. A small step must not wait for a delayed acknowledgement. */
static inline int guests_connect(const char *ip)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(7322)};
	int listener, fd = -1, one = 1;

	if (role == 1) {
		listener = socket(AF_INET, SOCK_STREAM, 0);
		setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
		CHECK(!bind(listener, (struct sockaddr *)&address, sizeof address) && !listen(listener, 1), "listen");
		fd = accept(listener, NULL, NULL);
		close(listener);
	} else {
		CHECK(inet_aton(ip, &address.sin_addr), "VMO_TEST_GUEST: %s", ip);
		while (connect(fd = socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof address)) {
			close(fd);
			usleep(100000);
		}
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return fd;
}

static inline int conformance_real(const char *guest, unsigned limit_seconds, void (*granter)(int), void (*mapper)(int))
{
	const char *own = getenv("MYDOM");
	unsigned peer;
	char ip[64];
	int fd;

	CHECK(own && sscanf(guest, "%d %u %63s", &role, &peer, ip) == 3, "VMO_TEST_GUEST, MYDOM");
	on_real_xen = true;
	my_domain = (uint16_t)atoi(own);
	peer_domain = (uint16_t)peer;
	signal(SIGPIPE, SIG_IGN);
	alarm(limit_seconds * 6); /* an emulated CPU */
	load_real_calls();
	fd = guests_connect(ip);
	(role == 1 ? granter : mapper)(fd);
	meet(fd);
	return 0;
}

static void (*conformance_mapper)(int fd);

static inline void conformance_side_2(int fd)
{
	role = my_domain = 2;
	peer_domain = 1;
	conformance_mapper(fd);
	meet(fd);
}

static inline int conformance(unsigned limit_seconds, void (*granter)(int), void (*mapper)(int))
{
	const char *guest = getenv("VMO_TEST_GUEST");
	struct peer peer;

	if (guest)
		return conformance_real(guest, limit_seconds, granter, mapper);
	test_begin(limit_seconds);
	conformance_mapper = mapper;
	spawn(&peer, 2, conformance_side_2);
	be_domain(1);
	role = my_domain = 1;
	peer_domain = 2;
	granter(peer.fd);
	meet(peer.fd);
	finish(&peer);
	return 0;
}

/* Another process of this domain, which may be killed: it opens handles of its own. */
static inline void spawn_beside(struct peer *process, void (*work)(int fd))
{
	spawn(process, my_domain, work);
}

static inline uint32_t *heard_refs(int fd, uint32_t count)
{
	uint32_t *refs = malloc(count * sizeof *refs);

	hear(fd, refs, count * sizeof *refs);
	return refs;
}

static inline void *map_refs(xengnttab_handle *tab, uint32_t count, uint32_t *refs, bool writable)
{
	errno = 0;
	return xen.xengnttab_map_domain_grant_refs(tab, count, peer_domain, refs,
	                                           writable ? PROT_READ | PROT_WRITE : PROT_READ);
}

static sigjmp_buf conformance_fault;

static inline void on_conformance_fault(int number)
{
	siglongjmp(conformance_fault, number);
}

/* What touching this byte does: 0 nothing, or the signal that comes. */
static inline int touch(volatile char *at, bool store)
{
	int number;

	signal(SIGSEGV, on_conformance_fault);
	signal(SIGBUS, on_conformance_fault);
	number = sigsetjmp(conformance_fault, 1);
	if (!number) {
		if (store)
			*at = 'x';
		else
			(void)*at;
	}
	signal(SIGSEGV, SIG_DFL);
	signal(SIGBUS, SIG_DFL);
	return number;
}

/*
 * Within that time the reference is refused. Freeing what a peer had mapped may be deferred: Linux tries 10 such pages a
 * second. Asked by copy, for a mapping would keep it alive.
 */
static inline bool is_refused_soon(xengnttab_handle *tab, uint32_t ref, int limit_ms)
{
	char byte;

	for (int i = 0; i < limit_ms / 50; i++) {
		if (copy_status(tab, peer_domain, ref, 0, 1, &byte))
			return true;
		usleep(50000);
	}
	return false;
}

/* What gntalloc allows this domain. */
static inline uint32_t limit_pages(void)
{
	FILE *file = on_real_xen ? fopen("/sys/module/xen_gntalloc/parameters/limit", "r") : NULL;
	unsigned pages = 1024; /* the emulation's default, as real gntalloc's */

	if (file) {
		CHECK(fscanf(file, "%u", &pages) == 1, "the limit");
		fclose(file);
	}
	return pages;
}

/* Could the domain have so many pages more? */
static inline bool room_for(uint32_t pages)
{
	xengntshr_handle *shr = xen.xengntshr_open(NULL, 0);
	uint32_t *refs = malloc(pages * sizeof *refs);
	uint64_t index;
	bool room = !alloc_run(shr, peer_domain, true, pages, refs, &index);

	xen.xengntshr_close(shr);
	free(refs);
	return room;
}

#endif
