/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memarea.h: which memory may get other pages? Asked once per substitution, of /proc/self/maps.
 *
 *   allowed   private, readable and writable, and anonymous (malloc, mmap, heap) or the main program's
 *             own .data and .bss
 *   not       the main stack; the VMA that this thread's stack pointer is in; other threads' stacks (a
 *             VMA right above a small ---p guard, unless it begins at a multiple of 64 MiB: that is
 *             a malloc arena of glibc); libraries' data; files; shared memory; huge pages of
 *             hugetlbfs; anything at all while the process has locked pages (VmLck) or pages pinned
 *             for a device (VmPin), which knows them by their old address in memory
 *
 * When in doubt the answer is no: the message is then staged.
 * Threads: any; no malloc, no stdio. Takes 20 us and more: it grows with the number of VMAs.
 */
#ifndef VMO_MEMAREA_H
#define VMO_MEMAREA_H

#include "vmo.h"

/* May all pages of [begin, end) be substituted? */
bool vmo_memarea_allows(uintptr_t begin, uintptr_t end);

/*
 * Is the kernel known not to be writing to this process's memory for a device? Not if it has pinned pages (VmPin, VmLck), or
 * the program has a context for asynchronous input and output (io_setup, io_uring_setup): what was asked for may arrive at any
 * time, in the pages that were there when it was asked for. Also false if /proc does not say.
 * Not seen: io_uring in memory of the program's own (IORING_SETUP_NO_MMAP).
 */
bool vmo_memarea_quiet(void);

/*
 * Is this page of a file or of shared memory (as pool pages are), rather than private and anonymous?
 * pagemap: a descriptor of /proc/self/pagemap. 1, 0 (also if no page is present), or -errno.
 */
int vmo_memarea_shared(int pagemap, uintptr_t page);

/*
 * Are the pages at `at` those at `view`: shared mappings of the same place in the same file? 1, 0, or -errno.
 * *bytes: asked for; becomes how far at least the answer holds.
 */
int vmo_memarea_alike(uintptr_t at, uintptr_t view, size_t *bytes);

#endif
