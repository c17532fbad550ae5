/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * doctor_sends.c: two ranks, large messages both ways from memory that is freed and allocated again between them. Prints
 * the number of wrong bytes. `vmonecopy doctor` runs it with the library over the emulated Xen and reads the report, to
 * see that library, MPI and memory hooks work together.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#define BYTES 1000000
#define ROUNDS 6
#define SENDS 3	/* of one buffer: the first ones of a buffer may be staged */

static unsigned char byte_of(int rank, int turn, int at)
{
	return (unsigned char)(rank * 101 + turn * 7 + at + (at >> 8));
}

static int wrong_bytes(const unsigned char *got, int rank, int turn)
{
	int wrong = 0;

	for (int i = 0; i < BYTES; i++)
		wrong += got[i] != byte_of(rank, turn, i);
	return wrong;
}

int main(int argc, char **argv)
{
	int rank, ranks, wrong = 0, all = 0;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &ranks);
	for (int turn = 0; turn < ROUNDS * SENDS && ranks == 2; turn += SENDS) {
		unsigned char *out = malloc(BYTES), *in = malloc(BYTES);

		if (!out || !in)
			MPI_Abort(MPI_COMM_WORLD, 1);
		for (int i = 0; i < SENDS; i++) {
			for (int k = 0; k < BYTES; k++)
				out[k] = byte_of(rank, turn + i, k);
			if (rank == 0)
				MPI_Send(out, BYTES, MPI_BYTE, 1, i, MPI_COMM_WORLD);
			MPI_Recv(in, BYTES, MPI_BYTE, 1 - rank, i, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
			if (rank == 1)
				MPI_Send(out, BYTES, MPI_BYTE, 0, i, MPI_COMM_WORLD);
			wrong += wrong_bytes(in, 1 - rank, turn + i);
		}
		free(out), free(in);
	}
	MPI_Reduce(&wrong, &all, 1, MPI_INT, MPI_SUM, 0, MPI_COMM_WORLD);
	if (rank == 0)
		printf("ranks %d\nwrong_bytes %d\n", ranks, all);
	MPI_Finalize();
	return 0;
}
