/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * doctor_ranks.c: each rank's standard input to rank 0, which writes all of them to its standard output, in the order of
 * the ranks. Each is one line. For `vmonecopy doctor` beneath a launcher: only MPI reaches all ranks, wherever they are.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#define MOST 65536

int main(int argc, char **argv)
{
	static char mine[MOST];
	int rank, ranks, bytes = (int)fread(mine, 1, sizeof mine, stdin), all = 0;
	int *each, *at;
	char *text;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &ranks);
	each = calloc((size_t)ranks, sizeof *each);
	at = calloc((size_t)ranks, sizeof *at);
	if (!each || !at)
		MPI_Abort(MPI_COMM_WORLD, 1);
	MPI_Gather(&bytes, 1, MPI_INT, each, 1, MPI_INT, 0, MPI_COMM_WORLD);
	for (int i = 0; i < ranks; all += each[i++])
		at[i] = all;
	text = malloc((size_t)all + 1);
	if (!text)
		MPI_Abort(MPI_COMM_WORLD, 1);
	MPI_Gatherv(mine, bytes, MPI_BYTE, text, each, at, MPI_BYTE, 0, MPI_COMM_WORLD);
	if (rank == 0 && fwrite(text, 1, (size_t)all, stdout) != (size_t)all)
		MPI_Abort(MPI_COMM_WORLD, 1);
	fflush(stdout);
	free(text), free(at), free(each);
	MPI_Finalize();
	return 0;
}
