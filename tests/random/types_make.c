/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * types_make.c: one function for each type constructor. Each makes from `of`, which it frees, a type of so
 * many times its units. Items of `of` may stand side by side: its bytes lie within its extent.
 */
#include <stdlib.h>

#include "quirks.h"
#include "types_make.h"
#include "verify.h"

#define MOST_BLOCKS 48

/* n items of `of` from byte `at` on. */
static void place(struct layout *l, const struct layout *of, MPI_Aint at, long n)
{
	if (of->pieces == 1 && of->piece[0].bytes == of->extent) {
		layout_add(l, at + of->piece[0].at, n * of->extent);
		return;
	}
	for (long i = 0; i < n; i++, at += of->extent)
		for (long p = 0; p < of->pieces; p++)
			layout_add(l, at + of->piece[p].at, of->piece[p].bytes);
}

/* The new type's layout takes the place of the old. */
static void become(struct layout *l, struct layout *of, long items)
{
	l->units = of->units * items;
	layout_commit(l);
	layout_free(of);
	*of = *l;
}

static void contiguous(struct layout *of, struct rnd *r, long items)
{
	struct layout l = { 0 };

	DO(MPI_Type_contiguous((int)items, of->type, &l.type));
	place(&l, of, 0, items);
	become(&l, of, items);
}

static void duplicate(struct layout *of, struct rnd *r, long items)
{
	struct layout l = { 0 };

	if (items != 1) {
		contiguous(of, r, items);
		return;
	}
	DO(MPI_Type_dup(of->type, &l.type));
	place(&l, of, 0, 1);
	become(&l, of, 1);
}

/* A divisor of n, at most MOST_BLOCKS. */
static long divisor(struct rnd *r, long n)
{
	for (int i = 0; i < 12; i++) {
		long d = rnd_range(r, 1, n < MOST_BLOCKS ? n : MOST_BLOCKS);
		if (n % d == 0)
			return d;
	}
	return 1;
}

static void vector(struct layout *of, struct rnd *r, long items)
{
	struct layout l = { 0 };
	long n = divisor(r, items), each = items / n, stride = each + rnd_below(r, 4);

	DO(MPI_Type_vector((int)n, (int)each, (int)stride, of->type, &l.type));
	for (long i = 0; i < n; i++)
		place(&l, of, i * stride * of->extent, each);
	become(&l, of, items);
}

/* Its stride may go backwards. */
static void hvector(struct layout *of, struct rnd *r, long items)
{
	struct layout l = { 0 };
	long n = divisor(r, items), each = items / n;
	MPI_Aint align = of->extent % 8 == 0 ? 8 : of->extent % 4 == 0 ? 4 : of->extent % 2 == 0 ? 2 : 1;
	MPI_Aint stride = each * of->extent + align * rnd_below(r, 9);

	if (rnd_chance(r, 25))
		stride = -stride - QUIRK_BACKWARDS_GAP * align;
	DO(MPI_Type_create_hvector((int)n, (int)each, stride, of->type, &l.type));
	for (long i = 0; i < n; i++)
		place(&l, of, i * stride, each);
	become(&l, of, items);
}

/* Blocks with gaps between; the displacements count items, and some blocks may have no item. */
struct blocks {
	int n, length[MOST_BLOCKS], at[MOST_BLOCKS];
	MPI_Aint byte[MOST_BLOCKS];
};

static void blocks(struct blocks *b, struct rnd *r, long items, MPI_Aint extent)
{
	long left = items, at = rnd_below(r, 3);

	b->n = (int)rnd_range(r, 1, MOST_BLOCKS - 1);
	for (int i = 0; i < b->n; i++) {
		long n = i == b->n - 1 ? left : rnd_below(r, 2 * left / (b->n - i) + 1);
		b->length[i] = (int)(n > left ? left : n);
		b->at[i] = (int)at;
		left -= b->length[i];
		at += b->length[i] + rnd_below(r, 3);
	}
	for (int i = b->n - 1; i > 0 && b->n % 3 == 0; i--) {	/* in disorder */
		int j = (int)rnd_below(r, i + 1), length = b->length[i], from = b->at[i];
		b->length[i] = b->length[j], b->at[i] = b->at[j];
		b->length[j] = length, b->at[j] = from;
	}
	for (int i = 0; i < b->n; i++)
		b->byte[i] = b->at[i] * extent;
}

static void place_blocks(struct layout *l, const struct layout *of, const struct blocks *b)
{
	for (int i = 0; i < b->n; i++)
		place(l, of, b->byte[i], b->length[i]);
}

static void indexed(struct layout *of, struct rnd *r, long items)
{
	struct layout l = { 0 };
	struct blocks b;

	blocks(&b, r, items, of->extent);
	DO(MPI_Type_indexed(b.n, b.length, b.at, of->type, &l.type));
	place_blocks(&l, of, &b);
	become(&l, of, items);
}

