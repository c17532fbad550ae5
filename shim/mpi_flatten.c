/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A derived datatype as strips (shape.h), by MPI_Type_get_envelope and MPI_Type_get_contents (MPI 3.1,
 * 4.1.13): every constructor, in type map order. Constructors are applied to lists of strips: first what
 * one element of the inner type is, then the list as often and as far apart as the constructor says.
 *
 * Not flattened (-ENOTSUP; such types are packed by MPI): predefined types with gaps that MPI does not
 * describe, subarrays and distributed arrays made by MPI 4's large-count calls, and types of more than
 * VMO_STRIPS_MOST strips.
 *
 * Inner types got from MPI_Type_get_contents are handles of their own, freed here unless predefined. An
 * inner type need not be committed.
 */
#include "mpi_shim.h"

#include <errno.h>
#include <stdlib.h>

/* What a constructor was given. Counts, lengths and displacements in the order of MPI's own text. */
struct recipe {
	int combiner;
	int types;
	bool large;		/* by a large-count call */
	int64_t *n;		/* integers, then addresses */
	MPI_Datatype *type;
};

static int flatten(MPI_Datatype type, struct vmo_strips *out);

/* ---- reading the recipe ---- */

static int get_envelope(MPI_Datatype type, MPI_Count number[4], int *combiner)
{
#if MPI_VERSION >= 4
	return shim.mpi.Type_get_envelope_c(type, &number[0], &number[1], &number[2], &number[3], combiner);
#else
	int ni, na, nd;
	int rc = shim.mpi.Type_get_envelope(type, &ni, &na, &nd, combiner);

	number[0] = ni, number[1] = na, number[2] = 0, number[3] = nd;
	return rc;
#endif
}

int vmo_type_combiner(MPI_Datatype type)
{
	MPI_Count number[4];
	int combiner;

	return get_envelope(type, number, &combiner) == MPI_SUCCESS ? combiner : MPI_UNDEFINED;
}

/* Handles of MPI's contents are ours to free, but those of predefined types. */
static void free_type(MPI_Datatype type)
{
	int combiner = vmo_type_combiner(type);

	if (combiner != MPI_COMBINER_NAMED && combiner != MPI_COMBINER_F90_REAL && combiner != MPI_COMBINER_F90_COMPLEX &&
	    combiner != MPI_COMBINER_F90_INTEGER && combiner != MPI_UNDEFINED)
		shim.mpi.Type_free(&type);
}

static void forget(struct recipe *r)
{
	for (int i = 0; i < r->types; i++)
		free_type(r->type[i]);
	free(r->type);
	free(r->n);
}

static int read_contents(MPI_Datatype type, const MPI_Count number[4], struct recipe *r)
{
	int *ints = malloc(((size_t)number[0] + 1) * sizeof *ints);
	MPI_Aint *aints = malloc(((size_t)number[1] + 1) * sizeof *aints);
	MPI_Count *counts = malloc(((size_t)number[2] + 1) * sizeof *counts);
	int rc = MPI_ERR_NO_MEM;

	if (ints && aints && counts)
#if MPI_VERSION >= 4
		rc = shim.mpi.Type_get_contents_c(type, number[0], number[1], number[2], number[3], ints, aints, counts,
		                                  r->type);
#else
		rc = shim.mpi.Type_get_contents(type, (int)number[0], (int)number[1], (int)number[3], ints, aints, r->type);
#endif
	for (MPI_Count i = 0; rc == MPI_SUCCESS && i < number[0]; i++)
		r->n[i] = ints[i];
	for (MPI_Count i = 0; rc == MPI_SUCCESS && i < number[1]; i++)
		r->n[number[0] + i] = aints[i];
	for (MPI_Count i = 0; rc == MPI_SUCCESS && i < number[2]; i++)
		r->n[number[0] + number[1] + i] = counts[i];
	free(ints);
	free(aints);
	free(counts);
	return rc == MPI_SUCCESS ? 0 : -ENOTSUP;
}

