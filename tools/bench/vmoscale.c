/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmoscale.c: what MPI_Init takes and leaves behind, for any number of ranks. Plain MPI, no shim inside.
 *
 * One JSON line: the longest MPI_Init, milliseconds; memory that is the process's own (Private_Clean and Private_Dirty of
 * /proc/self/smaps_rollup) after MPI_Init and a barrier, KiB, mean and greatest over the ranks.
 */
#include <mpi.h>
#include <stdio.h>
#include <time.h>

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double private_kib(void)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "r");
	char line[256];
	long kib, sum = 0;

	while (file && fgets(line, sizeof line, file))
		if (sscanf(line, "Private_Clean: %ld", &kib) == 1 || sscanf(line, "Private_Dirty: %ld", &kib) == 1)
			sum += kib;
	if (file)
		fclose(file);
	return (double)sum;
}

int main(int argc, char **argv)
{
	double mine[2], most[2], sum[2];
	int rank, size;

	mine[0] = now_ms();
	MPI_Init(&argc, &argv);
	mine[0] = now_ms() - mine[0];
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	MPI_Barrier(MPI_COMM_WORLD);
	mine[1] = private_kib();
	MPI_Reduce(mine, most, 2, MPI_DOUBLE, MPI_MAX, 0, MPI_COMM_WORLD);
	MPI_Reduce(mine, sum, 2, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD);
	if (rank == 0)
		printf("{\"vmoscale\":1,\"ranks\":%d,\"init_ms\":%.2f,\"private_kib\":{\"mean\":%.0f,\"max\":%.0f}}\n", size, most[0],
		       sum[1] / size, most[1]);
	fflush(stdout);
	MPI_Finalize();
	return 0;
}
