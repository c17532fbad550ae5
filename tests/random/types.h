/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * types.h: random datatypes, and what MPI has to make of them, worked out here and not asked of MPI.
 *
 * A layout is one item of a datatype as a list of pieces in type map order:
 *
 *        type map   (double, 8) (int, 0)  (int, 24)
 *        pieces     { 8, 8 }  { 0, 4 }  { 24, 4 }
 *        bytes      | a a a a a a a a | b b b b | c c c c |     as the message has them
 *
 * count items follow each other `extent` bytes apart. Only the extent is asked of MPI, as its rounding of
 * structures is the MPI's own business. No two pieces of a message overlap. Two layouts of the same unit
 * have the same signature up to the shorter one's units.
 */
#ifndef TYPES_H
#define TYPES_H

#include <mpi.h>

#include "plan.h"

struct piece {
	MPI_Aint at;
	long bytes;
};

struct layout {
	MPI_Datatype type;
	bool own;		/* type is to be freed */
	long units;		/* of one item */
	MPI_Aint extent;
	MPI_Aint low, high;	/* the bytes of one item lie in [low, high) */
	struct piece *piece;
	long pieces;
};

/* Once. */
void types_setup(void);
void types_cleanup(void);
/*
 * count items of a random type that have `units` units together, or at least so many where `more`; the
 * count is returned. plain: no derived type, if the unit is none.
 */
long layout_random(struct layout *l, struct rnd *r, enum unit unit, long units, bool more);
void layout_free(struct layout *l);
/* Basic elements of one unit, for MPI_Get_elements. */
int unit_elements(enum unit unit);
/* Natural alignment of a buffer of such units. */
long unit_align(enum unit unit);

/* Walks over `bytes` bytes of message data: scatter, gather, and where the first difference is (or -1). */
void layout_put(const struct layout *l, char *buf, const char *data, long bytes);
void layout_get(const struct layout *l, const char *buf, char *data, long bytes);
/* Sets these bytes to `value`. */
void layout_set(const struct layout *l, char *buf, int value, long bytes);

#endif
