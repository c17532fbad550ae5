/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fakexen.h: what the fuzzers' own xen.c adds to shim/xen.h.
 *
 * All domains' pages lie in one file in memory, mapped once whole: the arena. Page n has the reference
 * FAKE_GREF + n, so references repeat from run to run. A mapping lies between two pages that nobody may touch.
 *
 *   vmo_xen_grant        the lowest gap of the arena
 *   vmo_xen_map, _view   pages of the file, once more
 *   vmo_xen_copy         memcpy from the arena, with limits, because a run of a fuzzer is to be short
 *
 * As on Xen: a page is mapped only by whom it was granted to, and writable only if granted so. Not as on Xen: a
 * mapping of more than FAKE_MAP_MOST pages is refused (as with a full maptrack table); events never come.
 * Threads: map, unmap and copy of different threads, as long as nothing is granted meanwhile.
 */
#ifndef FAKEXEN_H
#define FAKEXEN_H

#include "xen.h"

#define FAKE_PAGES 512u
#define FAKE_GREF 8u
#define FAKE_MAP_MOST 128u
#define FAKE_COPY_MOST ((uint64_t)16 << 20)

extern char *fake_arena;

/* Called wherever the peer might write just then: map, copy, and each load from a mapping (loads.c). NULL: nothing. */
extern void (*fake_meanwhile)(void);

/* Does the address lie in a mapping of another domain's page? */
bool fake_is_shared(const void *at);

/* Bytes that vmo_xen_copy may still copy before it fails; set to FAKE_COPY_MOST for each run. */
extern uint64_t fake_copy_left;

/* What is granted or mapped at present. */
extern uint32_t fake_granted, fake_mapped;

static inline void *fake_page(vmo_gref gref)
{
	return fake_arena + (size_t)(gref - FAKE_GREF) * VMO_PAGE_BYTES;
}

#endif
