/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gntshr.c - xengntshr: pages that other domains may map.
 *
 *   share: room in a memfd -> memory for it (ENOSPC and ENOMEM come now, not as SIGBUS later) -> grants -> mmap
 *   end:   unshare / DEALLOC_GREF -> orphan -> reclaim.c decides when the page goes
 *
 * Invariants: an error leaves nothing behind. Memfds are sealed against shrinking, so no mapper can be made to SIGBUS.
 * Threads: any; both locks inside. Not handled: unshare of memory that is not shared (real Xen would unmap it;
 * here EINVAL).
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xen/sys/gntalloc.h>
#include <xengnttab.h>

#include "handle.h"

static struct xengntdev_handle *handles;

static int open_file(struct xenemu_page_file *file)
{
	file->fd = memfd_create("xenemu", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (file->fd < 0)
		return -errno;
	if (fcntl(file->fd, F_ADD_SEALS, F_SEAL_SHRINK))
		return -errno;
	file->ino = xenemu_inode_of(file->fd);
	return 0;
}

static void free_handle(struct xengntdev_handle *handle)
{
	while (handle->runs) {
		struct xenemu_run *run = handle->runs;

		handle->runs = run->next;
		free(run);
	}
	for (int i = 0; i < XENEMU_FILES; i++)
		xenemu_close_fd(&handle->file[i].fd);
	xenemu_close_fd(&handle->user_fd);
	free(handle);
}

XENEMU_API xengntshr_handle *xengntshr_open(struct xentoollog_logger *logger, unsigned open_flags)
{
	struct xengntdev_handle *handle = calloc(1, sizeof *handle);
	int rc;

	(void)logger, (void)open_flags;
	if (!handle)
		return NULL;
	handle->user_fd = handle->file[XENEMU_KEPT].fd = handle->file[XENEMU_DROPPED].fd = -1;
	handle->pid = getpid();
	rc = open_file(&handle->file[XENEMU_KEPT]);
	if (!rc)
		rc = open_file(&handle->file[XENEMU_DROPPED]);
	if (!rc) {
		handle->user_fd = fcntl(handle->file[XENEMU_KEPT].fd, F_DUPFD_CLOEXEC, 0);
		rc = handle->user_fd < 0 ? -errno : xenemu_attach();
	}
	if (rc) {
		free_handle(handle);
		errno = -rc;
		return NULL;
	}
	pthread_mutex_lock(&xenemu.lock);
	handle->next = handles;
	handles = handle;
	pthread_mutex_unlock(&xenemu.lock);
	return handle;
}

/* [locked] The page's entry becomes an orphan. */
static void orphan(uint32_t gref)
{
	struct xenemu_domain *domain = &xenemu.registry->domains[xenemu.domain];
	struct xenemu_grant *grant = xenemu_grant_at(domain, gref);

	if (!grant || grant->state != XENEMU_GRANT_ACTIVE || grant->owner != xenemu.self)
		return;
	grant->state = XENEMU_GRANT_ORPHAN;
	domain->orphans++;
}

XENEMU_API int xengntshr_close(xengntshr_handle *handle)
{
	bool attached;

	if (!handle)
		return 0;
	attached = xenemu_enter(handle->pid) == 0;
	if (attached) {
		struct xengntdev_handle **link = &handles;

		for (struct xenemu_run *run = handle->runs; run; run = run->next)
			for (uint32_t i = 0; i < run->pages; i++)
				orphan(run->grefs[i]);
		xenemu_reclaim(&xenemu.registry->domains[xenemu.domain]);
		while (*link && *link != handle)
			link = &(*link)->next;
		if (*link)
			*link = handle->next;
		xenemu_leave();
	}
	free_handle(handle);
	if (attached)
		xenemu_detach();
	return 0;
}

XENEMU_API int xengntshr_fd(xengntshr_handle *handle)
{
	return handle->user_fd;
}

/* A private or duplicated descriptor is recognised by its inode. */
struct xengntdev_handle *xenemu_gntshr_by_fd(int fd)
{
	uint64_t ino = xenemu_inode_of(fd);

	for (struct xengntdev_handle *handle = handles; handle && ino; handle = handle->next)
		if (handle->file[XENEMU_KEPT].ino == ino)
			return handle;
	return NULL;
}

/* Room and memory for `count` more pages of the file. */
static int extend(const struct xenemu_page_file *file, uint32_t count)
{
	off_t start = (off_t)(file->next_page * XENEMU_PAGE_BYTES), bytes = (off_t)(count * XENEMU_PAGE_BYTES);

	if (count > UINT32_MAX - file->next_page)
		return -ENOSPC;
	if (fallocate(file->fd, 0, start, bytes)) /* makes the file longer, never shorter: it is sealed */
		return errno == EINTR ? -EINTR : -ENOMEM;
	return 0;
}

static void give_back(const struct xenemu_page_file *file, uint32_t count)
{
	fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(file->next_page * XENEMU_PAGE_BYTES),
	          (off_t)(count * XENEMU_PAGE_BYTES));
}