static int read_recipe(MPI_Datatype type, struct recipe *r)
{
	MPI_Count number[4];

	if (get_envelope(type, number, &r->combiner) != MPI_SUCCESS)
		return -ENOTSUP;
	r->large = number[2] > 0;
	r->types = 0;
	r->n = vmo_fault(recipe) ? NULL : malloc((size_t)(number[0] + number[1] + number[2] + 1) * sizeof *r->n);
	r->type = malloc(((size_t)number[3] + 1) * sizeof *r->type);
	int rc = r->n && r->type ? 0 : -ENOMEM;
	if (!rc && r->combiner != MPI_COMBINER_NAMED)
		rc = read_contents(type, number, r);
	if (!rc)
		r->types = (int)number[3];
	else
		forget(r);
	return rc;
}

/* ---- lists ---- */

static int64_t extent_of(MPI_Datatype type)
{
	MPI_Aint lb, extent;

	shim.mpi.Type_get_extent(type, &lb, &extent);
	return extent;
}

/* The list `count` times from `at` on, `stride` apart. */
static int put(struct vmo_strips *out, const struct vmo_strips *list, int64_t at, int64_t count, int64_t stride)
{
	int rc = 0;

	if (!list->strips)
		return 0;
	if (list->strips == 1 && list->strip[0].repeat == 1) {
		struct vmo_strip all = list->strip[0];
		all.at += at;
		all.stride = stride;
		all.repeat = count > 0 ? (uint64_t)count : 0;
		return vmo_strips_add(out, &all);
	}
	for (int64_t c = 0; !rc && c < count; c++, at += stride)
		for (uint32_t i = 0; !rc && i < list->strips; i++) {
			struct vmo_strip one = list->strip[i];
			one.at += at;
			rc = vmo_strips_add(out, &one);
		}
	return rc;
}

/* `blocks` blocks of `length` elements of the inner list, `stride` bytes apart. */
static int put_vector(struct vmo_strips *out, const struct vmo_strips *inner, int64_t extent, int64_t blocks,
                      int64_t length, int64_t stride)
{
	struct vmo_strips block = { 0 };
	int rc = put(&block, inner, 0, length, extent);

	if (!rc)
		rc = put(out, &block, 0, blocks, stride);
	free(block.strip);
	return rc;
}

/* ---- constructors ---- */

/* Blocks with lengths and displacements of their own, in units of `unit` bytes. */
static int put_indexed(struct vmo_strips *out, const struct vmo_strips *inner, int64_t extent, int64_t blocks,
                       const int64_t *length, bool one_length, const int64_t *at, int64_t unit)
{
	int rc = 0;

	for (int64_t i = 0; !rc && i < blocks; i++)
		rc = put(out, inner, at[i] * unit, length[one_length ? 0 : i], extent);
	return rc;
}

static int put_struct(struct vmo_strips *out, const struct recipe *r)
{
	int64_t blocks = r->n[0];
	int rc = 0;

	for (int64_t i = 0; !rc && i < blocks; i++) {
		struct vmo_strips inner = { 0 };
		rc = flatten(r->type[i], &inner);
		if (!rc)
			rc = put(out, &inner, r->n[1 + blocks + i], r->n[1 + i], extent_of(r->type[i]));
		free(inner.strip);
	}
	return rc;
}

/* `list` becomes what is made of it in one dimension: runs of indices, `step` bytes from one to the next. */
static int put_dimension(struct vmo_strips *list, int64_t first, int64_t length, int64_t runs, int64_t period,
                         int64_t limit, int64_t step)
{
	struct vmo_strips made = { 0 };
	int rc = 0;

	for (int64_t i = 0; !rc && i < runs && first < limit; i++, first += period) {
		int64_t n = length < limit - first ? length : limit - first;
		rc = put(&made, list, first * step, n, step);
	}
	free(list->strip);
	*list = made;
	return rc;
}

/* Innermost dimension first: the last one in C's order, the first one in Fortran's. */
static int put_subarray(struct vmo_strips *out, const struct recipe *r, struct vmo_strips *inner, int64_t extent)
{
	int64_t dims = r->n[0], order = r->n[1 + 3 * dims], step = extent;
	const int64_t *size = r->n + 1, *subsize = size + dims, *start = subsize + dims;
	int rc = 0;

	for (int64_t k = 0; !rc && k < dims; k++) {
		int64_t d = order == MPI_ORDER_C ? dims - 1 - k : k;
		rc = put_dimension(inner, start[d], subsize[d], 1, 0, size[d], step);
		step *= size[d];
	}
	return rc ? rc : put(out, inner, 0, 1, 0);
}

