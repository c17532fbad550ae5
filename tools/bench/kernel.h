/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * kernel.h: measuring what a communication pattern with the work around it takes, end to end: vmokernel.c and vmonas.c.
 * The same in Fortran: kernel.inc.
 *
 *   PROGRAM --sizes 1048576 [--tests NAME,...] [--ms N] [--batches N]
 *
 * A kernel is begun for a size, makes steps in batches, which are timed, and is checked after each batch, which is not.
 * Output: one JSON line for each kernel and size, microseconds of one step (mean over the ranks), median and least of the
 * batches. Exit status EXIT_WRONG if a result was wrong.
 */
#ifndef KERNEL_H
#define KERNEL_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "ranks.h"

enum { MAX_SIZES = 32, EXIT_WRONG = 3 };

static struct {
	size_t sizes[MAX_SIZES];
	int n_sizes, batches;
	long ms;
	const char *tests;
} opt = {.batches = 5, .ms = 300};

static void wrong(const char *what)
{
	if (world.errors++ == 0)
		fprintf(stderr, "vmobench: rank %d: %s\n", world.rank, what);
}

static void *allocate(size_t bytes)
{
	void *p = malloc(bytes);

	if (!p)
		ranks_fail("out of memory: use smaller --sizes");
	memset(p, 0, bytes);
	return p;
}

struct kernel {
	const char *name;
	size_t (*begin)(size_t bytes);	/* bytes for each pair, rounded */
	void (*step)(void);
	void (*check)(void);
	void (*end)(void);
};

static double batch(const struct kernel *kernel, long steps)
{
	double spent, all = 0;

	MPI_Barrier(MPI_COMM_WORLD);
	spent = MPI_Wtime();
	for (long i = 0; i < steps; i++)
		kernel->step();
	spent = MPI_Wtime() - spent;
	kernel->check();
	MPI_Allreduce(&spent, &all, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
	return all / world.size / (double)steps * 1e6;
}

static void measure(const struct kernel *kernel, size_t bytes)
{
	double us[MAX_BATCHES];
	size_t rounded = kernel->begin(bytes);
	double each = batch(kernel, 8);		/* warm, and long enough for what is admitted after some calls */
	long steps = ranks_agree((long)((double)opt.ms * 1000 / opt.batches / each));

	steps = steps < 2 ? 2 : steps;
	for (int i = 0; i < opt.batches; i++)
		us[i] = batch(kernel, steps);
	kernel->end();
	sort_doubles(us, opt.batches);
	long errors = ranks_add(world.errors);
	if (world.rank == 0)
		printf("{\"vmobench\":1,\"test\":\"%s\",\"ranks\":%d,\"bytes\":%zu,\"pair_bytes\":%zu,\"steps\":%ld,\"batches\":%d,"
		       "\"latency_us\":{\"median\":%.3f,\"min\":%.3f},\"errors\":%ld}\n", kernel->name, world.size, bytes,
		       rounded, steps, opt.batches, median_of(us, opt.batches), us[0], errors);
	fflush(stdout);
}

static int kernels_main(int argc, char **argv, const struct kernel *kernels, size_t n)
{
	char tests[256] = "";

	for (size_t i = 0; i < n; i++)
		snprintf(tests + strlen(tests), sizeof tests - strlen(tests), "%s%s", i ? "," : "", kernels[i].name);
	opt.tests = tests;
	ranks_parse(argc, argv, opt.sizes, MAX_SIZES, &opt.n_sizes, &opt.tests, &opt.ms, &opt.batches);
	ranks_begin(&argc, &argv);
	for (size_t i = 0; i < n; i++)
		for (int k = 0; k < opt.n_sizes && ranks_wanted(opt.tests, kernels[i].name); k++)
			measure(&kernels[i], opt.sizes[k]);
	long errors = ranks_add(world.errors);
	MPI_Finalize();
	return errors ? EXIT_WRONG : 0;
}

#endif
