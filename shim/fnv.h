/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fnv.h: FNV-1a, 64 bits (draft-eastlake-fnv, section 2): digests that ranks compare. Not against malice.
 */
#ifndef VMO_FNV_H
#define VMO_FNV_H

#include <stddef.h>
#include <stdint.h>

#define VMO_FNV_BEGIN 0xcbf29ce484222325u

/* `hash`, VMO_FNV_BEGIN at first, with these bytes in it. */
static inline uint64_t vmo_fnv1a(uint64_t hash, const void *data, size_t bytes)
{
	for (const unsigned char *p = data; bytes--; p++)
		hash = (hash ^ *p) * 0x100000001b3u;
	return hash;
}

#endif
