/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Grants, mappings, copies and event channels on handles that xen_open.c opened.
 *
 * Memory of our own making comes and goes by direct system calls: munmap and free are hooked
 * (memhook.h), the hook may want locks that our caller holds, and views are what it looks for.
 */
#include "xen_internal.h"

#include "fault.h"
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <xen/sys/gntalloc.h>

#define COPY_BATCH 256		/* segments; 64 to 256 get nearly all of the gain of batching */
#define COPY_TRIES 3
#define DRAIN_MOST 256		/* events taken in one go: a peer that never stops does not hold us */

vmo_domid vmo_xen_domid(const struct vmo_xen *xen)
{
	return xen->domid;
}

bool vmo_xen_emulated(const struct vmo_xen *xen)
{
	return xen->emulated;
}

size_t vmo_xen_grant_limit(const struct vmo_xen *xen)
{
	return xen->grant_limit;
}

static int raw_mmap(void *at, size_t bytes, int flags, int fd, uint64_t offset, void **out)
{
	long address = syscall(SYS_mmap, at, bytes, PROT_READ | PROT_WRITE, flags, fd, offset);

	if (address == -1)
		return -errno;
	*out = (void *)address;
	return 0;
}

static int raw_munmap(void *address, size_t bytes)
{
	return syscall(SYS_munmap, address, bytes) ? -errno : 0;
}

static int gntalloc(struct vmo_xen *xen, unsigned long request, void *arg)
{
	return xen->gntalloc_ioctl(xen->gntalloc_fd, request, arg) ? -errno : 0;
}

int vmo_xen_grant(struct vmo_xen *xen, vmo_domid peer, uint32_t pages, bool writable, struct vmo_grant *out,
                  vmo_gref *grefs)
{
	struct ioctl_gntalloc_alloc_gref *op;
	size_t bytes = sizeof *op + pages * sizeof(vmo_gref);
	void *scratch = NULL;
	int rc;

	if (!pages || pages > VMO_XEN_MOST_PAGES || peer >= DOMID_FIRST_RESERVED)
		return -EINVAL;
	rc = vmo_fault(grant_list) ? -errno : raw_mmap(NULL, bytes, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &scratch);
	if (rc)
		return rc;
	op = scratch;
	op->domid = (uint16_t)peer;
	op->flags = writable ? GNTALLOC_FLAG_WRITABLE : 0;
	op->count = pages;
	rc = vmo_fault(grant) ? -errno : gntalloc(xen, IOCTL_GNTALLOC_ALLOC_GREF, op);
	if (!rc) {
		vmo_held(granted_pages, pages);
		*out = (struct vmo_grant){ op->index, pages };
		memcpy(grefs, op->gref_ids, pages * sizeof *grefs);
	}
	raw_munmap(scratch, bytes);
	return rc;
}

int vmo_xen_ungrant(struct vmo_xen *xen, const struct vmo_grant *grant)
{
	struct ioctl_gntalloc_dealloc_gref op = { .index = grant->offset, .count = grant->pages };

	vmo_held(granted_pages, -(long)grant->pages);	/* whatever comes of it: it was tried */
	return vmo_fault(ungrant) ? -errno : gntalloc(xen, IOCTL_GNTALLOC_DEALLOC_GREF, &op);
}

int vmo_xen_view(struct vmo_xen *xen, const struct vmo_grant *grant, uint32_t first, uint32_t pages, void *fixed,
                 bool populate, void **out)
{
	int flags = MAP_SHARED | (fixed ? MAP_FIXED : 0) | (populate ? MAP_POPULATE : 0);

	/* Checked here because a MAP_FIXED that the driver refuses has already lost what was there. */
	if (!pages || first > grant->pages || pages > grant->pages - first)
		return -EINVAL;
	if (vmo_fault(view))
		return -errno;
	return raw_mmap(fixed, pages * VMO_PAGE_BYTES, flags, xen->gntalloc_fd,
	                grant->offset + first * VMO_PAGE_BYTES, out);
}

int vmo_xen_unview(struct vmo_xen *xen, void *address, uint32_t pages)
{
	return raw_munmap(address, pages * VMO_PAGE_BYTES);
}

