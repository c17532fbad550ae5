/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* types_make.h: between types.c and types_make.c. */
#ifndef TYPES_MAKE_H
#define TYPES_MAKE_H

#include "types.h"

/* Appends a piece. */
void layout_add(struct layout *l, MPI_Aint at, long bytes);
/* Asks for the extent and commits; the type is the layout's own from here on. */
void layout_commit(struct layout *l);
/* One unit; its type is not the layout's own. */
void layout_unit(struct layout *l, struct rnd *r, enum unit unit);

#endif