/* On success run->addr is the mapping of share_pages; a run that keeps its reference has none. */
static int grant_run(struct xengntdev_handle *handle, struct xenemu_run *run, const struct xenemu_grant *model)
{
	struct xenemu_page_file *file = &handle->file[run->file];
	struct xenemu_grant first = *model;
	void *at = NULL;
	int rc;

	first.fd = file->fd;
	first.ino = file->ino;
	first.page = file->next_page;
	first.owner = xenemu.self;
	rc = extend(file, run->pages);
	if (!rc && run->file == XENEMU_DROPPED) {
		at = mmap(NULL, run->pages * XENEMU_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd,
		          (off_t)(first.page * XENEMU_PAGE_BYTES));
		rc = at == MAP_FAILED ? -errno : 0;
	}
	if (!rc)
		rc = xenemu_grant_alloc(&xenemu.registry->domains[xenemu.domain], run->pages, &first, run->grefs);
	if (rc && at && at != MAP_FAILED)
		munmap(at, run->pages * XENEMU_PAGE_BYTES);
	if (rc)
		give_back(file, run->pages);
	run->addr = at;
	return rc;
}

int xenemu_share(struct xengntdev_handle *handle, bool keep, const struct xenemu_grant *model, uint32_t count,
                 uint32_t *grefs, void **addr, uint64_t *index)
{
	struct xenemu_run *run;
	int rc;

	if (!count)
		return -EINVAL;
	if (count > xenemu.settings.limit_pages) /* before any memory is touched */
		return -ENOSPC;
	run = calloc(1, sizeof *run + count * sizeof run->grefs[0]);
	if (!run)
		return -ENOMEM;
	run->file = keep ? XENEMU_KEPT : XENEMU_DROPPED;
	run->first_page = handle->file[run->file].next_page;
	run->pages = run->left = count;
	rc = xenemu_watch_start();
	if (!rc)
		rc = grant_run(handle, run, model);
	if (rc) {
		free(run);
		return rc;
	}
	handle->file[run->file].next_page += count;
	memcpy(grefs, run->grefs, count * sizeof *grefs);
	*addr = run->addr;
	*index = run->first_page * XENEMU_PAGE_BYTES;
	run->next = handle->runs;
	handle->runs = run;
	return 0;
}

/* The entry in its run's grefs of a page of one of the files; NULL: not granted. */
static uint32_t *find_gref(struct xengntdev_handle *handle, int file, uint64_t page, struct xenemu_run **found)
{
	for (struct xenemu_run *run = handle->runs; run; run = run->next)
		if (run->file == file && page >= run->first_page && page - run->first_page < run->pages) {
			*found = run;
			return run->grefs[page - run->first_page] ? &run->grefs[page - run->first_page] : NULL;
		}
	return NULL;
}

struct xenemu_grant *xenemu_grant_by_index(struct xengntdev_handle *handle, uint64_t index)
{
	struct xenemu_run *run;
	uint32_t *gref = find_gref(handle, XENEMU_KEPT, index / XENEMU_PAGE_BYTES, &run);

	return gref ? xenemu_grant_at(&xenemu.registry->domains[xenemu.domain], *gref) : NULL;
}

static void drop_empty_runs(struct xengntdev_handle *handle)
{
	struct xenemu_run **link = &handle->runs;

	while (*link) {
		struct xenemu_run *run = *link;

		if (run->left) {
			link = &run->next;
			continue;
		}
		*link = run->next;
		free(run);
	}
}

