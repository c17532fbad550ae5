/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A type whose basic elements have padding inside (MPI_LONG_DOUBLE: 10 of 16 bytes count) and that is not
 * contiguous: MPICH copies element by element, by value, and leaves the padding out. An RTS that is received
 * into such a type loses 6 bytes of every 16. The values must arrive, and the count must be right.
 *
 * RUN: np=2 VMONECOPY_THRESHOLD=64
 * RUN: np=2 VMONECOPY_THRESHOLD=64 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0
 * RUN: np=2
 */
#include "t.h"

#define COUNT 1000

int main(int argc, char **argv)
{
	static long double values[2 * COUNT];
	MPI_Datatype vector;
	MPI_Status status;
	int count;

	t_begin(&argc, &argv, 20);
	MPI_Type_vector(COUNT, 1, 2, MPI_LONG_DOUBLE, &vector);
	MPI_Type_commit(&vector);
	for (int i = 0; i < 2 * COUNT; i++)
		values[i] = t_rank ? -1 : i / 3.0L;
	if (t_rank == 0) {
		MPI_Send(values, 1, vector, 1, 7, MPI_COMM_WORLD);
	} else {
		MPI_Recv(values, 1, vector, 0, 7, MPI_COMM_WORLD, &status);
		MPI_Get_count(&status, vector, &count);
		CHECK_EQ(count, 1);
		for (int i = 0; i < 2 * COUNT; i++)
			CHECK(values[i] == (i % 2 ? -1 : i / 3.0L));
	}
	MPI_Type_free(&vector);
	return t_end();
}
