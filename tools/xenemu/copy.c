/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * copy.c - grant copy: between grants, or a grant and local memory, with no mapping.
 *
 *   check the arguments of all (EINVAL: nothing copied) -> in batches: what does each reference mean? (status)
 *   -> pread from the granter's memfd into the caller's memory, or pwrite: a bad pointer is EFAULT, not a crash
 *
 * Invariants: the call fails only for bad arguments and pointers; all that concerns a grant is the segment's status.
 * Neighbouring segments are copied by one system call.
 * Threads: any; no lock is held while data moves. The dmabuf calls are here too: they are not supported.
 * Not handled: a granter that dies amid a batch is noticed with the next one.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <stdint.h>
#include <unistd.h>

#include <xen/grant_table.h>
#include <xengnttab.h>

#include "handle.h"

enum { BATCH = 64 };

typedef xengnttab_grant_copy_segment_t segment;

/* The grants of a segment, resolved. ino 0: that side is local memory. */
struct side {
	uint64_t ino;
	int fd;
	off_t offset;
};

struct work {
	struct side source, dest;
};

static int check_arguments(const segment *seg)
{
	const int both = GNTCOPY_source_gref | GNTCOPY_dest_gref;

	if (!(seg->flags & both) || (seg->flags & ~both))
		return -EINVAL;
	if ((seg->flags & GNTCOPY_source_gref) && (uint32_t)seg->source.foreign.offset + seg->len > XENEMU_PAGE_BYTES)
		return -EINVAL;
	if ((seg->flags & GNTCOPY_dest_gref) && (uint32_t)seg->dest.foreign.offset + seg->len > XENEMU_PAGE_BYTES)
		return -EINVAL;
	return 0;
}

/* [locked] -> GNTST_* */
static int resolve_side(const union xengnttab_copy_ptr *ptr, bool foreign, bool write, uint16_t len, struct side *side)
{
	struct xenemu_grant *grant;
	int status;

	if (!foreign)
		return xenemu_is_gntdev_memory(ptr->virt, len) ? GNTST_bad_page : GNTST_okay;
	status = xenemu_grant_check(ptr->foreign.domid, ptr->foreign.ref, write, &grant);
	if (status)
		return status;
	side->fd = xenemu_keeper_get(grant);
	if (side->fd < 0)
		return GNTST_general_error; /* the granter just died */
	side->ino = grant->ino;
	side->offset = (off_t)(grant->page * XENEMU_PAGE_BYTES + ptr->foreign.offset);
	return GNTST_okay;
}

static void resolve(segment *seg, struct work *work)
{
	*work = (struct work){0};
	seg->status = (int16_t)resolve_side(&seg->source, seg->flags & GNTCOPY_source_gref, false, seg->len,
	                                    &work->source);
	if (!seg->status)
		seg->status = (int16_t)resolve_side(&seg->dest, seg->flags & GNTCOPY_dest_gref, true, seg->len,
		                                    &work->dest);
}

static int read_all(int fd, char *to, size_t bytes, off_t offset)
{
	while (bytes) {
		ssize_t n = pread(fd, to, bytes, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		to += n, offset += n, bytes -= (size_t)n;
	}
	return 0;
}

static int write_all(int fd, const char *from, size_t bytes, off_t offset)
{
	while (bytes) {
		ssize_t n = pwrite(fd, from, bytes, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		from += n, offset += n, bytes -= (size_t)n;
	}
	return 0;
}

/* Does *next go on where *seg with `bytes` ends, on both sides? */
static bool joins(const segment *seg, const struct work *work, size_t bytes, const segment *next,
                  const struct work *next_work)
{
	if (next->status || next->flags != seg->flags)
		return false;
	if (seg->flags == GNTCOPY_source_gref)
		return next_work->source.ino == work->source.ino &&
		       next_work->source.offset == work->source.offset + (off_t)bytes &&
		       (char *)next->dest.virt == (char *)seg->dest.virt + bytes;
	if (seg->flags == GNTCOPY_dest_gref)
		return next_work->dest.ino == work->dest.ino &&
		       next_work->dest.offset == work->dest.offset + (off_t)bytes &&
		       (char *)next->source.virt == (char *)seg->source.virt + bytes;
	return false;
}

static int move(const segment *seg, const struct work *work, size_t bytes)
{
	char page[XENEMU_PAGE_BYTES];
	int rc;

	if (seg->flags == GNTCOPY_source_gref)
		return read_all(work->source.fd, seg->dest.virt, bytes, work->source.offset);
	if (seg->flags == GNTCOPY_dest_gref)
		return write_all(work->dest.fd, seg->source.virt, bytes, work->dest.offset);
	rc = read_all(work->source.fd, page, bytes, work->source.offset);
	return rc ? rc : write_all(work->dest.fd, page, bytes, work->dest.offset);
}

static int move_batch(const segment *segs, const struct work *work, uint32_t count)
{
	int rc = 0;

	for (uint32_t i = 0, next; i < count && !rc; i = next) {
		size_t bytes = segs[i].len;

		next = i + 1;
		if (segs[i].status)
			continue;
		while (next < count && joins(&segs[i], &work[i], bytes, &segs[next], &work[next]))
			bytes += segs[next++].len;
		rc = move(&segs[i], &work[i], bytes);
	}
	return rc;
}

static int copy_batch(struct xengntdev_handle *handle, segment *segs, uint32_t count)
{
	struct work work[BATCH];
	int rc = xenemu_enter(handle->pid), moved;

	if (rc)
		return rc;
	for (uint32_t i = 0; i < count; i++)
		resolve(&segs[i], &work[i]);
	xenemu_leave();
	moved = move_batch(segs, work, count);
	rc = xenemu_enter(handle->pid);
	if (rc)
		return rc;
	for (uint32_t i = 0; i < count; i++) {
		xenemu_keeper_put(work[i].source.ino);
		xenemu_keeper_put(work[i].dest.ino);
	}
	xenemu_leave();
	return moved;
}

XENEMU_API int xengnttab_grant_copy(xengnttab_handle *handle, uint32_t count, xengnttab_grant_copy_segment_t *segs)
{
	int rc = 0;

	for (uint32_t i = 0; i < count && !rc; i++)
		rc = check_arguments(&segs[i]);
	for (uint32_t i = 0; i < count && !rc; i += BATCH)
		rc = copy_batch(handle, segs + i, count - i < BATCH ? count - i : BATCH);
	return xenemu_result(rc);
}

XENEMU_API int xengnttab_dmabuf_exp_from_refs(xengnttab_handle *handle, uint32_t domid, uint32_t flags, uint32_t count,
                                              const uint32_t *refs, uint32_t *fd)
{
	(void)handle, (void)domid, (void)flags, (void)count, (void)refs, (void)fd;
	return xenemu_result(-EOPNOTSUPP);
}

XENEMU_API int xengnttab_dmabuf_exp_wait_released(xengnttab_handle *handle, uint32_t fd, uint32_t wait_to_ms)
{
	(void)handle, (void)fd, (void)wait_to_ms;
	return xenemu_result(-EOPNOTSUPP);
}

XENEMU_API int xengnttab_dmabuf_imp_to_refs(xengnttab_handle *handle, uint32_t domid, uint32_t fd, uint32_t count,
                                            uint32_t *refs)
{
	(void)handle, (void)domid, (void)fd, (void)count, (void)refs;
	return xenemu_result(-EOPNOTSUPP);
}

XENEMU_API int xengnttab_dmabuf_imp_release(xengnttab_handle *handle, uint32_t fd)
{
	(void)handle, (void)fd;
	return xenemu_result(-EOPNOTSUPP);
}
