/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memhook.h: told before pages change hands.
 *
 * memhook.c exports free, realloc, munmap, mremap, mmap, madvise, brk, sbrk, malloc_trim and dlclose
 * from the preloaded library. Each calls the real function; before that, if the address range may
 * touch a watched page, it calls the one listener.
 *
 *   free(p) -> p >= watch.end? real free          (one compare: the fast path)
 *           -> listener(p, usable size, VMO_RELEASE_DISCARD) -> real free
 *
 * glibc's inner munmap and MADV_DONTNEED cannot be wrapped, but they only follow a free, realloc or
 * malloc_trim, which are. Not seen: calls through syscall(2), and a program that brings its own
 * free(): vmo_memhook_effective() tells.
 *
 * Threads: the listener may be called from any thread, at any time, also while its own thread is in
 * the library; it must bear recursion, allocate nothing and not fail. errno is preserved.
 */
#ifndef VMO_MEMHOOK_H
#define VMO_MEMHOOK_H

#include "vmo.h"

enum vmo_release {
	VMO_RELEASE_KEEP,	/* the range lives on: its content must be kept (realloc, mremap, madvise) */
	VMO_RELEASE_DISCARD,	/* the content is no longer needed, the address range lives on (free) */
	VMO_RELEASE_UNMAP,	/* the address range itself goes (munmap, mmap with MAP_FIXED, brk) */
};

struct vmo_memhook {
	/* Written by the listener's owner: [begin, end) holds all watched pages; end = 0: none. */
	uintptr_t begin, end;
	void (*listener)(uintptr_t address, size_t bytes, enum vmo_release how);
	/* Written by memhook.c: true if the process's free() is ours. */
	bool (*effective)(void);
};

/* The one hook table of the process. Lives in libvmonecopy.so; handed to the flavour by bind.c. */
extern struct vmo_memhook vmo_memhook_table;

#endif