static int end_pages(struct xengntdev_handle *handle, int file, uint64_t page, uint32_t count)
{
	struct xenemu_run *run;

	for (uint32_t i = 0; i < count; i++)
		if (!find_gref(handle, file, page + i, &run))
			return -EINVAL;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t *gref = find_gref(handle, file, page + i, &run);

		orphan(*gref);
		*gref = 0;
		run->left--;
	}
	drop_empty_runs(handle);
	xenemu_reclaim(&xenemu.registry->domains[xenemu.domain]);
	return 0;
}

int xenemu_unshare_pages(struct xengntdev_handle *handle, uint64_t index, uint32_t count)
{
	return end_pages(handle, XENEMU_KEPT, index / XENEMU_PAGE_BYTES, count);
}

/* share_page_notify is share_pages of one page and the notify, or nothing. */
static void *share(xengntshr_handle *handle, const struct xenemu_grant *model, uint32_t count, uint32_t *refs,
                   uint32_t notify_offset, evtchn_port_t notify_port)
{
	uint32_t action = (notify_offset != UINT32_MAX ? UNMAP_NOTIFY_CLEAR_BYTE : 0) |
	                  (notify_port != UINT32_MAX ? UNMAP_NOTIFY_SEND_EVENT : 0);
	void *addr = NULL;
	uint64_t index;
	int rc = xenemu_enter(handle->pid);

	if (rc) {
		errno = -rc;
		return NULL;
	}
	rc = xenemu_share(handle, false, model, count, refs, &addr, &index);
	if (!rc && action) {
		struct xenemu_domain *domain = &xenemu.registry->domains[xenemu.domain];

		rc = xenemu_notify_arm(&xenemu_grant_at(domain, refs[0])->notify, action,
		                       notify_offset != UINT32_MAX ? notify_offset : 0, notify_port);
		if (rc) {
			munmap(addr, count * XENEMU_PAGE_BYTES);
			end_pages(handle, XENEMU_DROPPED, index / XENEMU_PAGE_BYTES, count);
		}
	}
	xenemu_leave();
	if (!rc)
		return addr;
	errno = -rc;
	return NULL;
}

static struct xenemu_grant model_of(uint32_t domid, int writable)
{
	return (struct xenemu_grant){.to_domid = domid & 0x7fff, .writable = writable != 0};
}

XENEMU_API void *xengntshr_share_pages(xengntshr_handle *handle, uint32_t domid, int count, uint32_t *refs,
                                       int writable)
{
	struct xenemu_grant model = model_of(domid, writable);

	return share(handle, &model, count > 0 ? (uint32_t)count : 0, refs, UINT32_MAX, UINT32_MAX);
}

XENEMU_API void *xengntshr_share_page_notify(xengntshr_handle *handle, uint32_t domid, uint32_t *ref, int writable,
                                             uint32_t notify_offset, evtchn_port_t notify_port)
{
	struct xenemu_grant model = model_of(domid, writable);

	return share(handle, &model, 1, ref, notify_offset, notify_port);
}

/* [locked] The run whose mapping holds [start, start + count pages). */
static struct xenemu_run *run_at(struct xengntdev_handle *handle, char *start, uint32_t count)
{
	for (struct xenemu_run *run = handle->runs; run; run = run->next)
		if (run->addr && start >= run->addr &&
		    (uint64_t)(start - run->addr) / XENEMU_PAGE_BYTES + count <= run->pages)
			return run;
	return NULL;
}

XENEMU_API int xengntshr_unshare(xengntshr_handle *handle, void *start_address, uint32_t count)
{
	struct xenemu_run *run;
	int rc = xenemu_enter(handle->pid);

	if (rc)
		return xenemu_result(rc);
	run = run_at(handle, start_address, count);
	rc = !run || !count || (uintptr_t)start_address % XENEMU_PAGE_BYTES ? -EINVAL : 0;
	if (!rc) {
		uint64_t page = run->first_page + (uint64_t)((char *)start_address - run->addr) / XENEMU_PAGE_BYTES;

		if (munmap(start_address, count * XENEMU_PAGE_BYTES))
			rc = -errno;
		else
			rc = end_pages(handle, XENEMU_DROPPED, page, count);
	}
	xenemu_leave();
	return xenemu_result(rc);
}

/* The child keeps the application's descriptor, as with real Xen, and the memory while it has that. */
void xenemu_gntshr_forget(bool whole)
{
	for (struct xengntdev_handle *handle = handles; handle && whole; handle = handle->next)
		for (int i = 0; i < XENEMU_FILES; i++)
			xenemu_close_fd(&handle->file[i].fd);
	handles = NULL;
}
