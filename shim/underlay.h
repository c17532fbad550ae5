/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * underlay.h: puts private pages back under user memory.
 *
 *   zero   fresh pages; the content does not matter
 *   copy   content kept; the caller alone uses the range:   map over it, then copy into it
 *   swap   content kept while others read the range:        copy elsewhere, then mremap over it
 *   mend   after a swap: one VMA with the neighbours again; the caller alone uses the range. Where the program had
 *          moved its mapping (mremap), new pages are a VMA of their own after zero and copy, too: the kernel numbers
 *          the neighbours' pages by the place where they were first. Then the whole mapping is mended, not before
 *          an mremap fails (memhook.h).
 *
 *            private     pool pages       private            after zero, copy, mend: one VMA again;
 *   user     |...........|================|............|     after swap: three, for the kernel numbers
 *   view                 |================|                  a moved VMA's pages by its old place
 *
 * A reader never sees other bytes than those of the message (swap: mremap exchanges the pages at one
 * instant). Writers in other threads, and readers of what they wrote, are safe only while the range
 * is a message under way, when MPI forbids them. At the end of the job (MPI_Finalize) nobody does:
 * what is written between the copy and the exchange is in the pool pages alone; with `settle` swap
 * looks for it and carries it over, microseconds later.
 *
 * Where the kernel takes the old pages and then gives no others, swap makes it good by copy.
 *
 * All by direct system calls: they reach no hook. No malloc. 0 or -errno: then nothing has changed.
 */
#ifndef VMO_UNDERLAY_H
#define VMO_UNDERLAY_H

#include "vmo.h"

int vmo_underlay_zero(uintptr_t at, size_t bytes);
int vmo_underlay_copy(uintptr_t at, size_t bytes, const void *view);
int vmo_underlay_swap(uintptr_t at, size_t bytes, const void *view, bool settle);
int vmo_underlay_mend(uintptr_t at, size_t bytes);

#endif
