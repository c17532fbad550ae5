/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An erroneous program (MPI 3.1, 8.7): messages that nobody receives, some of them probed, a receive that
 * nothing comes to. MPI_Finalize must not hang for the library's sake.
 *
 * RUN: np=2 timeout=60 expect="(onecopy|staged)_bytes [1-9]"
 * RUN: np=2 timeout=60 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0
 */
#include "t.h"

#define N 100000

int main(int argc, char **argv)
{
	static char buf[4][N], small[100];
	MPI_Request request;
	MPI_Status status;

	t_begin(&argc, &argv, 40);
	if (t_rank == 0) {
		for (int i = 0; i < 3; i++)
			MPI_Send(buf[i], N, MPI_BYTE, 1, i, MPI_COMM_WORLD);
		MPI_Isend(buf[3], N, MPI_BYTE, 1, 3, MPI_COMM_WORLD, &request);
		MPI_Request_free(&request);
		MPI_Send(small, 64, MPI_BYTE, 1, 4, MPI_COMM_WORLD);
	} else {
		MPI_Probe(0, 1, MPI_COMM_WORLD, &status);
		MPI_Probe(0, 4, MPI_COMM_WORLD, &status);
		MPI_Irecv(buf[0], N, MPI_BYTE, 0, 99, MPI_COMM_WORLD, &request);
		MPI_Cancel(&request);
		MPI_Wait(&request, &status);
	}
	return t_end();
}