/* One dimension of a distributed array (MPI 3.1, 4.1.4) for the process at `place` of `processes`. */
static int put_distribution(struct vmo_strips *list, int64_t size, int64_t kind, int64_t argument, int64_t place,
                            int64_t processes, int64_t step)
{
	int64_t block = argument;

	if (kind == MPI_DISTRIBUTE_NONE)
		return put_dimension(list, 0, size, 1, 0, size, step);
	if (kind == MPI_DISTRIBUTE_BLOCK) {
		if (argument == MPI_DISTRIBUTE_DFLT_DARG)
			block = (size + processes - 1) / processes;
		return put_dimension(list, place * block, block, 1, 0, size, step);
	}
	if (argument == MPI_DISTRIBUTE_DFLT_DARG)
		block = 1;
	return put_dimension(list, place * block, block, INT64_MAX, processes * block, size, step);
}

/* n: size, rank, dims, then gsizes, distribs, dargs, psizes, dims each, order. */
static int put_darray(struct vmo_strips *out, const struct recipe *r, struct vmo_strips *inner, int64_t extent)
{
	int64_t rank = r->n[1], dims = r->n[2], order = r->n[3 + 4 * dims], step = extent;
	const int64_t *size = r->n + 3, *kind = size + dims, *argument = kind + dims, *processes = argument + dims;
	int64_t *place = malloc(((size_t)dims + 1) * sizeof *place);
	int rc = place ? 0 : -ENOMEM;

	for (int64_t d = dims - 1; !rc && d >= 0; d--) {	/* the process grid is row-major in both orders */
		place[d] = rank % processes[d];
		rank /= processes[d];
	}
	for (int64_t k = 0; !rc && k < dims; k++) {
		int64_t d = order == MPI_ORDER_C ? dims - 1 - k : k;
		rc = put_distribution(inner, size[d], kind[d], argument[d], place[d], processes[d], step);
		step *= size[d];
	}
	free(place);
	return rc ? rc : put(out, inner, 0, 1, 0);
}

static int apply(const struct recipe *r, struct vmo_strips *inner, int64_t extent, struct vmo_strips *out)
{
	const int64_t *n = r->n;

	switch (r->combiner) {
	case MPI_COMBINER_DUP:
	case MPI_COMBINER_RESIZED:
		return put(out, inner, 0, 1, 0);
	case MPI_COMBINER_CONTIGUOUS:
		return put(out, inner, 0, n[0], extent);
	case MPI_COMBINER_VECTOR:
		return put_vector(out, inner, extent, n[0], n[1], n[2] * extent);
	case MPI_COMBINER_HVECTOR:
		return put_vector(out, inner, extent, n[0], n[1], n[2]);
	case MPI_COMBINER_INDEXED:
		return put_indexed(out, inner, extent, n[0], n + 1, false, n + 1 + n[0], extent);
	case MPI_COMBINER_HINDEXED:
		return put_indexed(out, inner, extent, n[0], n + 1, false, n + 1 + n[0], 1);
	case MPI_COMBINER_INDEXED_BLOCK:
		return put_indexed(out, inner, extent, n[0], n + 1, true, n + 2, extent);
	case MPI_COMBINER_HINDEXED_BLOCK:
		return put_indexed(out, inner, extent, n[0], n + 1, true, n + 2, 1);
	case MPI_COMBINER_SUBARRAY:
		return r->large ? -ENOTSUP : put_subarray(out, r, inner, extent);
	case MPI_COMBINER_DARRAY:
		return r->large ? -ENOTSUP : put_darray(out, r, inner, extent);
	default:
		return -ENOTSUP;
	}
}

