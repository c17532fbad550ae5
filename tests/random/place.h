/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * place.h: memory of every kind for the messages' buffers.
 *
 * Three arenas live as long as the process: mapped, malloc'ed, and static. Messages take places in them
 * again and again, often the very same, and often right beside another's, within one page. Other memory
 * comes and goes: malloc and free, mmap and munmap, one block that realloc moves about, the stack.
 */
#ifndef PLACE_H
#define PLACE_H

#include <stddef.h>

#include "rnd.h"

#define STACK_BYTES ((size_t)96 << 10)

enum place_kind { P_ARENA, P_MALLOC, P_ALIGNED, P_MMAP, P_REALLOC, P_STACK };

struct place {
	enum place_kind kind;
	int arena;
	char *at;		/* what was asked for: aligned, `bytes` long */
	size_t bytes;
	char *base;		/* what is to be given back */
	size_t all;
};

void places_setup(void);
void places_cleanup(void);
/* stack: STACK_BYTES that may be used, or NULL. */
void place_take(struct place *p, struct rnd *r, size_t bytes, size_t align, char *stack);
void place_give(struct place *p);
/* Something that changes memory that no message uses: malloc_trim, madvise, a new mapping. */
void place_stir(struct rnd *r);

#endif
