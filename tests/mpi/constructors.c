/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every constructor of datatypes (MPI 3.1, 4.1; MPI 4's large-count ones where there are any), nested too: what
 * arrives contiguous is what MPI_Pack makes of the sender's buffer, and what arrives in the type is what
 * MPI_Unpack makes of it. MPI packs none of them for the library, except large-count subarrays.
 *
 * RUN: np=2 VMONECOPY_ADMISSION=1 expect="scattered_messages [1-9]"
 * RUN: np=2 VMONECOPY_THRESHOLD=64 VMONECOPY_PATIENCE_US=0 VMONECOPY_ADMISSION=1
 */
#include "t.h"

#define KINDS 20

static MPI_Datatype base(int variant)
{
	MPI_Datatype type, two = MPI_INT;

	switch (variant % 3) {
	case 0:
		MPI_Type_dup(MPI_DOUBLE, &type);
		break;
	case 1:
		MPI_Type_vector(3, 2, 3, two, &type);
		break;
	default:
		MPI_Type_create_struct(3, (int[]){ 1, 2, 1 }, (MPI_Aint[]){ 0, 4, 16 },
		                       (MPI_Datatype[]){ MPI_CHAR, MPI_SHORT, MPI_DOUBLE }, &type);
		break;
	}
	return type;
}

static MPI_Datatype build(int kind, MPI_Datatype old)
{
	MPI_Datatype type = MPI_DATATYPE_NULL;
	int lengths[4] = { 2, 0, 3, 1 }, at[4] = { 0, 3, 4, 9 }, same[4] = { 0, 3, 6, 11 };
	MPI_Aint bytes[4] = { 0, 200, 400, 1000 };

	switch (kind) {
	case 0: MPI_Type_contiguous(7, old, &type); break;
	case 1: MPI_Type_vector(5, 2, 3, old, &type); break;
	case 2: MPI_Type_create_hvector(5, 2, 200, old, &type); break;
	case 3: MPI_Type_indexed(4, lengths, at, old, &type); break;
	case 4: MPI_Type_create_hindexed(4, lengths, bytes, old, &type); break;
	case 5: MPI_Type_create_indexed_block(4, 2, same, old, &type); break;
	case 6: MPI_Type_create_hindexed_block(4, 2, bytes, old, &type); break;
	case 7: MPI_Type_create_struct(3, lengths + 1, bytes, (MPI_Datatype[]){ MPI_INT, old, MPI_DOUBLE_INT }, &type); break;
	case 8: MPI_Type_create_subarray(3, (int[]){ 4, 5, 6 }, (int[]){ 2, 3, 4 }, (int[]){ 1, 1, 2 }, MPI_ORDER_C, old, &type); break;
	case 9: MPI_Type_create_subarray(3, (int[]){ 4, 5, 6 }, (int[]){ 2, 3, 4 }, (int[]){ 1, 1, 2 }, MPI_ORDER_FORTRAN, old, &type); break;
	case 10:
	case 11:
	case 12:
	case 13: {
		int kinds[3] = { kind % 2 ? MPI_DISTRIBUTE_BLOCK : MPI_DISTRIBUTE_CYCLIC, MPI_DISTRIBUTE_NONE, MPI_DISTRIBUTE_CYCLIC };
		int arguments[3] = { kind == 12 ? 2 : MPI_DISTRIBUTE_DFLT_DARG, MPI_DISTRIBUTE_DFLT_DARG, 3 };
		MPI_Type_create_darray(6, kind - 9, 3, (int[]){ 7, 3, 8 }, kinds, arguments, (int[]){ 3, 1, 2 },
		                       kind < 12 ? MPI_ORDER_C : MPI_ORDER_FORTRAN, old, &type);
		break;
	}
	case 14: MPI_Type_create_resized(old, -16, 320, &type); break;
	case 15: MPI_Type_contiguous(9, MPI_SHORT_INT, &type); break;
	case 16: MPI_Type_contiguous(9, MPI_LONG_DOUBLE_INT, &type); break;
#if MPI_VERSION >= 4
	case 17: MPI_Type_vector_c(5, 2, 3, old, &type); break;
	case 18: MPI_Type_indexed_c(4, (MPI_Count[]){ 2, 0, 3, 1 }, (MPI_Count[]){ 0, 3, 4, 9 }, old, &type); break;
	case 19: MPI_Type_create_subarray_c(2, (MPI_Count[]){ 4, 6 }, (MPI_Count[]){ 2, 4 }, (MPI_Count[]){ 1, 2 }, MPI_ORDER_C, old, &type); break;
#endif
	default: MPI_Type_create_hvector(3, 1, -400, old, &type); break;
	}
	return type;
}

/* Do parts of it overlap? Then it may be sent, but not received into (MPI 3.1, 3.2.4, 4.1.11). */
static bool overlaps(char *area, size_t all, char *at, MPI_Datatype type, int count, size_t total)
{
	char *ones = malloc(total);
	size_t touched = 0;
	int position = 0;

	memset(area, 0, all);
	memset(ones, 1, total);
	MPI_Unpack(ones, (int)total, &position, at, count, type, MPI_COMM_SELF);
	for (size_t i = 0; i < all; i++)
		touched += area[i] == 1;
	free(ones);
	return touched != total;
}

static void exchange(MPI_Datatype type, int tag)
{
	MPI_Aint lb, extent, true_lb, true_extent;
	int size, position = 0, count;
	MPI_Status status;

	MPI_Type_size(type, &size);
	MPI_Type_get_extent(type, &lb, &extent);
	MPI_Type_get_true_extent(type, &true_lb, &true_extent);
	count = 30000 / size + 1;
	size_t all = (size_t)(extent > 0 ? extent : 0) * (size_t)count + (size_t)true_extent + 8192;
	char *mine = malloc(all), *other = malloc(all), *packed = malloc((size_t)size * (size_t)count);
	char *at = mine + 2048 - true_lb, *there = other + 2048 - true_lb;
	size_t total = (size_t)size * (size_t)count;

	bool both = !overlaps(other, all, there, type, count, total);
	t_fill(mine, all, 0, tag, 1);	/* alike on both ranks */
	MPI_Pack(at, count, type, packed, (int)total, &position, MPI_COMM_SELF);
	for (int round = 0; round < 2; round++) {
		if (t_rank == 0) {
			MPI_Send(at, count, type, 1, tag, MPI_COMM_WORLD);
			if (both)
				MPI_Send(packed, (int)total, MPI_BYTE, 1, tag, MPI_COMM_WORLD);
			continue;
		}
		char *got = malloc(total);
		MPI_Recv(got, (int)total, MPI_BYTE, 0, tag, MPI_COMM_WORLD, &status);
		STATUS(&status, 0, tag, (int)total);
		CHECK(!memcmp(got, packed, total));
		if (!both) {
			free(got);
			continue;
		}
		memset(other, T_POISON, all);
		MPI_Recv(there, count, type, 0, tag, MPI_COMM_WORLD, &status);
		char *wanted = malloc(all);
		memset(wanted, T_POISON, all);
		position = 0;
		MPI_Unpack(packed, (int)total, &position, wanted + 2048 - true_lb, count, type, MPI_COMM_SELF);
		if (memcmp(other, wanted, all))
			FAIL("type %d of variant %d is not what MPI_Unpack makes of it", tag / 10, tag % 10);
		free(wanted);
		free(got);
	}
	free(mine);
	free(other);
	free(packed);
}

int main(int argc, char **argv)
{
	t_begin(&argc, &argv, 50);
	for (int kind = 0; kind < KINDS; kind++)
		for (int variant = 0; variant < 9; variant++) {
			MPI_Datatype old = base(variant), inner, type;
			inner = build((kind + variant * 5) % KINDS, old);
			MPI_Type_free(&old);
			if (variant < 3) {
				type = inner;
			} else {
				type = build(kind, inner);
				MPI_Type_free(&inner);
			}
			MPI_Type_commit(&type);
			exchange(type, kind * 10 + variant);
			MPI_Type_free(&type);
		}
	return t_end();
}
