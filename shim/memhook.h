/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memhook.h: told before pages change hands.
 *
 * memhook.c exports free, realloc, munmap, mremap, mmap, madvise, brk, sbrk, malloc_trim and dlclose
 * from the preloaded library. Each calls the real function; before that, if the address range may
 * touch a watched page, it calls the one listener. After malloc_trim and dlclose, which may take any
 * pages, it calls the listener for the whole watched range, to look what is still there.
 *
 *   free(p) -> p >= watch.end? real free          (one compare: the fast path)
 *           -> listener(p, usable size, VMO_RELEASE_DISCARD) -> real free
 *
 * Advice that destroys no content (MADV_HUGEPAGE, MADV_COLD, ...) is not told.
 *
 * A call that can fail and then leaves the memory alone (brk, mmap with MAP_FIXED, mremap, madvise)
 * is told as KEEP, never as DISCARD or UNMAP: the program may go on using what it did not lose.
 *
 * Pages that once were substituted may be a mapping of their own ever after (underlay.h), of which the program knows
 * nothing: where mremap fails for that (EFAULT), the listener may make one of them, and the call is made once more.
 *
 * glibc's inner munmap and MADV_DONTNEED cannot be wrapped, but they only follow a free, realloc or
 * malloc_trim, which are. A free() of less than a page is never told: no whole page is in it, and
 * a page that an association holds lies in one allocation. Not seen: calls through syscall(2), a
 * program that brings its own free(), a library that redirects our functions (UCX with
 * UCX_MEM_MMAP_HOOK_MODE=reloc): effective() tells of the last two.
 *
 * Another allocator (jemalloc, tcmalloc) may lie behind this library: its free(), realloc() and malloc_usable_size() are
 * then the real functions. What it frees by names of its own (dallocx, C++'s delete) is not told and need not be: the
 * pages stay where they are until it calls madvise() or munmap(), which are. One that lies before this library keeps free()
 * to itself, and one that has no malloc_usable_size() cannot say how long a chunk is: effective() tells.
 *
 * Preloaded into everything, so: silent, no allocation, usable before the constructor ran. While the
 * real functions are being looked up, a free leaks its argument and a realloc of something fails.
 *
 * Threads: the listener may be called from any thread, at any time, also while its own thread is in
 * the library and while that library holds locks of its own; it must bear recursion, allocate
 * nothing, not fail, and take no lock for ranges that concern nobody. errno is preserved.
 */
#ifndef VMO_MEMHOOK_H
#define VMO_MEMHOOK_H

#include "vmo.h"

enum vmo_release {
	VMO_RELEASE_KEEP,	/* content must be kept; the caller alone uses the range now (realloc, mremap) */
	VMO_RELEASE_DISCARD,	/* the content is no longer needed, the address range lives on (free) */
	VMO_RELEASE_UNMAP,	/* the address range itself goes (munmap) */
	VMO_RELEASE_CHECK,	/* told afterwards: some pages of the range may be gone (malloc_trim, dlclose) */
	VMO_RELEASE_MEND,	/* told afterwards: mremap found several mappings in the range and did nothing */
};

struct vmo_threadhook;

struct vmo_memhook {
	/* Written by the listener's owner: [begin, end) holds all watched pages; end = 0: none. */
	uintptr_t begin, end;
	void (*listener)(uintptr_t address, size_t bytes, enum vmo_release how);
	struct vmo_threadhook *threads;	/* threadhook.h; NULL: nobody counts them. Written by bind.c */
	/* Written by memhook.c: true if the process's free(), munmap(), ... are ours. Ask before watching. */
	bool (*effective)(void);
};

/* The one hook table of the process. Lives in libvmonecopy.so; handed to the flavour by bind.c. */
extern struct vmo_memhook vmo_memhook_table;

#endif
