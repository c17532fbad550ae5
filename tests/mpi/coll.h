/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * coll.h: what the tests of collectives share. Include it instead of t.h.
 *
 * The reference is computed by each rank itself, never by another collective: payload is a function of (owner, target,
 * sequence, offset), put into a buffer of any datatype by MPI_Unpack. What a receive buffer must hold, gaps and guards
 * included, is made the same way in a second buffer that was poisoned, and both are compared whole.
 *
 * All ranks draw the same random numbers (c_random), so that all make the same calls; what differs by rank is a
 * function of them and the rank. The seed is fixed.
 *
 *   types    of doubles, 1, 2, 3 or 4 each, contiguous or with gaps; sender and receiver may use different ones
 *   sizes    in dozens of doubles: none, one, around the threshold, a few pages, large
 *   comms    the world, a duplicate, reversed, halves of it (even and odd ranks), shuffled, all but the last rank
 */
#ifndef COLL_H
#define COLL_H

#include "t.h"

static uint64_t c_state = 88172645463325252u;

static T_UNUSED unsigned c_random(unsigned below)
{
	c_state ^= c_state << 13;
	c_state ^= c_state >> 7;
	c_state ^= c_state << 17;
	return (unsigned)((c_state >> 16) % below);
}

/* A number that is the same on all ranks for the same words. */
static T_UNUSED unsigned c_hash(unsigned a, unsigned b, unsigned c, unsigned below)
{
	return (unsigned)((t_word((int)a, (int)b, (int)c, 7) >> 20) % below);
}

/* ---- types ---- */

#define C_TYPES 6
static MPI_Datatype c_type[C_TYPES];
static int c_doubles[C_TYPES] = { 1, 2, 3, 4, 1, 3 };

static T_UNUSED void c_types_make(void)
{
	MPI_Datatype gap;

	MPI_Type_dup(MPI_DOUBLE, &c_type[0]);
	MPI_Type_contiguous(2, MPI_DOUBLE, &c_type[1]);
	MPI_Type_vector(3, 1, 2, MPI_DOUBLE, &c_type[2]);
	MPI_Type_indexed(2, (int[]){ 1, 3 }, (int[]){ 1, 4 }, MPI_DOUBLE, &gap);
	MPI_Type_create_resized(gap, 0, 8 * 8, &c_type[3]);
	MPI_Type_free(&gap);
	MPI_Type_create_resized(MPI_DOUBLE, -8, 24, &c_type[4]);
	MPI_Type_contiguous(3, MPI_DOUBLE, &c_type[5]);
	for (int i = 0; i < C_TYPES; i++)
		MPI_Type_commit(&c_type[i]);
}

static T_UNUSED void c_types_free(void)
{
	for (int i = 0; i < C_TYPES; i++)
		MPI_Type_free(&c_type[i]);
}

/* So many dozens of doubles, in elements of the type. */
static T_UNUSED int c_count(int dozens, int type)
{
	return dozens * 12 / c_doubles[type];
}

static T_UNUSED size_t c_extent(int type)
{
	MPI_Aint lb, extent;

	MPI_Type_get_extent(c_type[type], &lb, &extent);
	return (size_t)extent;
}

/* Bytes from an element's address that an array of so many dozens may touch. */
static T_UNUSED size_t c_span(int dozens, int type)
{
	return (size_t)c_count(dozens, type) * c_extent(type) + 64;
}

static T_UNUSED int c_dozens(void)
{
	static const int sizes[] = { 0, 1, 7, 20, 169, 170, 171, 172, 400, 700, 2730, 2731, 5000, 12000 };
	return sizes[c_random(sizeof sizes / sizeof sizes[0])];
}

/* ---- payload ---- */

static T_UNUSED void c_put(void *at, int dozens, int type, int owner, int target, int sequence)
{
	int bytes = dozens * 96, position = 0;
	char *packed = malloc((size_t)bytes + 8);

	t_fill(packed, (size_t)bytes, owner, target, sequence);
	MPI_Unpack(packed, bytes, &position, at, c_count(dozens, type), c_type[type], MPI_COMM_SELF);
	free(packed);
}

/* A buffer with what must be in it. Pieces are put by c_send or c_expect; c_compare compares. */
struct c_buf {
	char *at, *want;		/* the user's part */
	char *base, *base_want;
	size_t all;
};

#define C_MARGIN 256

static T_UNUSED struct c_buf c_new(size_t bytes, size_t skew)
{
	struct c_buf b = { .all = bytes + skew + 2 * C_MARGIN };

	b.base = malloc(b.all);
	b.base_want = malloc(b.all);
	CHECK(b.base && b.base_want);
	memset(b.base, T_POISON, b.all);
	memset(b.base_want, T_POISON, b.all);
	b.at = b.base + C_MARGIN + skew;
	b.want = b.base_want + C_MARGIN + skew;
	return b;
}

static T_UNUSED void c_free(struct c_buf *b)
{
	free(b->base);
	free(b->base_want);
}

/* The piece is there before the call, and must be there after it. */
static T_UNUSED void c_send(struct c_buf *b, size_t offset, int dozens, int type, int owner, int target, int sequence)
{
	c_put(b->at + offset, dozens, type, owner, target, sequence);
	c_put(b->want + offset, dozens, type, owner, target, sequence);
}

/* The piece must be there after the call. */
static T_UNUSED void c_expect(struct c_buf *b, size_t offset, int dozens, int type, int owner, int target, int sequence)
{
	c_put(b->want + offset, dozens, type, owner, target, sequence);
}

#define C_COMPARE(b, ...) do { \
	size_t c_at = 0; \
	if (memcmp((b)->base, (b)->base_want, (b)->all)) { \
		while ((b)->base[c_at] == (b)->base_want[c_at]) \
			c_at++; \
		fprintf(stderr, __VA_ARGS__); \
		FAIL(": byte %ld of %ld is wrong: %02x, not %02x", (long)(c_at + (size_t)((b)->base - (b)->at)), \
		     (long)(b)->all, (b)->base[c_at] & 255, (b)->base_want[c_at] & 255); \
	} \
} while (0)

/* ---- communicators ---- */

#define C_COMMS 6
static MPI_Comm c_comm[C_COMMS];
static const char *const c_comm_name[C_COMMS] = { "world", "dup", "reversed", "halves", "shuffled", "not the last" };

static T_UNUSED void c_comms_make(void)
{
	int last = t_size > 1 && t_rank == t_size - 1;

	c_comm[0] = MPI_COMM_WORLD;
	MPI_Comm_dup(MPI_COMM_WORLD, &c_comm[1]);
	MPI_Comm_split(MPI_COMM_WORLD, 0, -t_rank, &c_comm[2]);
	MPI_Comm_split(MPI_COMM_WORLD, t_rank / 2, 0, &c_comm[3]);
	MPI_Comm_split(MPI_COMM_WORLD, 0, (int)c_hash(3, (unsigned)t_rank, 5, 1000), &c_comm[4]);
	MPI_Comm_split(MPI_COMM_WORLD, last ? MPI_UNDEFINED : 0, 0, &c_comm[5]);
}

static T_UNUSED void c_comms_free(void)
{
	for (int i = 1; i < C_COMMS; i++)
		if (c_comm[i] != MPI_COMM_NULL)
			MPI_Comm_free(&c_comm[i]);
}

#endif
