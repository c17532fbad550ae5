/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * coexist_program.c: what is run beside other tools. Two ranks exchange TURNS messages of 256 KiB in each of several
 * ways, verify every byte and use their heap meanwhile (freed, reallocated and trimmed under the library's pages).
 * Rank 0 prints "right" at the end.
 * With an argument it then reads behind a buffer instead, for tools that should notice.
 * Each rank calls Send and Recv, Isend, Irecv and Waitall, Bcast, Barrier and Allreduce, TURNS times each.
 */
#include <mpi.h>

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES (256 << 10)
#define TURNS 6

static int me;

static unsigned char value(int from, int turn, int at)
{
	return (unsigned char)(from * 101 + turn * 13 + at / 64 + at);
}

static void fill(unsigned char *buf, int turn)
{
	for (int i = 0; i < BYTES; i++)
		buf[i] = value(me, turn, i);
}

static void check(const unsigned char *buf, int from, int turn, const char *what)
{
	for (int i = 0; i < BYTES; i++)
		if (buf[i] != value(from, turn, i)) {
			fprintf(stderr, "rank %d, %s, turn %d: byte %d is wrong\n", me, what, turn, i);
			MPI_Abort(MPI_COMM_WORLD, 3);
		}
}

/* Send and Recv: TURNS each. */
static void blocking(unsigned char *out, unsigned char *in)
{
	for (int turn = 0; turn < TURNS; turn++) {
		fill(out, turn);
		if (me == 0)
			MPI_Send(out, BYTES, MPI_BYTE, 1, 1, MPI_COMM_WORLD);
		MPI_Recv(in, BYTES, MPI_BYTE, 1 - me, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		if (me == 1)
			MPI_Send(out, BYTES, MPI_BYTE, 0, 1, MPI_COMM_WORLD);
		check(in, 1 - me, turn, "blocking");
	}
}

/* Isend, Irecv, Waitall: TURNS each; the buffers are new each time. */
static void nonblocking(void)
{
	for (int turn = 0; turn < TURNS; turn++) {
		unsigned char *out = malloc(BYTES), *in = malloc(BYTES);
		MPI_Request request[2];
		fill(out, turn);
		MPI_Irecv(in, BYTES, MPI_BYTE, 1 - me, 2, MPI_COMM_WORLD, &request[0]);
		MPI_Isend(out, BYTES, MPI_BYTE, 1 - me, 2, MPI_COMM_WORLD, &request[1]);
		MPI_Waitall(2, request, MPI_STATUSES_IGNORE);
		check(in, 1 - me, turn, "nonblocking");
		check(out, me, turn, "nonblocking, what was sent");
		out = realloc(out, 2 * BYTES);
		check(out, me, turn, "nonblocking, reallocated");
		free(out);
		free(in);
		malloc_trim(0);
	}
}

/* Bcast, Barrier, Allreduce: TURNS each. */
static void collectives(unsigned char *out, unsigned char *in)
{
	for (int turn = 0; turn < TURNS; turn++) {
		int root = turn % 2;
		if (me == root)
			fill(in, turn);
		MPI_Bcast(in, BYTES, MPI_BYTE, root, MPI_COMM_WORLD);
		check(in, root, turn, "broadcast");
		MPI_Barrier(MPI_COMM_WORLD);
		fill(out, turn);
		MPI_Allreduce(out, in, BYTES, MPI_BYTE, MPI_BXOR, MPI_COMM_WORLD);
		for (int i = 0; i < BYTES; i++)
			if (in[i] != (value(0, turn, i) ^ value(1, turn, i)))
				MPI_Abort(MPI_COMM_WORLD, 4);
	}
}

int main(int argc, char **argv)
{
	unsigned char *out = malloc(BYTES), *in = malloc(BYTES);

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &me);
	memset(in, 0, BYTES);
	blocking(out, in);
	nonblocking();
	collectives(out, in);
	if (argc > 1)
		return ((volatile unsigned char *)out)[BYTES];
	if (me == 0)
		puts("right");
	free(out);
	free(in);
	MPI_Finalize();
	return 0;
}