static void hindexed(struct layout *of, struct rnd *r, long items)
{
	struct layout l = { 0 };
	struct blocks b;

	blocks(&b, r, items, of->extent);
	DO(MPI_Type_create_hindexed(b.n, b.length, b.byte, of->type, &l.type));
	place_blocks(&l, of, &b);
	become(&l, of, items);
}

static void struct_of(struct layout *of, struct rnd *r, long items)
{
	struct layout l = { 0 };
	MPI_Datatype types[MOST_BLOCKS];
	struct blocks b;

	blocks(&b, r, items, of->extent);
	for (int i = 0; i < b.n; i++)
		types[i] = of->type;
	DO(MPI_Type_create_struct(b.n, b.length, b.byte, types, &l.type));
	place_blocks(&l, of, &b);
	become(&l, of, items);
}

static void indexed_block(struct layout *of, struct rnd *r, long items)
{
	struct layout l = { 0 };
	long n = divisor(r, items), each = items / n;
	struct blocks b = { .n = (int)n };
	bool in_bytes = rnd_chance(r, 50);

	for (long i = 0, at = 0; i < n; i++, at += each + rnd_below(r, 3)) {
		b.length[i] = (int)each, b.at[i] = (int)at;
		b.byte[i] = at * of->extent;
	}
	if (in_bytes)
		DO(MPI_Type_create_hindexed_block(b.n, (int)each, b.byte, of->type, &l.type));
	else
		DO(MPI_Type_create_indexed_block(b.n, (int)each, b.at, of->type, &l.type));
	place_blocks(&l, of, &b);
	become(&l, of, items);
}

/* A block of a matrix, rows first or columns first; the items come in memory order either way. */
static void subarray(struct layout *of, struct rnd *r, long items)
{
	struct layout l = { 0 };
	long rows = divisor(r, items), row = items / rows;
	int part[2] = { (int)rows, (int)row }, from[2] = { (int)rnd_below(r, 3), (int)rnd_below(r, 3) };
	int whole[2] = { part[0] + from[0] + (int)rnd_below(r, 3), part[1] + from[1] + (int)rnd_below(r, 3) };
	bool fortran = rnd_chance(r, 50);
	int p[2] = { part[fortran], part[!fortran] }, w[2] = { whole[fortran], whole[!fortran] };
	int f[2] = { from[fortran], from[!fortran] };

	DO(MPI_Type_create_subarray(2, w, p, f, fortran ? MPI_ORDER_FORTRAN : MPI_ORDER_C, of->type, &l.type));
	for (int i = 0; i < part[0]; i++)
		place(&l, of, ((from[0] + i) * (MPI_Aint)whole[1] + from[1]) * of->extent, row);
	become(&l, of, items);
}

/* Another lower bound and a longer extent around the bytes. */
static void resize(struct layout *of, struct rnd *r)
{
	struct layout l = { 0 };
	MPI_Aint low = of->low & ~(MPI_Aint)7, extent = ((of->high - low + 7) & ~(MPI_Aint)7) + 8 * rnd_below(r, 4);

	DO(MPI_Type_create_resized(of->type, low - 8 * rnd_below(r, 2), extent, &l.type));
	place(&l, of, 0, 1);
	become(&l, of, 1);
}

static void make(struct layout *l, struct rnd *r, enum unit unit, long units, int depth)
{
	static void (*const constructor[])(struct layout *of, struct rnd *r, long items) = {
		contiguous, duplicate, vector, hvector, indexed, hindexed, struct_of, indexed_block, subarray,
	};
	long inner = depth > 0 && rnd_chance(r, 50) ? divisor(r, units) : 1;

	if (inner > 1)
		make(l, r, unit, inner, depth - 1);
	else
		layout_unit(l, r, unit);
	RND_PICK(r, constructor)(l, r, units / inner);
}

/* Columns of a matrix: items that lie between each other. Its units are those of one column. */
static void column(struct layout *l, struct rnd *r, enum unit unit, long units, long columns)
{
	struct layout v = { .units = units };
	MPI_Datatype raw;

	layout_unit(l, r, unit);
	DO(MPI_Type_vector((int)units, 1, (int)columns, l->type, &raw));
	DO(MPI_Type_create_resized(raw, 0, l->extent, &v.type));
	DO(MPI_Type_free(&raw));
	for (long i = 0; i < units; i++)
		place(&v, l, i * columns * l->extent, 1);
	layout_commit(&v);
	layout_free(l);
	*l = v;
}

long layout_random(struct layout *l, struct rnd *r, enum unit unit, long units, bool more)
{
	long kind = rnd_below(r, 100), items;

	if (units == 0 || kind < 45) {
		layout_unit(l, r, unit);
		return units;
	}
	items = kind < 60 ? 1 : kind < 90 ? divisor(r, units) : rnd_range(r, 1, 5);
	if (units % items && !more)
		items = 1;
	if (kind >= 95 && units / items > 1 && units / items < 200 && items > 1) {
		column(l, r, unit, (units + items - 1) / items, items);
		return items;
	}
	make(l, r, unit, (units + items - 1) / items, (int)rnd_below(r, 3));
	if (rnd_chance(r, 30))
		resize(l, r);
	return items;
}