/* Pairs for MPI_MINLOC: a value and an int behind it (MPI 3.1, 5.9.4). */
static int put_pair(struct vmo_strips *out, MPI_Datatype type)
{
	static const struct { size_t value, index; } layout[] = {
		{ sizeof(short), _Alignof(int) > sizeof(short) ? _Alignof(int) : sizeof(short) },
		{ sizeof(long), sizeof(long) }, { sizeof(double), sizeof(double) }, { sizeof(long double), sizeof(long double) },
	};
	const MPI_Datatype pair[] = { MPI_SHORT_INT, MPI_LONG_INT, MPI_DOUBLE_INT, MPI_LONG_DOUBLE_INT };

	for (size_t i = 0; i < sizeof pair / sizeof pair[0]; i++) {
		struct vmo_strip value = VMO_ONE_PIECE(layout[i].value), index = VMO_ONE_PIECE(sizeof(int));
		if (pair[i] != type)
			continue;
		index.at = (int64_t)layout[i].index;
		int rc = vmo_strips_add(out, &value);
		return rc ? rc : vmo_strips_add(out, &index);
	}
	return -ENOTSUP;
}

static int put_predefined(struct vmo_strips *out, MPI_Datatype type)
{
	struct vmo_strip all = VMO_ONE_PIECE(0);
	MPI_Aint lb, extent;
	int size;

	shim.mpi.Type_size(type, &size);
	shim.mpi.Type_get_extent(type, &lb, &extent);
	if (size < 0 || (size > 0 && (lb != 0 || extent != size)))
		return put_pair(out, type);
	all.bytes = (uint64_t)size;
	return vmo_strips_add(out, &all);
}

static int flatten_made(const struct recipe *r, MPI_Datatype type, struct vmo_strips *out)
{
	struct vmo_strips inner = { 0 };

	if (r->combiner == MPI_COMBINER_STRUCT)
		return put_struct(out, r);
	if (!r->types)		/* predefined, or one of Fortran's parametrized ones */
		return put_predefined(out, type);
	int rc = flatten(r->type[0], &inner);
	if (!rc)
		rc = apply(r, &inner, extent_of(r->type[0]), out);
	free(inner.strip);
	return rc;
}

static int flatten(MPI_Datatype type, struct vmo_strips *out)
{
	struct recipe r;
	int rc = read_recipe(type, &r);

	if (rc)
		return rc;
	rc = flatten_made(&r, type, out);
	forget(&r);
	return rc;
}

/* ---- where basic elements end ---- */

static bool ends_after(MPI_Datatype type, int64_t times, int64_t *left);

static int64_t size_of(MPI_Datatype type)
{
	MPI_Count size = 0;

	shim.mpi.Type_size_x(type, &size);
	return size;
}

static bool recipe_ends_after(const struct recipe *r, MPI_Datatype type, int64_t *left)
{
	int64_t inner;
	bool whole = true;

	if (r->combiner == MPI_COMBINER_STRUCT) {
		for (int i = 0; whole && *left && i < r->types; i++)
			whole = ends_after(r->type[i], r->n[1 + i], left);
		return whole;
	}
	if (r->types) {
		inner = size_of(r->type[0]);
		return inner <= 0 || ends_after(r->type[0], size_of(type) / inner, left);
	}
	*left -= size_of(type);
	return *left >= 0;
}

/* Takes elements from the *left bytes, as long as there are any. False: one is not whole. */
static bool ends_after(MPI_Datatype type, int64_t times, int64_t *left)
{
	struct recipe r;
	bool whole = true;

	if (size_of(type) <= 0)
		return true;
	if (read_recipe(type, &r))
		return false;
	for (int64_t i = 0; whole && *left && i < times; i++)
		whole = recipe_ends_after(&r, type, left);
	forget(&r);
	return whole;
}

bool vmo_type_ends_after(MPI_Datatype type, int64_t bytes)
{
	return ends_after(type, bytes, &bytes) && bytes == 0;
}

int vmo_flatten(MPI_Datatype type, struct vmo_strips *out)
{
	struct vmo_strips list = { 0 };
	MPI_Count size, sum = 0;
	int rc = flatten(type, &list);

	for (uint32_t i = 0; i < list.strips; i++)
		sum += (MPI_Count)(list.strip[i].bytes * list.strip[i].repeat);
	if (!rc && (shim.mpi.Type_size_x(type, &size) != MPI_SUCCESS || size != sum))
		rc = -ENOTSUP;	/* MPI knows better */
	if (rc)
		free(list.strip);
	else
		*out = list;
	return rc;
}
