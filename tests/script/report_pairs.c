/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * report_pairs.c: four ranks send what report_json.sh knows: to the next rank (another VM) and to the one after it (the
 * same VM), to a receiver with gaps, and in a nonblocking collective.
 */
#include <mpi.h>

#include <stdio.h>
#include <string.h>

#define LARGE (1 << 20)
#define SMALL (64 << 10)

static char out[LARGE], in[2 * LARGE];
static int me, ranks, wrong;

static void exchange(int distance, int bytes, MPI_Datatype type, int count)
{
	int to = (me + distance) % ranks, from = (me + ranks - distance) % ranks;

	memset(out, me + 1, (size_t)bytes);
	memset(in, 0, sizeof in);
	MPI_Sendrecv(out, bytes, MPI_BYTE, to, 0, in, count, type, from, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	wrong += in[0] != from + 1;
}

int main(int argc, char **argv)
{
	MPI_Datatype gaps;
	MPI_Request request;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &me);
	MPI_Comm_size(MPI_COMM_WORLD, &ranks);
	MPI_Type_vector(SMALL / 64, 64, 128, MPI_BYTE, &gaps);
	MPI_Type_commit(&gaps);
	for (int i = 0; i < 10; i++)
		exchange(1, LARGE, MPI_BYTE, LARGE);
	for (int i = 0; i < 5; i++)
		exchange(2, LARGE, MPI_BYTE, LARGE);
	for (int i = 0; i < 3; i++)
		exchange(1, SMALL, gaps, 1);
	MPI_Ibcast(out, SMALL, MPI_BYTE, 0, MPI_COMM_WORLD, &request);
	MPI_Wait(&request, MPI_STATUS_IGNORE);
	MPI_Type_free(&gaps);
	if (!wrong)
		puts("right");
	MPI_Finalize();
	return wrong != 0;
}
