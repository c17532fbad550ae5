/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * report_ring.c: every rank sends large arrays to the next one and looks at what it gets. Each says `right`
 * on stdout and ends with the exit code that is its argument.
 */
#include <mpi.h>

#include <stdio.h>
#include <stdlib.h>

#define N 100000
#define TURNS 20

static int a[N], b[N];

int main(int argc, char **argv)
{
	int me, ranks, wrong = 0;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &me);
	MPI_Comm_size(MPI_COMM_WORLD, &ranks);
	int to = (me + 1) % ranks, from = (me + ranks - 1) % ranks;
	for (int turn = 0; turn < TURNS; turn++) {
		for (int i = 0; i < N; i++)
			a[i] = me + turn * i;
		MPI_Sendrecv(a, N, MPI_INT, to, turn, b, N, MPI_INT, from, turn, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		for (int i = 0; i < N; i++)
			wrong += b[i] != from + turn * i;
	}
	MPI_Finalize();
	if (wrong)
		return 99;
	puts("right");
	return argc > 1 ? atoi(argv[1]) : 0;
}