int vmo_xen_notify_clear(struct vmo_xen *xen, const struct vmo_grant *grant, uint32_t byte_offset)
{
	struct ioctl_gntalloc_unmap_notify op = {
		.index = grant->offset + byte_offset,
		.action = UNMAP_NOTIFY_CLEAR_BYTE,
	};

	if (byte_offset >= grant->pages * VMO_PAGE_BYTES)
		return -EINVAL;
	return vmo_fault(notify_clear) ? -errno : gntalloc(xen, IOCTL_GNTALLOC_SET_UNMAP_NOTIFY, &op);
}

int vmo_xen_map(struct vmo_xen *xen, vmo_domid owner, const vmo_gref *grefs, uint32_t pages, bool writable,
                void **out)
{
	int prot = writable ? PROT_READ | PROT_WRITE : PROT_READ, rc = 0;
	void *address;

	if (!pages || owner >= DOMID_FIRST_RESERVED)
		return -EINVAL;
	if (pages > VMO_XEN_MOST_PAGES)
		return -E2BIG;
	pthread_mutex_lock(&xen->map_lock);
	errno = 0;
	address = vmo_fault(map) ? NULL
	        : xen->xengnttab_map_domain_grant_refs(xen->gnttab, pages, owner, (uint32_t *)(uintptr_t)grefs, prot);
	if (!address)
		rc = errno ? -errno : -EINVAL;
	pthread_mutex_unlock(&xen->map_lock);
	if (rc)
		return rc;
	vmo_held(mapped_pages, pages);
	*out = address;
	return 0;
}

int vmo_xen_unmap(struct vmo_xen *xen, void *address, uint32_t pages)
{
	int rc;

	pthread_mutex_lock(&xen->map_lock);
	vmo_held(mapped_pages, -(long)pages);	/* whatever comes of it: it was tried */
	rc = vmo_fault(unmap) || xen->xengnttab_unmap(xen->gnttab, address, pages) ? -errno : 0;
	pthread_mutex_unlock(&xen->map_lock);
	return rc;
}

/* What is left of a copy. */
struct copy {
	vmo_domid owner;
	const vmo_gref *grefs;
	uint64_t offset;
	size_t bytes;
	char *to;
};

/* Cuts off the longest segment that crosses a page on neither side. */
static void next_segment(struct copy *copy, xengnttab_grant_copy_segment_t *segment)
{
	size_t from = copy->offset % VMO_PAGE_BYTES, at = (uintptr_t)copy->to % VMO_PAGE_BYTES;
	size_t bytes = VMO_PAGE_BYTES - (from > at ? from : at);

	if (bytes > copy->bytes)
		bytes = copy->bytes;
	*segment = (xengnttab_grant_copy_segment_t){
		.source.foreign = {
			.ref = copy->grefs[copy->offset >> VMO_PAGE_SHIFT],
			.offset = (uint16_t)from,
			.domid = (uint16_t)copy->owner,
		},
		.dest.virt = copy->to,
		.len = (uint16_t)bytes,
		.flags = GNTCOPY_source_gref,
		.status = GNTST_general_error,	/* for a kernel that leaves it alone */
	};
	copy->offset += bytes;
	copy->to += bytes;
	copy->bytes -= bytes;
}

static int bad_segment(struct vmo_xen *xen, const xengnttab_grant_copy_segment_t *segment)
{
	int first = !__atomic_exchange_n(&xen->warned_of_copy, 1, __ATOMIC_RELAXED);

	vmo_log(first ? VMO_LOG_WARN : VMO_LOG_DEBUG, "grant copy of gref %u of domain %u: status %d%s",
	        segment->source.foreign.ref, segment->source.foreign.domid, segment->status,
	        first ? " (further ones at log level debug)" : "");
	return -EIO;
}

static int copy_once(struct vmo_xen *xen, uint32_t n, xengnttab_grant_copy_segment_t *segments)
{
	if (vmo_fault(copy) || xen->xengnttab_grant_copy(xen->gnttab, n, segments))
		return -errno;
	if (vmo_fault(copy_status))
		segments[n - 1].status = GNTST_general_error;
	for (uint32_t i = 0; i < n; i++)
		if (segments[i].status != GNTST_okay)
			return -EIO;
	return 0;
}

