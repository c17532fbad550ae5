/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * subst_internal.h: what the files of the substitution share.
 *
 *   substitute.c     the functions of substitute.h, the lock, the hooks' listener
 *   subst_fork.c     what fork does to it
 *   subst_spaced.c   messages with gaps, and the program's threads
 *   subst_fill.c     making associations: what is missing, blocks for it, under the user's buffer
 *   subst_release.c  ending them
 *   subst_evict.c    which ones, if the pool is full
 *   subst_tidy.c     which ones, if nobody sends them
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
	bool spaced;			/* a range with gaps was prepared */
	bool gaps;			/* what is being prepared has some: no message's, the program may have them written */
	bool windows;			/* others may write where they like (MPI_Win_create) */
	bool crowded;			/* the program has, or may have, threads: no more such ranges */
	bool apart;			/* all associations ended before there were any */
	unsigned long tasks;		/* in /proc/self/task when the library began, */
	uint32_t of_mpi;		/* and the threads that the MPI had made by then */
	uintptr_t owner;		/* the thread that began */
	struct vmo_memhook *hook;	/* not NULL if enabled */
	uint32_t tidied[VMO_TIDY_LOOKS];	/* the clock at the last calls of vmo_subst_tidy, the newest first */
	uintptr_t once_begin, once_end;	/* all that ever was substituted lies in between */
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
	VMO_WHY_ROOM,	/* others need the pages: earn it again by more sends */
};

/* How private pages come back (underlay.h), and what becomes of scars. */
enum vmo_subst_how {
	VMO_HOW_ZERO,	/* no content needed; scars are forgotten */
	VMO_HOW_COPY,	/* the caller alone uses the range; scars are mended */
	VMO_HOW_SWAP,	/* others read it, or write it (vmo_subst_why); leaves scars */
};

/* The lock; it bears recursion. */
void vmo_subst_lock(void);
void vmo_subst_unlock(void);

/* Puts private pages under everything, while others may be writing. Returns how many buffers. */
unsigned vmo_subst_end_all(struct vmo_subst *subst, enum vmo_subst_why why);

/* The pieces if associations of this pool cover all of [begin, end), else 0. */
int vmo_subst_in_place(struct vmo_subst *subst, const struct vmo_pool *pool, uintptr_t begin, uintptr_t end,
                       struct vmo_piece *pieces, int most);

/* subst_spaced.c: begins and ends listening for threads. */
void vmo_subst_count_threads(struct vmo_subst *subst, struct vmo_threadhook *threads);
void vmo_subst_forget_threads(struct vmo_subst *subst);

/* Has the program one thread, this one? Looks at /proc/self/task, too. */
bool vmo_subst_alone(struct vmo_subst *subst);

/* And does nobody else write to its memory, as far as can be known? Before pages change that are no message under way. */
bool vmo_subst_undisturbed(struct vmo_subst *subst);

/* subst_fork.c: the handlers of fork, once in a process. 0 or -ENOMEM. */
int vmo_subst_hook_fork(void);
void vmo_subst_reset_lock(void);
extern struct vmo_subst vmo_subst_the_one;

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

/*
 * subst_evict.c: whose pages are taken for others. Only a buffer of this pool that was not sent for more than
 * `age` sends, has no byte in [begin, end) and no transfer under way; the longest unsent one first.
 */
struct vmo_eviction {
	const struct vmo_pool *pool;
	uint32_t pages;		/* wanted: if so many cannot come free, nothing is evicted in vain */
	uint32_t age;
	uintptr_t begin, end;
};

/* Sends since its last one. */
uint32_t vmo_subst_age(const struct vmo_subst *subst, const struct vmo_assoc *a);

/* Has the block references of others than associations? */
bool vmo_subst_in_transfer(const struct vmo_subst *subst, const struct vmo_block *block);

/* Private pages, with the content, under all that is associated with the block. Only if undisturbed. Number of buffers. */
unsigned vmo_subst_evict_block(struct vmo_subst *subst, const struct vmo_block *block);

/* True: pages came free, try again. */
bool vmo_subst_evict_one(struct vmo_subst *subst, const struct vmo_eviction *wish);

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
 * Looks for associated pages of [begin, end) that are no longer there (/proc/self/pagemap: bit 61 tells a shared page
 * from a private one), forgets them, and puts private pages in their place where the mapping is still the pool's.
 * exact: also asks /proc/self/maps whether the mapping is that of the block (device, inode, offset): other shared memory
 * of the program's passes pagemap, whose frame numbers only root sees. 1: all sound. 0: some were stale. -errno: cannot
 * tell.
 */
int vmo_subst_verify(struct vmo_subst *s, uintptr_t begin, uintptr_t end, bool exact);

#endif
