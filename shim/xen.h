/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xen.h: the seam over libxengnttab, libxenevtchn and libxenstore.
 *
 * The three libraries are found at run time, so that the preload file needs libc alone. With
 * `emulated`, libxenemu.so stands for all three, and xenemu_gntalloc_ioctl() for ioctl(2).
 *
 *   granting side                          mapping side
 *   vmo_xen_grant     pages -> grefs       vmo_xen_map      grefs -> address
 *   vmo_xen_view      mmap of such pages   vmo_xen_unmap
 *   vmo_xen_ungrant                        vmo_xen_copy     grefs -> bytes, without a mapping
 *
 * Granted pages come from the raw ioctl IOCTL_GNTALLOC_ALLOC_GREF (xen/sys/gntalloc.h), not from
 * xengntshr_share_pages, which drops the fd's reference: here (fd, offset) may be mapped any number
 * of times, at any address, in parts, and keeps its pages with no mapping at all.
 *
 * Threads: any function from any thread. After fork the child may use none of them.
 * Errors: -errno. -ENOSPC: gntalloc's limit, or no grant left. -EINVAL of vmo_xen_map: a bad, stale
 * or foreign gref somewhere in the list, or no maptrack entry left; nothing is mapped then.
 * xen_open.c finds libraries and devices, xen.c does the rest; xen_internal.h is theirs alone.
 * Not handled here: budgets (budget.h) and co-residency (peer.h).
 */
#ifndef VMO_XEN_H
#define VMO_XEN_H

#include "vmo.h"

typedef uint32_t vmo_gref;
typedef uint32_t vmo_domid;

#define VMO_DOMID_NONE UINT32_MAX
#define VMO_XEN_MOST_PAGES 65536u	/* references that gntdev takes in one call */

struct vmo_xen;

/* How a granter names pages to its own kernel: map them with vmo_xen_view at any time. */
struct vmo_grant {
	uint64_t offset;	/* of the first page, in bytes, in the gntalloc device */
	uint32_t pages;
};

/*
 * Opens the libraries and devices and finds one's own domid (domid_option >= 0 overrides it).
 * library: path of libxenemu.so for the emulation, or NULL for real Xen.
 * why, if not NULL, gets a text with the exact cause and the remedy when the result is not 0.
 * -ENOENT: not a Xen guest or a library is missing. -EACCES: no permission for a device. -ENOTSUP:
 * the kernel's pages are not 4 KiB. Nothing is printed on a machine without Xen.
 */
int vmo_xen_open(struct vmo_xen **out, const char *library, long domid_option,
                 char *why, size_t why_bytes);

/* Closes devices; the kernel then revokes what was granted. Safe with NULL. */
void vmo_xen_close(struct vmo_xen *xen);

vmo_domid vmo_xen_domid(const struct vmo_xen *xen);
bool vmo_xen_emulated(const struct vmo_xen *xen);

/* Pages that gntalloc allows this whole VM (its parameter `limit`; 1024 by default). */
size_t vmo_xen_grant_limit(const struct vmo_xen *xen);

/*
 * In the emulation, whose hosts are registries on one kernel: a number for this host. 0 on real Xen, where nothing inside
 * a VM names its host.
 */
uint64_t vmo_xen_emulated_host(const struct vmo_xen *xen);

/*
 * Opens, anew at each call, a file that all processes of this VM share: gntalloc's device, or the emulation's
 * registry. For locks alone: nobody reads or writes it. -> descriptor, close-on-exec, or -errno.
 */
int vmo_xen_common_file(const struct vmo_xen *xen);

/* Allocates zeroed pages, VMO_XEN_MOST_PAGES at most, and grants each to peer; grefs gets one reference a page. */
int vmo_xen_grant(struct vmo_xen *xen, vmo_domid peer, uint32_t pages, bool writable,
                  struct vmo_grant *out, vmo_gref *grefs);

/* Gives such pages back: no new mappings; pages vanish when the last mapping of either side does. */
int vmo_xen_ungrant(struct vmo_xen *xen, const struct vmo_grant *grant);

/*
 * Maps `pages` of the grant from page `first`, at `fixed` (replacing what is there) or, if that is
 * NULL, anywhere. populate: fill the page tables at once. Readable and writable, shared.
 * -EINVAL, before anything is replaced, if the grant has no such pages.
 */
int vmo_xen_view(struct vmo_xen *xen, const struct vmo_grant *grant, uint32_t first, uint32_t pages,
                 void *fixed, bool populate, void **out);

/* Unmaps a view, by a direct system call (munmap itself is hooked). */
int vmo_xen_unview(struct vmo_xen *xen, void *address, uint32_t pages);

/* At this process's death or close, clear the byte at byte_offset of the grant; no event. */
int vmo_xen_notify_clear(struct vmo_xen *xen, const struct vmo_grant *grant, uint32_t byte_offset);

/* Maps pages that `owner` granted to this domain, VMO_XEN_MOST_PAGES at most (-E2BIG). */
int vmo_xen_map(struct vmo_xen *xen, vmo_domid owner, const vmo_gref *grefs, uint32_t pages,
                bool writable, void **out);
int vmo_xen_unmap(struct vmo_xen *xen, void *address, uint32_t pages);

/*
 * Copies bytes [offset, offset + bytes) of the pages named by grefs (offset counts from the first
 * one) to `to`. Every segment's status is checked: -EIO with the first bad one in the log.
 */
int vmo_xen_copy(struct vmo_xen *xen, vmo_domid owner, const vmo_gref *grefs, uint64_t offset,
                 size_t bytes, void *to);

/* Event channels. A port is local; a remote port travels to the peer by other means. */
int vmo_xen_port_offer(struct vmo_xen *xen, vmo_domid peer, uint32_t *port);
int vmo_xen_port_bind(struct vmo_xen *xen, vmo_domid peer, uint32_t remote, uint32_t *port);
int vmo_xen_port_close(struct vmo_xen *xen, uint32_t port);
int vmo_xen_port_notify(struct vmo_xen *xen, uint32_t port);

/*
 * Sleeps until any event comes or so many nanoseconds pass. 1: an event (or a signal, or one that
 * another thread took: look again), 0: time, or -errno. Whoever binds sees one spurious event.
 */
int vmo_xen_port_wait(struct vmo_xen *xen, uint64_t timeout_ns);

#endif
