/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gntalloc.c - xenemu_gntalloc_ioctl: stands for ioctl(2) on xengntshr_fd(), with the structs of xen/sys/gntalloc.h.
 *
 *   ALLOC_GREF         a run that keeps the descriptor's reference: mmap (fd, index) any number of times, anywhere
 *   DEALLOC_GREF       drops that reference; any part of what was allocated
 *   SET_UNMAP_NOTIFY   action 0 takes it back
 *
 * It is a function of its own because a memfd answers ioctl(2) with ENOTTY.
 * Threads: any. Not handled: mmap of pages that were deallocated works here (fresh zero pages), where real gntalloc
 * says ENOENT.
 */
#include <errno.h>
#include <stdint.h>
#include <unistd.h>

#include <sys/ioctl.h>
#include <xen/sys/gntalloc.h>

#include "handle.h"

XENEMU_API int xenemu_gntalloc_ioctl(int fd, unsigned long request, void *arg);

static int alloc_gref(struct xengntdev_handle *handle, struct ioctl_gntalloc_alloc_gref *op)
{
	struct xenemu_grant model = {.to_domid = op->domid & 0x7fff, .writable = op->flags & GNTALLOC_FLAG_WRITABLE};
	uint64_t index;
	void *addr;
	int rc = xenemu_share(handle, true, &model, op->count, op->gref_ids, &addr, &index);

	if (!rc)
		op->index = index;
	return rc;
}

static int set_unmap_notify(struct xengntdev_handle *handle, const struct ioctl_gntalloc_unmap_notify *op)
{
	struct xenemu_grant *grant = xenemu_grant_by_index(handle, op->index);

	if (!grant)
		return -ENOENT;
	return xenemu_notify_arm(&grant->notify, op->action, (uint32_t)(op->index % XENEMU_PAGE_BYTES),
	                         op->event_channel_port);
}

static int dispatch(struct xengntdev_handle *handle, unsigned long request, void *arg)
{
	struct ioctl_gntalloc_dealloc_gref *dealloc = arg;

	switch (request) {
	case IOCTL_GNTALLOC_ALLOC_GREF:
		return alloc_gref(handle, arg);
	case IOCTL_GNTALLOC_DEALLOC_GREF:
		return xenemu_unshare_pages(handle, dealloc->index, dealloc->count);
	case IOCTL_GNTALLOC_SET_UNMAP_NOTIFY:
		return set_unmap_notify(handle, arg);
	default:
		return -ENOTTY;
	}
}

int xenemu_gntalloc_ioctl(int fd, unsigned long request, void *arg)
{
	struct xengntdev_handle *handle;
	int rc;

	if (!arg)
		return xenemu_result(-EFAULT);
	rc = xenemu_enter(getpid());
	if (rc)
		return xenemu_result(rc);
	handle = xenemu_gntshr_by_fd(fd);
	rc = handle ? dispatch(handle, request, arg) : -ENOTTY;
	xenemu_leave();
	return xenemu_result(rc);
}
