/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * onecopy_languages.c: two ranks exchange large arrays; every element is looked at. Every BUFFER_TURNS
 * turns the arrays are freed and allocated anew, in a size of their own. onecopy_languages.F90 is its
 * twin; the calls that one turn makes are counted in onecopy_languages.sh.
 */
#include <mpi.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

/* In a program that is not position independent these addresses are its own PLT entries. */
void *volatile addresses_taken[3];

#define TURNS 16
#define BUFFER_TURNS 4
#define W MPI_COMM_WORLD
#define IN b, n, MPI_DOUBLE, other, turn, W
#define OUT a, n, MPI_DOUBLE, other, turn, W

static int me, other, wrong;

static double value(int rank, int turn, int step, int i)
{
	return 1e7 * rank + 1e5 * turn + 1e9 * step + i;
}

static void fill(double *a, double *b, int n, int turn, int step)
{
	for (int i = 0; i < n; i++) {
		a[i] = value(me, turn, step, i);
		b[i] = -1;
	}
}

static void check(const double *b, int n, int turn, int step)
{
	for (int i = 0; i < n; i++)
		wrong += b[i] != value(other, turn, step, i);
}

static void one_turn(double *a, double *b, int n, int turn)
{
	MPI_Request r[2];

	fill(a, b, n, turn, 1);
	if (me == 0)
		MPI_Send(OUT);
	MPI_Recv(IN, MPI_STATUS_IGNORE);
	if (me == 1)
		MPI_Send(OUT);
	check(b, n, turn, 1);

	fill(a, b, n, turn, 2);
	MPI_Irecv(IN, &r[0]);
	MPI_Isend(OUT, &r[1]);
	MPI_Waitall(2, r, MPI_STATUSES_IGNORE);
	check(b, n, turn, 2);

	fill(a, b, n, turn, 3);
	MPI_Sendrecv(a, n, MPI_DOUBLE, other, turn, IN, MPI_STATUS_IGNORE);
	check(b, n, turn, 3);
}

int main(int argc, char **argv)
{
	double *a = NULL, *b = NULL;
	int n = 0;

	addresses_taken[0] = (void *)free;
	addresses_taken[1] = (void *)realloc;
	addresses_taken[2] = (void *)munmap;
	MPI_Init(&argc, &argv);
	MPI_Comm_rank(W, &me);
	other = 1 - me;
	for (int turn = 0; turn < TURNS; turn++) {
		if (turn % BUFFER_TURNS == 0) {
			free(a);
			free(b);
			n = 60001 + 10000 * turn;
			a = malloc((size_t)n * sizeof *a);
			b = malloc((size_t)n * sizeof *b);
		}
		one_turn(a, b, n, turn);
	}
	free(a);
	free(b);
	MPI_Finalize();
	if (wrong)
		printf("rank %d: %d wrong elements\n", me, wrong);
	return wrong != 0;
}