/* What fails now may pass (the driver allocates for each call), and the caller has nothing better. */
static int copy_batch(struct vmo_xen *xen, uint32_t n, xengnttab_grant_copy_segment_t *segments)
{
	int rc = copy_once(xen, n, segments);

	for (int tries = 1; rc && tries < COPY_TRIES; tries++) {
		sched_yield();
		rc = copy_once(xen, n, segments);
	}
	for (uint32_t i = 0; rc == -EIO && i < n; i++)
		if (segments[i].status != GNTST_okay)
			return bad_segment(xen, &segments[i]);
	return rc;
}

int vmo_xen_copy(struct vmo_xen *xen, vmo_domid owner, const vmo_gref *grefs, uint64_t offset, size_t bytes, void *to)
{
	struct copy copy = { owner, grefs, offset, bytes, to };
	xengnttab_grant_copy_segment_t segments[COPY_BATCH];

	if (owner >= DOMID_FIRST_RESERVED)
		return -EINVAL;
	while (copy.bytes) {
		uint32_t n = 0;

		while (n < COPY_BATCH && copy.bytes)
			next_segment(&copy, &segments[n++]);
		int rc = copy_batch(xen, n, segments);
		if (rc)
			return rc;
	}
	return 0;
}

static int new_port(xenevtchn_port_or_error_t result, uint32_t *port)
{
	if (result < 0)
		return errno ? -errno : -EIO;
	vmo_held(ports, 1);
	*port = (uint32_t)result;
	return 0;
}

int vmo_xen_port_offer(struct vmo_xen *xen, vmo_domid peer, uint32_t *port)
{
	return new_port(vmo_fault(port_offer) ? -1 : xen->xenevtchn_bind_unbound_port(xen->evtchn, peer), port);
}

int vmo_xen_port_bind(struct vmo_xen *xen, vmo_domid peer, uint32_t remote, uint32_t *port)
{
	return new_port(vmo_fault(port_bind) ? -1 : xen->xenevtchn_bind_interdomain(xen->evtchn, peer, remote), port);
}

int vmo_xen_port_close(struct vmo_xen *xen, uint32_t port)
{
	vmo_held(ports, -1);
	return xen->xenevtchn_unbind(xen->evtchn, port) ? -errno : 0;
}

int vmo_xen_port_notify(struct vmo_xen *xen, uint32_t port)
{
	return vmo_fault(port_notify) || xen->xenevtchn_notify(xen->evtchn, port) ? -errno : 0;
}

/* 1: readable, 0: not in time, or -errno. */
static int poll_events(struct vmo_xen *xen, uint64_t timeout_ns)
{
	struct pollfd poll = { .fd = xen->evtchn_fd, .events = POLLIN };
	struct timespec timeout = { (time_t)(timeout_ns / 1000000000u), (long)(timeout_ns % 1000000000u) };
	int n = ppoll(&poll, 1, &timeout, NULL);

	if (n <= 0)
		return n ? -errno : 0;
	return poll.revents & POLLIN ? 1 : -EIO;
}

/*
 * Takes and unmasks pending ports. Reading blocks when nothing is pending, so each read is preceded
 * by a poll, and the lock keeps another thread from reading in between. A port that was closed
 * meanwhile cannot be unmasked, and need not be.
 */
static int drain_events(struct vmo_xen *xen)
{
	int rc = 0;

	pthread_mutex_lock(&xen->drain_lock);
	for (int i = 0; i < DRAIN_MOST && (rc = poll_events(xen, 0)) > 0; i++) {
		int port = xen->xenevtchn_pending(xen->evtchn);

		rc = port < 0 ? -errno : 0;
		if (rc)
			break;
		xen->xenevtchn_unmask(xen->evtchn, (evtchn_port_t)port);
	}
	pthread_mutex_unlock(&xen->drain_lock);
	return rc < 0 && rc != -EINTR ? rc : 0;
}

int vmo_xen_port_wait(struct vmo_xen *xen, uint64_t timeout_ns)
{
	int rc = vmo_fault(port_wait) ? -errno : poll_events(xen, timeout_ns);

	if (rc == -EINTR)
		return 1;	/* a signal: the caller looks again, as after an event */
	if (rc <= 0)
		return rc;
	rc = drain_events(xen);
	return rc ? rc : 1;
}
