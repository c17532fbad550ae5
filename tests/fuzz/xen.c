/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fakexen.h"

#include "fuzz.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DOMID_MOST 0x7ff0u	/* xen.h: DOMID_FIRST_RESERVED */

struct vmo_xen {
	vmo_domid domid;
};

char *fake_arena;
void (*fake_meanwhile)(void);
uint64_t fake_copy_left = FAKE_COPY_MOST;
uint32_t fake_granted, fake_mapped;

#define WINDOW_BYTES ((size_t)1 << 36)	/* all mappings of others' pages lie in it */

static int arena_fd = -1;
static char *window;
static struct page {
	bool granted, writable;
	vmo_domid owner, peer;
} page[FAKE_PAGES];

static int map_at(void *at, size_t bytes, int prot, int flags, int fd, uint64_t offset, void **out)
{
	long address = syscall(SYS_mmap, at, bytes, prot, flags, fd, offset);

	if (address == -1)
		return -errno;
	*out = (void *)address;
	return 0;
}

static void make_arena(void)
{
	void *at;

	arena_fd = memfd_create("fakexen", MFD_CLOEXEC);
	FUZZ_CHECK(arena_fd >= 0 && !ftruncate(arena_fd, FAKE_PAGES * VMO_PAGE_BYTES));
	FUZZ_CHECK(!map_at(NULL, FAKE_PAGES * VMO_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, arena_fd, 0, &at));
	fake_arena = at;
	FUZZ_CHECK(!map_at(NULL, WINDOW_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0, &at));
	window = at;
}

bool fake_is_shared(const void *at)
{
	return (size_t)((const char *)at - window) < WINDOW_BYTES;
}

/* Places in the window take turns, so that a stale address finds nothing. Both ends stay forbidden. */
static char *place(uint32_t pages)
{
	static size_t next;
	size_t at = __atomic_fetch_add(&next, (pages + 2) * VMO_PAGE_BYTES, __ATOMIC_RELAXED);

	return window + at % (WINDOW_BYTES - (FAKE_MAP_MOST + 2) * VMO_PAGE_BYTES) + VMO_PAGE_BYTES;
}

int vmo_xen_open(struct vmo_xen **out, const char *library, long domid_option, char *why, size_t why_bytes)
{
	struct vmo_xen *xen = calloc(1, sizeof *xen);

	if (!fake_arena)
		make_arena();
	FUZZ_CHECK(xen);
	xen->domid = (vmo_domid)domid_option;
	*out = xen;
	return 0;
}

void vmo_xen_close(struct vmo_xen *xen)
{
	free(xen);
}

vmo_domid vmo_xen_domid(const struct vmo_xen *xen)
{
	return xen->domid;
}

bool vmo_xen_emulated(const struct vmo_xen *xen)
{
	return true;
}

size_t vmo_xen_grant_limit(const struct vmo_xen *xen)
{
	return FAKE_PAGES;
}

/* One process is all that there is of this VM: nothing to share, so nobody counts with it. */
uint64_t vmo_xen_emulated_host(const struct vmo_xen *xen)
{
	return 0;
}

int vmo_xen_common_file(const struct vmo_xen *xen)
{
	return -ENODEV;
}

static bool gap(uint32_t first, uint32_t pages)
{
	for (uint32_t i = first; i < first + pages; i++)
		if (page[i].granted)
			return false;
	return true;
}

int vmo_xen_grant(struct vmo_xen *xen, vmo_domid peer, uint32_t pages, bool writable, struct vmo_grant *out,
                  vmo_gref *grefs)
{
	uint32_t first = 0;

	if (!pages || peer >= DOMID_MOST)
		return -EINVAL;
	if (pages > FAKE_PAGES)
		return -ENOSPC;
	while (first + pages <= FAKE_PAGES && !gap(first, pages))
		first++;
	if (first + pages > FAKE_PAGES)
		return -ENOSPC;
	memset(fake_arena + first * VMO_PAGE_BYTES, 0, pages * VMO_PAGE_BYTES);
	for (uint32_t i = 0; i < pages; i++) {
		page[first + i] = (struct page){ true, writable, xen->domid, peer };
		grefs[i] = FAKE_GREF + first + i;
	}
	fake_granted += pages;
	*out = (struct vmo_grant){ first * VMO_PAGE_BYTES, pages };
	return 0;
}

int vmo_xen_ungrant(struct vmo_xen *xen, const struct vmo_grant *grant)
{
	uint32_t first = (uint32_t)(grant->offset / VMO_PAGE_BYTES);

	for (uint32_t i = first; i < first + grant->pages; i++) {
		FUZZ_CHECK(page[i].granted && page[i].owner == xen->domid);
		page[i].granted = false;
	}
	fake_granted -= grant->pages;
	return 0;
}

