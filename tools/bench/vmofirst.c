/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmofirst.c: what the first uses of a send buffer cost. Two ranks; plain MPI, no shim inside.
 *
 *   vmofirst --sizes 65536,1048576 [--batches N]
 *
 * Each of some fresh buffers (mapped, filled, never sent before) is sent R times, for R of 1 to 100; each message is
 * answered by an empty one. Filling and checking are not timed; a message's first word differs from all others. One JSON
 * line for each size and R: microseconds a message, median and least over the batches. Exit status 3: a wrong message.
 */
#include <stdint.h>
#include <sys/mman.h>

#pragma GCC diagnostic ignored "-Wunused-function"	/* of ranks.h */
#include "ranks.h"

enum { MAX_SIZES = 16, EXIT_WRONG = 3, MOST_BYTES = 16 << 20, MOST_BUFFERS = 16 };

static const int repeats[] = {1, 2, 3, 5, 10, 30, 100};

static struct {
	size_t sizes[MAX_SIZES];
	int n_sizes, batches;
	long ms;
	const char *tests;
} opt = {.batches = 3, .ms = 1, .tests = ""};

static uint64_t serial;

static char *fresh(size_t bytes)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		ranks_fail("vmofirst: out of memory: use smaller --sizes");
	memset(p, 1 + world.rank, bytes);
	return p;
}

static void check(const char *in, size_t bytes)
{
	uint64_t head;

	memcpy(&head, in, sizeof head);
	if ((head != serial || in[bytes - 1] != 1) && world.errors++ == 0)
		fprintf(stderr, "vmofirst: a message is wrong\n");
}

/* Microseconds a message, seen by rank 0. */
static double batch(size_t bytes, int times)
{
	int buffers = (int)(MOST_BYTES / bytes) < MOST_BUFFERS ? (int)(MOST_BYTES / bytes) : MOST_BUFFERS;
	char *out[MOST_BUFFERS], *in = fresh(bytes), nothing;
	double spent = 0;

	buffers = buffers < 1 ? 1 : buffers;
	for (int i = 0; i < buffers && world.rank == 0; i++)
		out[i] = fresh(bytes);
	MPI_Barrier(MPI_COMM_WORLD);
	for (int k = 0; k < times * buffers; k++) {
		serial++;
		if (world.rank == 1) {
			MPI_Recv(in, (int)bytes, MPI_BYTE, 0, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
			MPI_Send(&nothing, 0, MPI_BYTE, 0, 2, MPI_COMM_WORLD);
			check(in, bytes);
			continue;
		}
		memcpy(out[k % buffers], &serial, sizeof serial);
		double start = MPI_Wtime();
		MPI_Send(out[k % buffers], (int)bytes, MPI_BYTE, 1, 1, MPI_COMM_WORLD);
		MPI_Recv(&nothing, 0, MPI_BYTE, 1, 2, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		spent += MPI_Wtime() - start;
	}
	for (int i = 0; i < buffers && world.rank == 0; i++)
		munmap(out[i], bytes);
	munmap(in, bytes);
	return spent / times / buffers * 1e6;
}

static void measure(size_t bytes, int times)
{
	double us[MAX_BATCHES];

	for (int i = 0; i < opt.batches; i++)
		us[i] = batch(bytes, times);
	sort_doubles(us, opt.batches);
	if (world.rank == 0)
		printf("{\"vmofirst\":1,\"bytes\":%zu,\"repeats\":%d,\"us\":{\"median\":%.3f,\"min\":%.3f}}\n", bytes, times,
		       median_of(us, opt.batches), us[0]);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	ranks_parse(argc, argv, opt.sizes, MAX_SIZES, &opt.n_sizes, &opt.tests, &opt.ms, &opt.batches);
	ranks_begin(&argc, &argv);
	if (world.size != 2)
		ranks_fail("vmofirst: needs exactly 2 ranks");
	for (int k = 0; k < opt.n_sizes; k++) {
		batch(opt.sizes[k], 8);		/* warm up all but the buffers */
		for (size_t i = 0; i < sizeof repeats / sizeof *repeats; i++)
			measure(opt.sizes[k], repeats[i]);
	}
	long errors = ranks_add(world.errors);
	MPI_Finalize();
	return errors ? EXIT_WRONG : 0;
}
