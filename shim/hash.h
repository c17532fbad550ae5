/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hash.h: uthash and utlist, as this library may use them: neither ends the process.
 *
 * An element that found no memory is not in the table, and its handle's tbl is NULL: look at it after
 * each HASH_ADD.
 */
#ifndef VMO_HASH_H
#define VMO_HASH_H

#include "fault.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A handle or an address: one multiplication (Knuth, The Art of Computer Programming 3, 6.4), not uthash's 40 steps. */
static inline unsigned int vmo_hash_word(const void *key, size_t bytes)
{
	uint64_t word = 0;

	memcpy(&word, key, bytes);
	return (unsigned int)(word * 0x9e3779b97f4a7c15u >> 32);
}
#define HASH_FUNCTION(key, bytes, hash) do { \
	if ((bytes) <= sizeof(uint64_t)) \
		(hash) = vmo_hash_word(key, bytes); \
	else \
		HASH_JEN(key, bytes, hash); \
} while (0)

#define HASH_NONFATAL_OOM 1	/* uthash would exit() */
#define NDEBUG			/* utlist would assert() */
#define uthash_malloc(bytes) (vmo_fault(hash) ? NULL : malloc(bytes))
#include <uthash.h>
#include <utlist.h>

#endif
