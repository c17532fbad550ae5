/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * assoc.h: the table of associations: which user pages are which block's pages.
 *
 *   at[]  sorted by address, never overlapping:
 *         | 0x7f10_0000 .. 0x7f14_0000  block 3, page 0 | 0x7f14_0000 .. 0x7f15_0000  scar | ...
 *
 * A scar is a range that a detach gave private pages to by mremap: the kernel then keeps them in a
 * VMA that never merges with its neighbours, and the program's own mremap over both would fail with
 * EFAULT. Scars are remembered, so that the memory hooks can mend them just before (underlay.h).
 *
 * Threads: all but vmo_assoc_overlaps need the owner's lock. vmo_assoc_overlaps takes none, may run
 * at any time, also in a signal handler and while its own thread changes the table: the memory hooks
 * ask it first, so that a free() of memory that is nobody's business never waits for a lock.
 * No malloc. The table is bounded: -ENOSPC.
 */
#ifndef VMO_ASSOC_H
#define VMO_ASSOC_H

#include "vmo.h"

#define VMO_ASSOC_MOST 4096

struct vmo_block;

struct vmo_assoc {
	uintptr_t begin, end;			/* page aligned */
	struct vmo_block *block;		/* holds one reference; NULL: a scar */
	uint32_t first;				/* the block's page at begin */
	uint32_t uses;				/* sends in place */
	uint32_t last_use;			/* admission.h's clock at the newest of them */
	uintptr_t origin_begin, origin_end;	/* interior of the send that made it */
};

static inline uint32_t vmo_assoc_pages(const struct vmo_assoc *a)
{
	return (uint32_t)((a->end - a->begin) >> VMO_PAGE_SHIFT);
}

struct vmo_assoc_table {
	uint32_t count;
	uint32_t last;		/* where the last search ended */
	uint32_t version;	/* odd: being changed */
	uintptr_t changer;	/* thread that changes it */
	struct vmo_assoc at[VMO_ASSOC_MOST];
};

/* Index of the first entry that ends above the address: the one that holds it, or the next one. */
uint32_t vmo_assoc_find(struct vmo_assoc_table *table, uintptr_t address);

/* Does any entry overlap [begin, end)? Lock-free. */
bool vmo_assoc_overlaps(const struct vmo_assoc_table *table, uintptr_t begin, uintptr_t end);

/* The range must be free. 0 or -ENOSPC. The entry's reference becomes the table's. */
int vmo_assoc_insert(struct vmo_assoc_table *table, const struct vmo_assoc *assoc);

void vmo_assoc_remove(struct vmo_assoc_table *table, uint32_t index);

/*
 * Splits the entry that has the address inside, if any, so that one begins there. Returns 1: split,
 * and both halves name the block, so the caller takes a reference; 0: nothing to split; -ENOSPC.
 */
int vmo_assoc_cut(struct vmo_assoc_table *table, uintptr_t address);

#endif
