/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gnttab.c - xengnttab: map others' pages, contiguous here whatever they are there.
 *
 *   check every reference (one bad: nothing happens) -> spans of neighbouring pages, few for a run
 *   -> reserve the addresses -> per span: record in the registry, keeper, mmap MAP_FIXED
 *
 * Invariants
 *   - A mapping is exactly its list of records; the records say to others that the pages are in use.
 *   - A read-only mapping is made from a read-only descriptor: mprotect can't upgrade it.
 *   - A forked child does not get the mapping (MADV_DONTFORK).
 *
 * Threads: any; both locks inside. Not handled: unmapping by munmap(2) (the records then stay until close).
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xen/grant_table.h>
#include <xen/sys/gntalloc.h>
#include <xengnttab.h>

#include "handle.h"

#define MAX_REFS 65536u /* of one call, as gntdev */

struct mapping {
	struct mapping *next;
	struct xengntdev_handle *handle;
	char *addr;
	uint32_t pages, spans;
	uint32_t records[]; /* indices into registry->maps */
};

/* What one call asks for. domids: one for all, or one for each. */
struct request {
	uint32_t count;
	const uint32_t *domids, *refs;
	size_t domid_step;
	int prot;
	struct xenemu_notify notify; /* of its first page */
};

static struct mapping *mappings;
static uint32_t record_hint;

XENEMU_API xengnttab_handle *xengnttab_open(struct xentoollog_logger *logger, unsigned open_flags)
{
	struct xengntdev_handle *handle = calloc(1, sizeof *handle);
	int rc;

	(void)logger, (void)open_flags;
	if (!handle)
		return NULL;
	handle->pid = getpid();
	handle->user_fd = eventfd(0, EFD_CLOEXEC); /* something to have a number */
	rc = handle->user_fd < 0 ? -errno : xenemu_attach();
	if (!rc)
		return handle;
	xenemu_close_fd(&handle->user_fd);
	free(handle);
	errno = -rc;
	return NULL;
}

XENEMU_API int xengnttab_fd(xengnttab_handle *handle)
{
	return handle->user_fd;
}

XENEMU_API int xengnttab_set_max_grants(xengnttab_handle *handle, uint32_t nr_grants)
{
	(void)handle, (void)nr_grants;
	return 0; /* as on a current kernel: accepted, without meaning */
}

bool xenemu_is_gntdev_memory(const void *start, size_t bytes)
{
	const char *from = start;

	for (const struct mapping *mapping = mappings; mapping; mapping = mapping->next)
		if (from < mapping->addr + mapping->pages * XENEMU_PAGE_BYTES && from + bytes > mapping->addr)
			return true;
	return false;
}

void xenemu_gnttab_forget(bool whole)
{
	while (whole && mappings) {
		struct mapping *mapping = mappings;

		mappings = mapping->next;
		free(mapping);
	}
	mappings = NULL;
	record_hint = 0;
}

static int new_record(uint32_t *index)
{
	struct xenemu_registry *registry = xenemu.registry;
	int rc;

	if (record_hint > registry->maps_top)
		record_hint = 0;
	for (uint32_t i = 0; i < registry->maps_top; i++) {
		*index = (record_hint + i) % registry->maps_top;
		if (!registry->maps[*index].used) {
			record_hint = *index + 1;
			return 0;
		}
	}
	if (registry->maps_top == XENEMU_MAPS)
		return -EINVAL;
	*index = registry->maps_top;
	rc = xenemu_registry_back(&registry->maps[*index], sizeof registry->maps[0]);
	if (!rc)
		registry->maps_top++;
	return rc;
}

static bool continues(const struct xenemu_grant *last, uint32_t pages, const struct xenemu_grant *grant)
{
	return pages && grant->ino == last->ino && grant->page == last->page + pages;
}

/* -> the number of spans, or -EINVAL if one reference is bad */
static int count_spans(const struct request *request)
{
	struct xenemu_grant first = {0}, *grant;
	uint32_t pages = 0, spans = 0;

	for (uint32_t i = 0; i < request->count; i++) {
		if (xenemu_grant_check(request->domids[i * request->domid_step], request->refs[i],
		                       request->prot & PROT_WRITE, &grant))
			return -EINVAL;
		if (continues(&first, pages, grant)) {
			pages++;
			continue;
		}
		first = *grant;
		pages = 1;
		spans++;
	}
	return (int)spans;
}

