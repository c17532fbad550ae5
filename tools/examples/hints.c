/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hints.c: an MPI program that asks and tells libvmonecopy, and runs as well without it.
 *
 *   mpicc -I /usr/local/include -o hints hints.c          no library is named
 *   mpirun -n 2 ./hints                                   plain MPI
 *   mpirun -n 2 vmonecopy run -- ./hints                  with the library
 *
 * Rank 0 sends one array to rank 1 once. Without the hint a buffer's first sends are staged: two copies.
 */
#include <mpi.h>
#include <vmonecopy.h>

#include <stdio.h>
#include <stdlib.h>

#define COUNT (1 << 20)

int main(int argc, char **argv)
{
	struct vmonecopy_counters before = { .size = sizeof before }, after = { .size = sizeof after };
	const char *why;
	int rank, ranks, wrong = 0;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &ranks);
	if (rank == 0 && vmonecopy_active(&why))
		printf("libvmonecopy %s is active\n", vmonecopy_version_string());
	else if (rank == 0)
		printf("libvmonecopy is not active: %s\n", why);

	int *data = malloc(COUNT * sizeof *data);
	for (int i = 0; i < COUNT; i++)
		data[i] = rank == 0 ? i : 0;

	vmonecopy_get_counters(&before);
	if (rank == 0 && ranks > 1) {
		int preferred = vmonecopy_prefer(data, COUNT * sizeof *data, 1);
		MPI_Send(data, COUNT, MPI_INT, 1, 0, MPI_COMM_WORLD);
		vmonecopy_get_counters(&after);
		printf("prefer %d: %llu bytes by one copy, %llu staged\n", preferred,
		       (unsigned long long)(after.onecopy_bytes - before.onecopy_bytes),
		       (unsigned long long)(after.staged_bytes - before.staged_bytes));
		printf("forget %d\n", vmonecopy_forget(data, COUNT * sizeof *data));
	} else if (rank == 1) {
		MPI_Recv(data, COUNT, MPI_INT, 0, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	}
	for (int i = 0; i < COUNT && rank < 2; i++)
		wrong += data[i] != i;
	printf(wrong ? "rank %d: wrong data\n" : "rank %d: right\n", rank);
	free(data);
	MPI_Finalize();
	return wrong != 0;
}
