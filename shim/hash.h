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

#include <stdlib.h>

#define HASH_NONFATAL_OOM 1	/* uthash would exit() */
#define NDEBUG			/* utlist would assert() */
#define uthash_malloc(bytes) (vmo_fault(hash) ? NULL : malloc(bytes))
#include <uthash.h>
#include <utlist.h>

#endif
