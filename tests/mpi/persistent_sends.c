/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Persistent sends (MPI 3.1, 3.9): every start of a large one goes one-copy, in place from the first one on
 * whatever the admission rule, because such a buffer will be sent often; 2 kinds x 5 starts. A small one is
 * MPI's own. Without pages to grant every start falls through, counted.
 * RUN: np=2 VMONECOPY_ADMISSION=1000 VMONECOPY_PATIENCE_US=5000000 expect="onecopy_messages 10" expect="MPI_Send_init 2"
 * RUN: np=2 VMONECOPY_GRANT_BUDGET=4K expect="fell_through.no_pool 10 messages"
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#define N 100000

int main(int argc, char **argv)
{
	int rank, starts = 5;
	char *buf = malloc(N);
	MPI_Request request[3];

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	if (rank == 0) {
		MPI_Send_init(buf, N, MPI_BYTE, 1, 0, MPI_COMM_WORLD, &request[0]);
		MPI_Ssend_init(buf, N, MPI_BYTE, 1, 1, MPI_COMM_WORLD, &request[1]);
		MPI_Send_init(buf, 10, MPI_BYTE, 1, 3, MPI_COMM_WORLD, &request[2]);
	}
	for (int s = 0; s < starts; s++)
		for (int tag = 0; tag < 2; tag++) {
			for (int i = 0; i < N; i++)
				buf[i] = (char)(rank == 0 ? i * 3 + s + tag : 0);
			if (rank == 0) {
				MPI_Start(&request[tag]);
				MPI_Wait(&request[tag], MPI_STATUS_IGNORE);
				continue;
			}
			MPI_Recv(buf, N, MPI_BYTE, 0, tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
			for (int i = 0; i < N; i++)
				if (buf[i] != (char)(i * 3 + s + tag))
					MPI_Abort(MPI_COMM_WORLD, 1);
		}
	for (int r = 0; rank == 0 && r < 3; r++)
		MPI_Request_free(&request[r]);
	MPI_Finalize();
	free(buf);
	return 0;
}
