/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every rank sends large arrays to the next one, looks at what it gets, and all agree that it was right. */
#include <mpi.h>

#include <stdio.h>

#define N 30000
#define TURNS 3

static int a[N], b[N];

int main(int argc, char **argv)
{
	int me, ranks, wrong = 0, sum = 0;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &me);
	MPI_Comm_size(MPI_COMM_WORLD, &ranks);
	int to = (me + 1) % ranks, from = (me + ranks - 1) % ranks;
	for (int turn = 0; turn < TURNS; turn++) {
		for (int i = 0; i < N; i++)
			a[i] = me + turn * i;
		MPI_Sendrecv(a, N, MPI_INT, to, turn, b, N, MPI_INT, from, MPI_ANY_TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		for (int i = 0; i < N; i++)
			wrong += b[i] != from + turn * i;
	}
	MPI_Reduce(&wrong, &sum, 1, MPI_INT, MPI_SUM, 0, MPI_COMM_WORLD);
	if (me == 0)
		puts(sum ? "wrong" : "all right");
	MPI_Finalize();
	return 0;
}
