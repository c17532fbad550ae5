/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which reductions are done here: predefined operations on types that MPI defines them for (MPI 3.1, 5.9.2 and 5.9.4),
 * and operations of the user's own. What else an MPI may take, or refuse with an error, is left to it.
 */
#include "mpi_coll.h"

enum { INTEGER = 1, FLOATING = 2, COMPLEX = 4, LOGICAL = 8, BYTE = 16, PAIR = 32 };

static const struct { MPI_Op op; int types; } operations[] = {
	{ MPI_MAX, INTEGER | FLOATING }, { MPI_MIN, INTEGER | FLOATING },
	{ MPI_SUM, INTEGER | FLOATING | COMPLEX }, { MPI_PROD, INTEGER | FLOATING | COMPLEX },
	{ MPI_LAND, INTEGER | LOGICAL }, { MPI_LOR, INTEGER | LOGICAL }, { MPI_LXOR, INTEGER | LOGICAL },
	{ MPI_BAND, INTEGER | BYTE }, { MPI_BOR, INTEGER | BYTE }, { MPI_BXOR, INTEGER | BYTE },
	{ MPI_MAXLOC, PAIR }, { MPI_MINLOC, PAIR },
	{ MPI_REPLACE, 0 }, { MPI_NO_OP, 0 }, { MPI_OP_NULL, 0 },
};
#define OPERATIONS (sizeof operations / sizeof operations[0])

static const struct { MPI_Datatype type; int is; } types[] = {
	{ MPI_DOUBLE, FLOATING }, { MPI_FLOAT, FLOATING }, { MPI_INT, INTEGER }, { MPI_LONG, INTEGER },
	{ MPI_LONG_DOUBLE, FLOATING }, { MPI_UNSIGNED, INTEGER }, { MPI_UNSIGNED_LONG, INTEGER },
	{ MPI_LONG_LONG, INTEGER }, { MPI_UNSIGNED_LONG_LONG, INTEGER }, { MPI_SHORT, INTEGER },
	{ MPI_UNSIGNED_SHORT, INTEGER }, { MPI_SIGNED_CHAR, INTEGER }, { MPI_UNSIGNED_CHAR, INTEGER },
	{ MPI_INT8_T, INTEGER }, { MPI_INT16_T, INTEGER }, { MPI_INT32_T, INTEGER }, { MPI_INT64_T, INTEGER },
	{ MPI_UINT8_T, INTEGER }, { MPI_UINT16_T, INTEGER }, { MPI_UINT32_T, INTEGER }, { MPI_UINT64_T, INTEGER },
	{ MPI_AINT, INTEGER }, { MPI_OFFSET, INTEGER }, { MPI_COUNT, INTEGER },
	{ MPI_C_FLOAT_COMPLEX, COMPLEX }, { MPI_C_DOUBLE_COMPLEX, COMPLEX }, { MPI_C_LONG_DOUBLE_COMPLEX, COMPLEX },
	{ MPI_C_BOOL, LOGICAL }, { MPI_BYTE, BYTE },
	{ MPI_INTEGER, INTEGER }, { MPI_REAL, FLOATING }, { MPI_DOUBLE_PRECISION, FLOATING }, { MPI_COMPLEX, COMPLEX },
	{ MPI_DOUBLE_COMPLEX, COMPLEX }, { MPI_LOGICAL, LOGICAL },
	{ MPI_2INT, PAIR }, { MPI_FLOAT_INT, PAIR }, { MPI_DOUBLE_INT, PAIR }, { MPI_LONG_INT, PAIR },
	{ MPI_2INTEGER, PAIR }, { MPI_2REAL, PAIR }, { MPI_2DOUBLE_PRECISION, PAIR },
};
#define TYPES (sizeof types / sizeof types[0])

bool vmo_coll_op_plain(MPI_Op op, MPI_Datatype type)
{
	int fits = 0;

	for (size_t i = 0; i < OPERATIONS && !fits; i++)
		fits = operations[i].op == op ? operations[i].types : 0;
	for (size_t i = 0; i < TYPES && fits; i++)
		if (types[i].type == type)
			return types[i].is & fits;
	return false;
}

bool vmo_coll_op_own(MPI_Op op)
{
	for (size_t i = 0; i < OPERATIONS; i++)
		if (operations[i].op == op)
			return false;
	return true;
}
