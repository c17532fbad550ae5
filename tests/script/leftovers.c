/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * leftovers.c: two ranks send large messages to and fro until their end: finalize, abort (rank 0),
 * exit (both, without MPI_Finalize) or never. After some turns each writes DIRECTORY/ready.RANK, with
 * its process number in it. Usage: leftovers finalize|abort|exit|never DIRECTORY
 */
#include <mpi.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BYTES (1 << 20)
#define TURNS 100

static void say_ready(const char *directory, int me)
{
	char path[4096];

	snprintf(path, sizeof path, "%s/ready.%d", directory, me);
	FILE *file = fopen(path, "w");
	if (!file)
		exit(98);
	fprintf(file, "%d\n", (int)getpid());
	fclose(file);
}

int main(int argc, char **argv)
{
	char *out = malloc(BYTES), *in = malloc(BYTES);
	const char *how = argv[1];
	int me;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &me);
	memset(out, 'a' + me, BYTES);
	for (int turn = 0; turn < TURNS || !strcmp(how, "never"); turn++) {
		if (turn == TURNS / 2)
			say_ready(argv[2], me);
		MPI_Sendrecv(out, BYTES, MPI_CHAR, 1 - me, 0, in, BYTES, MPI_CHAR, 1 - me, 0, MPI_COMM_WORLD,
		             MPI_STATUS_IGNORE);
		if (in[0] != 'b' - me || in[BYTES - 1] != 'b' - me)
			exit(99);
	}
	if (!strcmp(how, "abort") && me == 0)
		MPI_Abort(MPI_COMM_WORLD, 5);
	if (!strcmp(how, "exit"))
		exit(6);
	if (!strcmp(how, "abort"))
		MPI_Recv(in, BYTES, MPI_CHAR, 0, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);	/* never comes */
	MPI_Finalize();
	return 0;
}
