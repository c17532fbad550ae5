/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A probe for a large message takes in the small one that came before it; a persistent receive of that small
 * one, too small for any request to send, gets it all the same (MPI 3.1, 3.8.1, 3.9).
 *
 * RUN: np=2 timeout=20 expect="held_messages [1-9]"
 * RUN: np=2 timeout=20 VMONECOPY_THRESHOLD=64 VMONECOPY_ADMISSION=1
 */
#include "t.h"

#define LARGE 100000

int main(int argc, char **argv)
{
	char small[7], *large = malloc(LARGE);
	MPI_Request request;
	MPI_Status status;

	t_begin(&argc, &argv, 15);
	for (int round = 0; round < 5; round++) {
		if (t_rank == 0) {
			t_fill(small, sizeof small, 0, 5, round);
			t_fill(large, LARGE, 0, 1, round);
			MPI_Send(small, sizeof small, MPI_BYTE, 1, 5, MPI_COMM_WORLD);
			MPI_Send(large, LARGE, MPI_BYTE, 1, 1, MPI_COMM_WORLD);
		} else if (t_rank == 1) {
			MPI_Probe(0, 1, MPI_COMM_WORLD, &status);
			STATUS(&status, 0, 1, LARGE);
			MPI_Recv_init(small, sizeof small, MPI_BYTE, 0, 5, MPI_COMM_WORLD, &request);
			MPI_Start(&request);
			MPI_Wait(&request, &status);
			STATUS(&status, 0, 5, (int)sizeof small);
			VERIFY(small, sizeof small, 0, 5, round);
			MPI_Request_free(&request);
			MPI_Recv(large, LARGE, MPI_BYTE, 0, 1, MPI_COMM_WORLD, &status);
			VERIFY(large, LARGE, 0, 1, round);
		}
	}
	free(large);
	return t_end();
}
