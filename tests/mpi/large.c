/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One message of 48 MiB, both ways, contiguous and by a vector; and one that is larger than all granted
 * pages, which goes by MPI.
 *
 * RUN: np=2 expect="(onecopy|staged)_bytes [1-9]"
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=10000000 expect="onecopy_bytes [1-9]"
 * RUN: np=2 VMONECOPY_MAP_BUDGET=4M expect="(grant_copy_bytes|map_evictions) [1-9]"
 * RUN: np=2 XENEMU_LIMIT=1024 expect="fell_through.no_pool [1-9]"
 */
#include "t.h"

#define N ((48 << 20) + 123)

int main(int argc, char **argv)
{
	t_begin(&argc, &argv, 40);
	struct t_buf buf = t_new(N, 24);
	MPI_Datatype rows;
	MPI_Status status;

	MPI_Type_vector(3 << 20, 8, 8, MPI_BYTE, &rows);	/* not recognized as contiguous */
	MPI_Type_commit(&rows);
	for (int round = 0; round < 4; round++) {
		if (t_rank == round % 2) {
			t_fill(buf.at, N, t_rank, 1, round);
			MPI_Send(buf.at, N, MPI_BYTE, 1 - t_rank, 1, MPI_COMM_WORLD);
		} else {
			t_poison(&buf);
			MPI_Recv(buf.at, N, MPI_BYTE, 1 - t_rank, 1, MPI_COMM_WORLD, &status);
			STATUS(&status, 1 - t_rank, 1, N);
			GOT(&buf, N, 1 - t_rank, 1, round);
		}
	}
	if (t_rank == 0) {
		t_fill(buf.at, 24 << 20, 0, 2, 0);
		MPI_Send(buf.at, 1, rows, 1, 2, MPI_COMM_WORLD);
	} else {
		t_poison(&buf);
		MPI_Recv(buf.at, 24 << 20, MPI_BYTE, 0, 2, MPI_COMM_WORLD, &status);
		STATUS(&status, 0, 2, 24 << 20);
		GOT(&buf, 24 << 20, 0, 2, 0);
	}
	MPI_Type_free(&rows);
	t_free(&buf);
	return t_end();
}
