/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * subst_internal.h: what the four files of the substitution share.
 *
 *   substitute.c     the functions of substitute.h, the lock, the hooks' listener, fork
 *   subst_fill.c     making associations: what is missing, blocks for it, under the user's buffer
 *   subst_release.c  ending them
 *   subst_verify.c   are they still true?
 *
 * All functions here need the lock of substitute.c.
 */
#ifndef VMO_SUBST_INTERNAL_H
#define VMO_SUBST_INTERNAL_H

#include "admission.h"
#include "assoc.h"
#include "substitute.h"

#define VMO_SUBST_PIECES_MOST 64

struct vmo_subst {
	bool in_use, enabled, fork_hook;
	struct vmo_memhook *hook;	/* not NULL if enabled */
	struct vmo_admission admission;
	struct vmo_assoc_table table;
};

/* Why associations end: what the buffer must do to get them again. */
enum vmo_subst_why {
	VMO_WHY_LATE,	/* receiver: earn it again by more sends */
	VMO_WHY_HOOK,	/* free, munmap, ...: the same */
	VMO_WHY_FORK,	/* again at the next send; other threads may be writing */
	VMO_WHY_END,	/* of everything; other threads may be writing */
	VMO_WHY_ANEW,	/* it is about to be substituted again */
};

/* How private pages come back (underlay.h), and what becomes of scars. */
enum vmo_subst_how {
	VMO_HOW_ZERO,	/* no content needed; scars are forgotten */
	VMO_HOW_COPY,	/* the caller alone uses the range; scars are mended */
	VMO_HOW_SWAP,	/* others read it, or write it (vmo_subst_why); leaves scars */
};

/* Tells the hooks what to watch now. */
void vmo_subst_watch(struct vmo_subst *subst);

/*
 * Ends whatever lies in [begin, end), page aligned. Returns the number of substituted buffers that
 * this ended, in whole or in part; *error gets the last error, if any, else stays.
 */
unsigned vmo_subst_release(struct vmo_subst *subst, uintptr_t begin, uintptr_t end, enum vmo_subst_how how,
                           enum vmo_subst_why why, int *error);

/*
 * Gives the substituted pages of the range other pages of their pool. 0, or -errno: some kept theirs
 * (those that moved are sound).
 */
int vmo_subst_move(struct vmo_subst *subst, uintptr_t begin, uintptr_t end);

/* Takes entry i out although its pages may still be mapped; if so, its block never serves again. */
void vmo_subst_abandon(struct vmo_subst *subst, uint32_t i);

/* An entry begins at the address, or none has it inside. 0 or -ENOSPC. */
int vmo_subst_cut(struct vmo_subst *subst, uintptr_t address);

/*
 * Substitutes what of [begin, end) is not yet, so that at most `most` pieces cover it. Returns 0 also
 * if it may not be; the caller looks whether the interior is in place. Or -errno: nothing is changed.
 */
int vmo_subst_fill(struct vmo_subst *subst, struct vmo_pool *pool, uintptr_t begin, uintptr_t end, int most);

/*
 * Looks for associated pages of [begin, end) that are no longer there (/proc/self/pagemap), forgets
 * them, and puts private pages in their place where the mapping is still the pool's. 1: all sound.
 * 0: some were stale. -errno: cannot tell.
 */
int vmo_subst_verify(struct vmo_subst *subst, uintptr_t begin, uintptr_t end);

#endif
