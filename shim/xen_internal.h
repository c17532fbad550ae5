/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xen_internal.h: what xen.c (operations) and xen_open.c (libraries and devices) share; for no one else.
 *
 *   struct vmo_xen .xengnttab_copy, ... = one pointer per library function, filled by name
 *
 * The list below is the only place where a library function is named: real Xen and the emulation
 * differ in where its pointer comes from, nowhere else.
 */
#ifndef VMO_XEN_INTERNAL_H
#define VMO_XEN_INTERNAL_H

#include "xen.h"

#include <pthread.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>

/* X(library, function) */
#define VMO_XEN_FUNCTIONS(X)                     \
	X(GNTTAB, xengntshr_open)                \
	X(GNTTAB, xengntshr_close)               \
	X(GNTTAB, xengntshr_fd)                  \
	X(GNTTAB, xengnttab_open)                \
	X(GNTTAB, xengnttab_close)               \
	X(GNTTAB, xengnttab_map_domain_grant_refs) \
	X(GNTTAB, xengnttab_unmap)               \
	X(GNTTAB, xengnttab_grant_copy)          \
	X(EVTCHN, xenevtchn_open)                \
	X(EVTCHN, xenevtchn_close)               \
	X(EVTCHN, xenevtchn_fd)                  \
	X(EVTCHN, xenevtchn_notify)              \
	X(EVTCHN, xenevtchn_bind_unbound_port)   \
	X(EVTCHN, xenevtchn_bind_interdomain)    \
	X(EVTCHN, xenevtchn_unbind)              \
	X(EVTCHN, xenevtchn_pending)             \
	X(EVTCHN, xenevtchn_unmask)              \
	X(STORE, xs_open)                        \
	X(STORE, xs_close)                       \
	X(STORE, xs_read)

enum vmo_xen_library { VMO_XEN_GNTTAB, VMO_XEN_EVTCHN, VMO_XEN_STORE, VMO_XEN_LIBRARIES };

struct vmo_xen {
#define X(library, function) __typeof__(&function) function;
	VMO_XEN_FUNCTIONS(X)
#undef X
	int (*gntalloc_ioctl)(int fd, unsigned long request, void *arg);
	void *library[VMO_XEN_LIBRARIES];	/* dlopen handles */
	bool emulated;
	vmo_domid domid;
	size_t grant_limit;

	xengntshr_handle *gntshr;	/* its fd is gntalloc: the kernel serialises the ioctls */
	int gntalloc_fd;
	xengnttab_handle *gnttab;	/* map and unmap under map_lock; grant copy keeps no state */
	pthread_mutex_t map_lock;
	xenevtchn_handle *evtchn;
	int evtchn_fd;
	pthread_mutex_t drain_lock;	/* one thread reads pending ports; nobody sleeps under it */
	int warned_of_copy;		/* atomic */
};

#endif
