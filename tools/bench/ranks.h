/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ranks.h: what the programs for more than two ranks share: options, start, pinning, medians. */
#ifndef VMOBENCH_RANKS_H
#define VMOBENCH_RANKS_H

#include <mpi.h>
#include <sched.h>
#include <stdio.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_RANKS = 64, MAX_BATCHES = 100 };

static struct {
	int rank, size;
	long errors;		/* seen by this rank */
} world;

static void ranks_fail(const char *what)
{
	fprintf(stderr, "vmobench: %s\n", what);
	exit(2);
}

static long ranks_agree(long value)
{
	MPI_Bcast(&value, 1, MPI_LONG, 0, MPI_COMM_WORLD);
	return value;
}

static long ranks_add(long value)
{
	long sum = 0;

	MPI_Allreduce(&value, &sum, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
	return sum;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void sort_doubles(double *values, int n)
{
	qsort(values, (size_t)n, sizeof *values, compare_doubles);
}

static double median_of(const double *sorted, int n)
{
	return (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
}

/* Is the name in the list, by comma? */
static bool ranks_wanted(const char *list, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
		if (!strncmp(at, name, length) && (at[length] == ',' || !at[length]))
			return true;
	return false;
}

static int ranks_parse_sizes(char *list, size_t *sizes, int most)
{
	int n = 0;

	for (char *s = strtok(list, ","); s && n < most; s = strtok(NULL, ",")) {
		long bytes = atol(s);
		if (bytes < 8 * MAX_RANKS || bytes > 1L << 28)
			ranks_fail("--sizes: each from 512 to 2^28 bytes");
		sizes[n++] = (size_t)bytes / 8 * 8;
	}
	return n;
}

static void ranks_parse(int argc, char **argv, size_t *sizes, int most, int *n_sizes, const char **tests, long *ms,
                        int *batches)
{
	for (int i = 1; i < argc; i += 2) {
		if (i + 1 == argc)
			ranks_fail("an option without value");
		if (!strcmp(argv[i], "--sizes"))
			*n_sizes = ranks_parse_sizes(argv[i + 1], sizes, most);
		else if (!strcmp(argv[i], "--tests"))
			*tests = argv[i + 1];
		else if (!strcmp(argv[i], "--ms"))
			*ms = atol(argv[i + 1]);
		else if (!strcmp(argv[i], "--batches"))
			*batches = atoi(argv[i + 1]);
		else
			ranks_fail("options: --sizes B,B [--tests NAME,NAME] [--ms N] [--batches N]");
	}
	if (!*n_sizes || *batches < 1 || *batches > MAX_BATCHES)
		ranks_fail("--sizes is needed, --batches from 1 to 100");
}

/* Rank r runs on the r-th core that this process may use (modulo their number). Before MPI_Init: its threads follow. */
static void pin_by_environment(void)
{
	const char *rank = getenv("PMI_RANK") ? getenv("PMI_RANK") : getenv("OMPI_COMM_WORLD_RANK");
	cpu_set_t allowed, one;

	if (!rank || sched_getaffinity(0, sizeof allowed, &allowed))
		return;
	for (int cpu = 0, nth = atoi(rank) % CPU_COUNT(&allowed); cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &allowed) || nth-- > 0)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		sched_setaffinity(0, sizeof one, &one);
		return;
	}
}

static void ranks_begin(int *argc, char ***argv)
{
	pin_by_environment();
	MPI_Init(argc, argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &world.rank);
	MPI_Comm_size(MPI_COMM_WORLD, &world.size);
	if (world.size > MAX_RANKS)
		ranks_fail("64 ranks at most");
}

#endif