int vmo_xen_view(struct vmo_xen *xen, const struct vmo_grant *grant, uint32_t first, uint32_t pages, void *fixed,
                 bool populate, void **out)
{
	int flags = MAP_SHARED | (fixed ? MAP_FIXED : 0) | (populate ? MAP_POPULATE : 0);

	if (!pages || first > grant->pages || pages > grant->pages - first)
		return -EINVAL;
	return map_at(fixed, pages * VMO_PAGE_BYTES, PROT_READ | PROT_WRITE, flags, arena_fd,
	              grant->offset + first * VMO_PAGE_BYTES, out);
}

int vmo_xen_unview(struct vmo_xen *xen, void *address, uint32_t pages)
{
	return syscall(SYS_munmap, address, pages * VMO_PAGE_BYTES) ? -errno : 0;
}

int vmo_xen_notify_clear(struct vmo_xen *xen, const struct vmo_grant *grant, uint32_t byte_offset)
{
	return 0;
}

static struct page *granted_to(const struct vmo_xen *xen, vmo_domid owner, vmo_gref gref)
{
	if (gref < FAKE_GREF || gref - FAKE_GREF >= FAKE_PAGES)
		return NULL;
	struct page *found = &page[gref - FAKE_GREF];
	return found->granted && found->owner == owner && found->peer == xen->domid ? found : NULL;
}

static void meanwhile(void)
{
	if (fake_meanwhile)
		fake_meanwhile();
}

int vmo_xen_map(struct vmo_xen *xen, vmo_domid owner, const vmo_gref *grefs, uint32_t pages, bool writable, void **out)
{
	int prot = PROT_READ | (writable ? PROT_WRITE : 0);
	char *at;

	meanwhile();
	if (!pages || pages > FAKE_MAP_MOST || owner >= DOMID_MOST)
		return -EINVAL;
	for (uint32_t i = 0; i < pages; i++) {
		struct page *p = granted_to(xen, owner, grefs[i]);
		if (!p || (writable && !p->writable))
			return -EINVAL;
	}
	at = place(pages);
	for (uint32_t i = 0, n; i < pages; i += n) {
		void *here = at + i * VMO_PAGE_BYTES;
		for (n = 1; i + n < pages && grefs[i + n] == grefs[i] + n;)
			n++;
		FUZZ_CHECK(!map_at(here, n * VMO_PAGE_BYTES, prot, MAP_SHARED | MAP_FIXED, arena_fd,
		                   (grefs[i] - FAKE_GREF) * VMO_PAGE_BYTES, &here));
	}
	__atomic_fetch_add(&fake_mapped, pages, __ATOMIC_RELAXED);
	meanwhile();
	*out = at;
	return 0;
}

int vmo_xen_unmap(struct vmo_xen *xen, void *address, uint32_t pages)
{
	FUZZ_CHECK(!map_at(address, pages * VMO_PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE,
	                   -1, 0, &address));
	__atomic_fetch_sub(&fake_mapped, pages, __ATOMIC_RELAXED);
	return 0;
}

int vmo_xen_copy(struct vmo_xen *xen, vmo_domid owner, const vmo_gref *grefs, uint64_t offset, size_t bytes, void *to)
{
	meanwhile();
	if (bytes > fake_copy_left)
		return -EIO;
	fake_copy_left -= bytes;
	while (bytes) {
		uint64_t in_page = offset % VMO_PAGE_BYTES;
		size_t n = VMO_PAGE_BYTES - in_page < bytes ? VMO_PAGE_BYTES - in_page : bytes;
		vmo_gref gref = grefs[offset / VMO_PAGE_BYTES];

		if (!granted_to(xen, owner, gref))
			return -EIO;
		memcpy(to, (char *)fake_page(gref) + in_page, n);
		to = (char *)to + n;
		offset += n;
		bytes -= n;
	}
	meanwhile();
	return 0;
}

int vmo_xen_port_offer(struct vmo_xen *xen, vmo_domid peer, uint32_t *port)
{
	*port = 1;
	return 0;
}

int vmo_xen_port_bind(struct vmo_xen *xen, vmo_domid peer, uint32_t remote, uint32_t *port)
{
	*port = 2;
	return remote % 2 ? 0 : -EINVAL;
}

int vmo_xen_port_close(struct vmo_xen *xen, uint32_t port)
{
	return 0;
}

int vmo_xen_port_notify(struct vmo_xen *xen, uint32_t port)
{
	return 0;
}

int vmo_xen_port_wait(struct vmo_xen *xen, uint64_t timeout_ns)
{
	return 0;
}