static int mmap_span(char *at, const struct xenemu_map *map, int prot)
{
	char path[64];
	int fd = map->keeper_fd, rc = 0;

	if (!(prot & PROT_WRITE)) {
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (fd < 0 || mmap(at, map->count * XENEMU_PAGE_BYTES, prot, MAP_SHARED | MAP_FIXED, fd,
	                   (off_t)(map->page * XENEMU_PAGE_BYTES)) == MAP_FAILED)
		rc = -errno;
	if (fd >= 0 && fd != map->keeper_fd)
		close(fd);
	return rc;
}

/* One span, `pages` long, that begins with *grant, goes to `at` and becomes the mapping's next record. */
static int add_span(struct mapping *mapping, const struct xenemu_grant *grant, uint32_t pages, char *at, int prot)
{
	struct xenemu_map *map;
	uint32_t index;
	int keeper, rc = new_record(&index);

	if (rc)
		return rc;
	keeper = xenemu_keeper_get(grant);
	if (keeper < 0)
		return -EINVAL; /* the granter just died */
	map = &xenemu.registry->maps[index];
	*map = (struct xenemu_map){.ino = grant->ino, .page = grant->page, .count = pages, .keeper_fd = keeper,
	                           .mapper = xenemu.self};
	__atomic_store_n(&map->used, 1, __ATOMIC_RELEASE);
	mapping->records[mapping->spans++] = index;
	xenemu_watch_peer(grant->owner);
	return mmap_span(at, map, prot);
}

static int add_spans(struct mapping *mapping, const struct request *request)
{
	struct xenemu_grant first = {0}, *grant;
	char *at = mapping->addr;
	uint32_t pages = 0;
	int rc = 0;

	for (uint32_t i = 0; i < request->count && !rc; i++) {
		if (xenemu_grant_check(request->domids[i * request->domid_step], request->refs[i],
		                       request->prot & PROT_WRITE, &grant))
			return -EINVAL;
		if (continues(&first, pages, grant)) {
			pages++;
			continue;
		}
		if (pages)
			rc = add_span(mapping, &first, pages, at, request->prot);
		at += pages * XENEMU_PAGE_BYTES;
		first = *grant;
		pages = 1;
	}
	return rc ? rc : add_span(mapping, &first, pages, at, request->prot);
}

/* [locked] Fires the notify, gives up addresses, records and keepers; the list link is the caller's. */
static void end_mapping(struct mapping *mapping)
{
	for (uint32_t i = 0; i < mapping->spans; i++) {
		struct xenemu_map *map = &xenemu.registry->maps[mapping->records[i]];

		if (map->notify.action)
			xenemu_notify_fire_map(map);
	}
	munmap(mapping->addr, mapping->pages * XENEMU_PAGE_BYTES);
	for (uint32_t i = 0; i < mapping->spans; i++) {
		struct xenemu_map *map = &xenemu.registry->maps[mapping->records[i]];

		__atomic_store_n(&map->used, 0, __ATOMIC_RELEASE);
		xenemu_keeper_put(map->ino);
	}
	xenemu.mapped_pages -= mapping->pages;
	free(mapping);
	xenemu_reclaim_all();
}

static int arm_first(struct mapping *mapping, const struct request *request)
{
	const struct xenemu_notify *notify = &request->notify;

	if (!notify->action)
		return 0;
	if ((notify->action & UNMAP_NOTIFY_CLEAR_BYTE) && !(request->prot & PROT_WRITE))
		return -EINVAL;
	return xenemu_notify_arm(&xenemu.registry->maps[mapping->records[0]].notify, notify->action,
	                         notify->offset_bytes, notify->port);
}

/* [locked] */
static int map(struct xengntdev_handle *handle, const struct request *request, struct mapping **made)
{
	struct mapping *mapping;
	int spans, rc;

	if (!request->count || request->count > MAX_REFS ||
	    request->count > (uint64_t)xenemu.settings.maptrack_pages - xenemu.mapped_pages)
		return -EINVAL;
	spans = count_spans(request);
	rc = spans < 0 ? spans : xenemu_watch_start();
	if (rc)
		return rc;
	mapping = calloc(1, sizeof *mapping + (size_t)spans * sizeof mapping->records[0]);
	if (!mapping)
		return -ENOMEM;
	mapping->handle = handle;
	mapping->pages = request->count;
	mapping->addr = mmap(NULL, request->count * XENEMU_PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mapping->addr == MAP_FAILED) {
		free(mapping);
		return -ENOMEM;
	}
	xenemu.mapped_pages += mapping->pages;
	rc = add_spans(mapping, request);
	if (!rc)
		rc = arm_first(mapping, request);
	if (rc) {
		end_mapping(mapping);
		return rc;
	}
	madvise(mapping->addr, mapping->pages * XENEMU_PAGE_BYTES, MADV_DONTFORK);
	mapping->next = mappings;
	mappings = mapping;
	*made = mapping;
	return 0;
}

/* Fill the page tables, outside the locks; as quick as MADV_POPULATE_READ. The files never shrink: no SIGBUS. */
static void touch(const volatile char *at, uint32_t pages)
{
	for (uint32_t i = 0; i < pages; i++)
		(void)at[i * XENEMU_PAGE_BYTES];
}

static void *map_request(xengnttab_handle *handle, const struct request *request)
{
	struct mapping *mapping;
	char *addr = NULL;
	int rc = xenemu_enter(handle->pid);

	if (!rc) {
		rc = map(handle, request, &mapping);
		addr = rc ? NULL : mapping->addr;
		xenemu_leave();
	}
	if (addr && (request->prot & PROT_READ))
		touch(addr, request->count);
	errno = rc ? -rc : errno;
	return addr;
}

XENEMU_API void *xengnttab_map_grant_refs(xengnttab_handle *handle, uint32_t count, uint32_t *domids, uint32_t *refs,
                                          int prot)
{
	struct request request = {.count = count, .domids = domids, .refs = refs, .domid_step = 1, .prot = prot};

	return map_request(handle, &request);
}

XENEMU_API void *xengnttab_map_domain_grant_refs(xengnttab_handle *handle, uint32_t count, uint32_t domid,
                                                 uint32_t *refs, int prot)
{
	struct request request = {.count = count, .domids = &domid, .refs = refs, .prot = prot};

	return map_request(handle, &request);
}

XENEMU_API void *xengnttab_map_grant_ref(xengnttab_handle *handle, uint32_t domid, uint32_t ref, int prot)
{
	return xengnttab_map_domain_grant_refs(handle, 1, domid, &ref, prot);
}

XENEMU_API void *xengnttab_map_grant_ref_notify(xengnttab_handle *handle, uint32_t domid, uint32_t ref, int prot,
                                                uint32_t notify_offset, evtchn_port_t notify_port)
{
	struct request request = {.count = 1, .domids = &domid, .refs = &ref, .prot = prot};

	if (notify_offset != UINT32_MAX) {
		if (notify_offset >= XENEMU_PAGE_BYTES) {
			errno = EINVAL;
			return NULL;
		}
		request.notify.action |= UNMAP_NOTIFY_CLEAR_BYTE;
		request.notify.offset_bytes = (uint16_t)notify_offset;
	}
	if (notify_port != UINT32_MAX) {
		request.notify.action |= UNMAP_NOTIFY_SEND_EVENT;
		request.notify.port = notify_port;
	}
	return map_request(handle, &request);
}

XENEMU_API int xengnttab_unmap(xengnttab_handle *handle, void *start_address, uint32_t count)
{
	struct mapping **link = &mappings, *mapping;
	int rc = xenemu_enter(handle->pid);

	if (rc)
		return xenemu_result(rc);
	while (*link && !((*link)->handle == handle && (*link)->addr == start_address && (*link)->pages == count))
		link = &(*link)->next;
	mapping = *link;
	if (mapping) {
		*link = mapping->next;
		end_mapping(mapping);
	}
	xenemu_leave();
	return xenemu_result(mapping ? 0 : -EINVAL);
}

XENEMU_API int xengnttab_close(xengnttab_handle *handle)
{
	struct mapping **link = &mappings;
	bool attached;

	if (!handle)
		return 0;
	attached = xenemu_enter(handle->pid) == 0;
	while (attached && *link) {
		struct mapping *mapping = *link;

		if (mapping->handle != handle) {
			link = &mapping->next;
			continue;
		}
		*link = mapping->next;
		end_mapping(mapping);
	}
	if (attached)
		xenemu_leave();
	xenemu_close_fd(&handle->user_fd);
	free(handle);
	if (attached)
		xenemu_detach();
	return 0;
}
