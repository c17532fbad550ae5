/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * regcache.h: others in this process who remember memory by its pages: registration caches of transports.
 *
 * Such a cache registers a buffer with a device once and uses that registration for as long as it hears of no munmap. Pages
 * that a substitution or its end replaces are gone for it just so, but its hooks see no call: we make direct system calls.
 *
 *   who                             how it hears of replaced pages           so here
 *   UCX                             ucm_vm_munmap() (ucm/api/ucm.h)          told after each replacement
 *   Open MPI's own caches           opal_mem_hooks_release_hook(), which     not told; nothing is substituted while such a
 *   (leave_pinned: openib, ...)     ends the job with _exit(1) if the        cache listens
 *                                   registration is in use
 *   XPMEM, userfaultfd, on-demand   the kernel tells them                    nothing to do
 *   paging of RDMA devices
 *   anyone who pins pages for a     -                                        nothing is substituted (VmPin: memarea.h)
 *   device: libibverbs, ...
 *
 * Told after, not before: a registration that another thread makes in between is of the old pages. What was registered
 * before reads the old pages, whose content is the message's: during a send nobody writes to the buffer (MPI).
 *
 * Not handled: memory that is substituted first, then pinned for long (an RMA window over RDMA), then detached; libfabric's
 * cache with its monitor `memhooks` where the device's driver counts no VmPin; a UCX that is loaded after MPI_Init.
 *
 * Threads: any for holds and tell; these take no lock but UCX's own, which no one holds over malloc() or free() (its
 * callbacks come from within them). Not in a forked child.
 */
#ifndef VMO_REGCACHE_H
#define VMO_REGCACHE_H

#include "vmo.h"

/* Looks who is in this process. Hold no lock: the loader's is taken. */
void vmo_regcache_find(void);

/* Does a cache listen that cannot be told? */
bool vmo_regcache_bars(void);

/* The pages of [begin, begin + bytes) were replaced. */
void vmo_regcache_tell(uintptr_t begin, size_t bytes);

#endif
