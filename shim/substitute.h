/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * substitute.h: which user pages are pool pages, and when that ends.
 *
 *   user buffer   |....|=======================|...|      = whole pages: may be substituted
 *                 head        interior          tail      . partial pages: copied by the sender
 *
 * An association says: user pages [va, va + n) are now the pages of this block. It is made by
 * vmo_subst_prepare at the admitted send and ends by
 *   detach    private pages with the same content come back (late receiver, end of the job)
 *   release   the memory hooks say that the range changes hands (memhook.h)
 * After either, the block keeps the old content for as long as a transfer holds it.
 *
 * A send whose interior is partly in place gets the missing pages only. One that would take more
 * pieces than the caller allows has its associations ended and is substituted anew, as one.
 *
 * Who may: admission.h. Which memory may: memarea.h (no stacks, nothing shared, no files, no locked
 * pages); nothing at all if the program's free() and munmap() are not hooked. The table: assoc.h.
 * How private pages come back: underlay.h.
 *
 * Late receivers, free and munmap end associations only of the pages that they name; the rest of a
 * longer buffer stays in place.
 *
 * Messages with gaps (derived datatypes): others may write into the gaps while pages are changed under them,
 * which MPI forbids only for the message itself. So these are substituted and detached only while the program
 * has one thread (threadhook.h), with its signals held off: vmo_subst_prepare_spaced. Before its second thread
 * is made all associations end once, and the buffers earn them anew by messages without gaps.
 *
 * fork: a child would share substituted pages with its parent. It copies them before fork() returns
 * in either (pthread_atfork; the parent waits for it): an exact, private snapshot. The parent's
 * associations live on: putting private pages under them instead would lose what other threads
 * write meanwhile. The child's own state is empty: it substitutes nothing any more.
 *
 * A full pool: buffers that are sent no more leave it for those that are (subst_evict.c), while the program has
 * one thread. With threads what is in place stays until it is freed, and what finds no room is staged or falls
 * through.
 *
 * No room for private pages (ENOMEM): a detach fails and the association stays. Where the pages
 * change hands all the same (free, munmap, realloc), the block is never used again: leaked, but no
 * wrong data.
 *
 * Threads: one lock, taken by any function; the hooks' listener takes it only if its range is
 * associated. Order: this lock, then a pool's. A pool that calls free() or munmap() on memory of its
 * own under its lock is fine. No malloc.
 * Not handled: memory remapped by direct system calls (vmo_subst_check, for a checked mode, finds
 * it); mprotect to read-only while substituted, which a detach undoes; MADV_HUGEPAGE, which a
 * substitution undoes; devices that registered the buffer after it was substituted, but for those
 * whose cache of registrations is told (regcache.h); children made by _Fork() or by clone(2) itself, which call no
 * handlers of fork: what they write to substituted pages their parent sees.
 */
#ifndef VMO_SUBSTITUTE_H
#define VMO_SUBSTITUTE_H

#include "memhook.h"
#include "threadhook.h"
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

/* Detaches everything and unhooks. Safe with NULL, and in a forked child. */
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
 *   -ENOSPC   admitted, but no room in the pool, or not in so few pieces: stage it or fall through
 *   -errno    a Xen or kernel error; nothing is changed: stage it
 * Pages substituted for another domain are not moved: 0. The caller may not have others write to
 * the range meanwhile (MPI forbids it for a send buffer anyway). pieces: at most 64 are used.
 */
int vmo_subst_prepare(struct vmo_subst *subst, struct vmo_pool *pool, uintptr_t address,
                      size_t bytes, struct vmo_piece *pieces, int most);

/*
 * The same for a range of which only some bytes are the message's. Also 0: the program has threads, or
 * nobody knows whether it has.
 */
int vmo_subst_prepare_spaced(struct vmo_subst *subst, struct vmo_pool *pool, uintptr_t address,
                             size_t bytes, struct vmo_piece *pieces, int most);
/* May such a message go in place now? Cheap. */
bool vmo_subst_may_space(const struct vmo_subst *subst);

/*
 * The pool has no room for a message of so many pages: takes the pages from under the buffer that was not sent for
 * the longest time and that no transfer uses. It gets private pages with the same content, and must earn its next
 * substitution. 1: pages came free; try again, a few times at most. 0: nothing may leave, or not enough. Only while
 * the program has one thread: others may write to any buffer that is not being sent.
 */
#define VMO_EVICT_MOST 64	/* buffers, for one piece of a message */
int vmo_subst_evict(struct vmo_subst *subst, const struct vmo_pool *pool, uint32_t pages);

/*
 * Called now and then, each time for all pools.
 * Buffers that ended in part while they were being sent let go of the pages of that part.
 * Buffers that were not sent in all the time between VMO_TIDY_LOOKS calls and this one leave the pool. Where more than
 * half of it is free they leave its nearly empty runs already when none there was sent since the last call: such
 * runs can then go back (giveback.h). They get private pages with the same content, and must earn their next
 * substitution. Copies VMO_TIDY_PAGES at most, or one buffer of VMO_TIDY_LARGEST; larger ones stay until others need
 * their pages. Only while the program has one thread, as above.
 * Returns how many buffers left.
 */
#define VMO_TIDY_PAGES 1024
#define VMO_TIDY_LARGEST (4 * VMO_TIDY_PAGES)
#define VMO_TIDY_LOOKS 3
unsigned vmo_subst_tidy(struct vmo_subst *subst, struct vmo_pool *const *pool, uint32_t pools);

/*
 * From now on other processes may write to this one's memory at any time (a window of MPI's, for one-sided access): pages
 * change only under messages, and none of those has gaps.
 */
void vmo_subst_windows(struct vmo_subst *subst);

/* The interior of this range will be sent often (a persistent send): it is admitted at its next send. */
void vmo_subst_expect(struct vmo_subst *subst, uintptr_t address, size_t bytes);

/*
 * The receiver is late: takes the message's pages from under whatever whole pages of the range are
 * substituted (exactly what prepare named). They get other pages of the pool with the same content
 * (subst_move.c) or, with no room there, private ones; after the latter the buffer must earn its next
 * substitution by more sends than this one. Others may read the buffer meanwhile, not write. 0, or
 * -errno: what could not be detached is as it was.
 */
int vmo_subst_detach(struct vmo_subst *subst, uintptr_t address, size_t bytes);

/*
 * The program will not send the range any more: its whole pages get private pages again, whatever domain they were
 * granted to, and must earn their next substitution. Others may read them meanwhile, not write. 1: some
 * were in place. 0: none. -errno: what could not be ended is as it was.
 */
int vmo_subst_forget(struct vmo_subst *subst, uintptr_t address, size_t bytes);

/* The same for what vmo_subst_prepare_spaced prepared. */
int vmo_subst_detach_spaced(struct vmo_subst *subst, uintptr_t address, size_t bytes);

/*
 * Checked mode: are the pages that the range claims to have substituted really there
 * (/proc/self/pagemap and maps)? 1: yes. 0: no, some association was stale and is forgotten; stage.
 * -errno: cannot tell.
 */
int vmo_subst_check(struct vmo_subst *subst, uintptr_t address, size_t bytes);

/* For tests and reports: number of associations, pages in them, scars beside them, and the admission rule in force. */
struct vmo_subst_usage { uint32_t associations, pages, scars, need; /* of 1 MiB */ };
struct vmo_subst_usage vmo_subst_usage(struct vmo_subst *subst);

#endif
