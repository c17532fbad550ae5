/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * substitute.h: which user pages are pool pages, and when that ends.
 *
 *   user buffer   |....|=======================|...|      = whole pages: may be substituted
 *                 head        interior          tail      . partial pages: copied by the sender
 *
 * An association says: user pages [va, va + n) are now the pages of this block. It is made by
 * vmo_subst_prepare at the admitted send and ends by
 *   detach    private pages with the same content come back (late receiver, fork, other domain)
 *   release   the memory hooks say that the range changes hands (memhook.h)
 * After either, the block keeps the old content for as long as a transfer holds it.
 *
 * Admission: the n-th send of the same interior substitutes it; before, it is staged. n comes from
 * the costs of copy and substitution measured at start, or from the option.
 *
 * Never substituted: stacks, memory that is not private and writable, files other than the main
 * program's own data, locked memory, and everything if the program's free() is not hooked.
 *
 * The kernel's view at fork: a child would share substituted pages with its parent, so all
 * associations end in the parent just before fork (pthread_atfork prepare): the child gets an exact,
 * private snapshot, whatever the parent writes meanwhile.
 *
 * Threads: one lock; functions may be called from any thread; the release listener too. No malloc
 * under the lock.
 * Not handled: memory remapped by direct system calls; vmo_subst_check (checked mode) finds that.
 */
#ifndef VMO_SUBSTITUTE_H
#define VMO_SUBSTITUTE_H

#include "memhook.h"
#include "pool.h"

struct vmo_subst;

struct vmo_subst_options {
	bool enable;
	bool fork_hook;
	long admission;		/* 0: by measured costs */
	struct vmo_memhook *hook;	/* NULL or not effective: nothing is ever substituted */
};

/* One per process (fork handlers and the hook table are process-wide). -EBUSY for a second. */
int vmo_subst_new(struct vmo_subst **out, const struct vmo_subst_options *options);

/* Detaches everything and unhooks. Safe with NULL. */
void vmo_subst_free(struct vmo_subst *subst);

/* A piece of a message in place: `bytes` from `offset` of the block. */
struct vmo_piece {
	struct vmo_block *block;	/* with a reference for the caller */
	uint32_t offset;
	uint32_t bytes;
};

/*
 * The whole pages of [address, address + bytes) as pieces of blocks granted to this pool's domain,
 * substituting them now if they are admitted. Returns the number of pieces (1..most), in address
 * order, each with one reference for the caller; or
 *   0         not admitted (yet), or may never be: stage it
 *   -ENOSPC   admitted, but no room in the pool: stage it or fall through
 *   -errno    a Xen or kernel error; nothing is changed: stage it
 * Pages substituted for another domain are not moved: 0.
 */
int vmo_subst_prepare(struct vmo_subst *subst, struct vmo_pool *pool, uintptr_t address,
                      size_t bytes, struct vmo_piece *pieces, int most);

/* Puts private pages back under whatever of the range is substituted. 0, or -errno (kept as it was). */
int vmo_subst_detach(struct vmo_subst *subst, uintptr_t address, size_t bytes);

/* Checked mode: are the pages that the range claims to have substituted really there
 * (/proc/self/pagemap, bit 61)? 1 yes, 0 no: the association is stale, -errno: cannot tell. */
int vmo_subst_check(struct vmo_subst *subst, uintptr_t address, size_t bytes);

/* For tests and reports: number of associations, pages in them, and the admission rule in force. */
struct vmo_subst_usage { uint32_t associations, pages; long admission; };
struct vmo_subst_usage vmo_subst_usage(struct vmo_subst *subst);

#endif
