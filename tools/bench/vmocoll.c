/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmocoll.c: latency of collectives in the layout of OSU's micro-benchmarks, every result checked. Plain MPI, no shim.
 *
 *   vmocoll --sizes 65536,1048576 [--tests alltoall,bcast,...] [--ms N] [--batches N]
 *
 * A size is bytes for each pair (alltoall, allgather, gather, scatter) or of the whole vector (bcast, reduce, allreduce,
 * reduce_scatter). As in OSU's osu_alltoall and its like: a barrier before each call, its time taken on each rank, the
 * mean over calls and ranks is a batch's latency. One JSON line for each test and size: median and least of the
 * batches. Exit status 3 if a result was wrong.
 *
 * What is checked, outside the measured time. Each call has a serial number; each 8-byte word of a piece is a function
 * of (serial, size, owner, target, offset). A batch begins with wholly new content; each call carries new words at head,
 * tail and up to 64 page-strided places, all checked after it; after each batch all that was received is compared whole.
 * Reductions add such words up, modulo 2^64.
 *
 *   vmocoll --hook-cost --sizes ...
 *
 * What a tool between the program and MPI adds to calls that it leaves to MPI: in one process batches by MPI_X and by
 * PMPI_X in turn (P M M P), so that nothing but the tool differs. Printed: the median of the batches' ratios M : P, and
 * that of P : P, which shows what the machine alone makes of it.
 */
#include <mpi.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pattern.h"
#include "ranks.h"

enum { MAX_SIZES = 32, EXIT_WRONG = 3 };

static struct {
	size_t sizes[MAX_SIZES];
	int n_sizes, batches;
	long ms;
	const char *tests;
} opt = {.batches = 10, .ms = 100, .tests = "alltoall,allgather,bcast,allreduce"};

static char *out, *in, *expected;
static bool beneath;		/* the next calls go to MPI itself */

#define VIA(call) (beneath ? PMPI_##call : MPI_##call)
static uint64_t serial;

/* What a test moves: pieces out, one for each target or one for all, and pieces in, one for each owner. */
struct test {
	const char *name;
	void (*call)(size_t bytes);
	bool to_each;		/* a piece for each target */
	bool rooted_out;	/* only rank 0 has something to give */
	bool rooted_in;		/* only rank 0 gets something */
	bool one_owner;		/* one piece comes, from rank 0 */
	bool sums;		/* what comes is the sum over all ranks */
	bool own_part;		/* of the sum, this rank's part only */
	bool in_buffer;		/* it goes out of the buffer that it comes into */
};

static void alltoall(size_t bytes)
{
	VIA(Alltoall)(out, (int)bytes, MPI_BYTE, in, (int)bytes, MPI_BYTE, MPI_COMM_WORLD);
}

static void allgather(size_t bytes)
{
	VIA(Allgather)(out, (int)bytes, MPI_BYTE, in, (int)bytes, MPI_BYTE, MPI_COMM_WORLD);
}

static void gather(size_t bytes)
{
	VIA(Gather)(out, (int)bytes, MPI_BYTE, in, (int)bytes, MPI_BYTE, 0, MPI_COMM_WORLD);
}

static void scatter(size_t bytes)
{
	VIA(Scatter)(out, (int)bytes, MPI_BYTE, in, (int)bytes, MPI_BYTE, 0, MPI_COMM_WORLD);
}

static void bcast(size_t bytes)
{
	VIA(Bcast)(in, (int)bytes, MPI_BYTE, 0, MPI_COMM_WORLD);
}

static void reduce(size_t bytes)
{
	VIA(Reduce)(out, in, (int)(bytes / 8), MPI_UINT64_T, MPI_SUM, 0, MPI_COMM_WORLD);
}

static void allreduce(size_t bytes)
{
	VIA(Allreduce)(out, in, (int)(bytes / 8), MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
}

static void reduce_scatter(size_t bytes)
{
	VIA(Reduce_scatter_block)(out, in, (int)(bytes / 8 / (size_t)world.size), MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
}

/* Sizes that differ by pair, around the given one: 3/4, 1 and 5/4 of it. */
static size_t uneven(size_t bytes, int from, int to)
{
	return bytes / 4 / 8 * 8 * (size_t)(3 + (from + 2 * to) % 3);
}

static void alltoallv(size_t bytes)
{
	int scounts[MAX_RANKS], rcounts[MAX_RANKS], displs[MAX_RANKS];

	for (int r = 0; r < world.size; r++) {
		scounts[r] = (int)uneven(bytes, world.rank, r);
		rcounts[r] = (int)uneven(bytes, r, world.rank);
		displs[r] = (int)(2 * bytes) * r;
	}
	VIA(Alltoallv)(out, scounts, displs, MPI_BYTE, in, rcounts, displs, MPI_BYTE, MPI_COMM_WORLD);
}

static const struct test tests[] = {
	{.name = "alltoall", .call = alltoall, .to_each = true},
	{.name = "alltoallv", .call = alltoallv, .to_each = true},
	{.name = "allgather", .call = allgather},
	{.name = "gather", .call = gather, .rooted_in = true},
	{.name = "scatter", .call = scatter, .to_each = true, .rooted_out = true, .one_owner = true},
	{.name = "bcast", .call = bcast, .rooted_out = true, .one_owner = true, .in_buffer = true},
	{.name = "reduce", .call = reduce, .rooted_in = true, .sums = true},
	{.name = "allreduce", .call = allreduce, .sums = true},
	{.name = "reduce_scatter", .call = reduce_scatter, .sums = true, .own_part = true},
};
enum { TESTS = sizeof tests / sizeof *tests };

/* ---- pieces ---- */

struct piece {
	char *at;
	size_t bytes;
	int id;			/* of owner and target */
};

static bool is_v(const struct test *test)
{
	return test->call == alltoallv;
}

static int pieces_out(const struct test *test)
{
	return test->rooted_out && world.rank ? 0 : test->to_each ? world.size : 1;
}

static struct piece piece_out(const struct test *test, size_t bytes, int target)
{
	struct piece p = {test->in_buffer ? in : out, bytes, world.rank * MAX_RANKS};

	if (test->to_each) {
		p.at += (size_t)target * (is_v(test) ? 2 * bytes : bytes);
		p.bytes = is_v(test) ? uneven(bytes, world.rank, target) : bytes;
		p.id += target;
	}
	return p;
}

static int pieces_in(const struct test *test)
{
	return test->rooted_in && world.rank ? 0 : test->sums || test->one_owner ? 1 : world.size;
}

static struct piece piece_in(const struct test *test, size_t bytes, int owner)
{
	struct piece p = {in, bytes, owner * MAX_RANKS + (test->to_each ? world.rank : 0)};

	if (!test->one_owner)
		p.at += (size_t)owner * (is_v(test) ? 2 * bytes : bytes);
	if (is_v(test))
		p.bytes = uneven(bytes, owner, world.rank);
	return p;
}

/* ---- content ---- */

static uint64_t tag_for(uint64_t number, size_t bytes, int id)
{
	return tag_of(number * MAX_RANKS * MAX_RANKS, bytes, id);
}

static void renew_words(char *at, size_t bytes, uint64_t number, int id)
{
	size_t place[MAX_SPOTS + 2];
	uint64_t tag = tag_for(number, bytes, id);
	int n = spots(bytes, number, place);

	for (int i = 0; i < n; i++) {
		uint64_t word = word_at(tag, place[i]);
		memcpy(at + place[i], &word, 8);
	}
}

static void renew_out(const struct test *test, size_t bytes, bool whole)
{
	for (int i = 0; i < pieces_out(test); i++) {
		struct piece p = piece_out(test, bytes, i);
		if (whole)
			fill(p.at, p.bytes, tag_for(serial, p.bytes, p.id));
		else
			renew_words(p.at, p.bytes, serial, p.id);
	}
}

/* The sum of all ranks' words at this offset, of their pieces with this serial number. */
static uint64_t sum_at(size_t bytes, uint64_t number, size_t offset)
{
	uint64_t sum = 0;

	for (int r = 0; r < world.size; r++)
		sum += word_at(tag_for(number, bytes, r * MAX_RANKS), offset);
	return sum;
}

/* Offset of this rank's part of the sum. */
static size_t part_begin(const struct test *test, size_t bytes)
{
	return test->own_part ? bytes / 8 / (size_t)world.size * 8 * (size_t)world.rank : 0;
}

static size_t part_bytes(const struct test *test, size_t bytes)
{
	return test->own_part ? bytes / 8 / (size_t)world.size * 8 : bytes;
}

static void wrong(const struct test *test, size_t bytes, const char *what)
{
	if (world.errors++ == 0)
		fprintf(stderr, "vmobench: rank %d: %s, %zu bytes: %s\n", world.rank, test->name, bytes, what);
}

/* The words renewed for this call are here. */
static void check_words(const struct test *test, size_t bytes)
{
	size_t place[MAX_SPOTS + 2];

	for (int i = 0; i < pieces_in(test); i++) {
		struct piece p = piece_in(test, bytes, i);
		size_t begin = test->sums ? part_begin(test, bytes) : 0, end = begin + (test->sums ? part_bytes(test, bytes) : p.bytes);
		int n = spots(p.bytes, serial, place);
		for (int k = 0; k < n; k++) {
			uint64_t word = test->sums ? sum_at(bytes, serial, place[k]) : word_at(tag_for(serial, p.bytes, p.id), place[k]);
			if (place[k] >= begin && place[k] + 8 <= end && memcmp(p.at + place[k] - begin, &word, 8))
				wrong(test, bytes, "a word that must have come is not there");
		}
	}
}

/* Expected content of a piece: filled with the first number's words, then renewed by all up to the last. */
static void rebuild(size_t bytes, uint64_t first, int id)
{
	fill(expected, bytes, tag_for(first, bytes, id));
	for (uint64_t number = first + 1; number <= serial; number++)
		renew_words(expected, bytes, number, id);
}

static void check_whole(const struct test *test, size_t bytes, uint64_t first)
{
	for (int i = 0; i < pieces_in(test) && !test->sums; i++) {
		struct piece p = piece_in(test, bytes, i);
		rebuild(p.bytes, first, p.id);
		if (memcmp(p.at, expected, p.bytes))
			wrong(test, bytes, "what was received is wrong");
	}
	if (!test->sums || !pieces_in(test))
		return;
	size_t begin = part_begin(test, bytes), words = part_bytes(test, bytes) / 8;
	uint64_t *sum = calloc(words + 1, 8), word;
	for (int r = 0; r < world.size; r++) {
		rebuild(bytes, first, r * MAX_RANKS);
		for (size_t w = 0; w < words; w++) {
			memcpy(&word, expected + begin + 8 * w, 8);
			sum[w] += word;
		}
	}
	if (memcmp(in, sum, 8 * words))
		wrong(test, bytes, "the sum is wrong");
	free(sum);
}

/* ---- measuring ---- */

/* Mean time of `steps` calls, over all ranks. */
static double batch(const struct test *test, size_t bytes, long steps)
{
	double spent = 0, all = 0;
	uint64_t first = ++serial;

	renew_out(test, bytes, true);
	for (long i = 0; i < steps; i++) {
		if (i) {
			serial++;
			renew_out(test, bytes, false);
		}
		MPI_Barrier(MPI_COMM_WORLD);
		double begin = MPI_Wtime();
		test->call(bytes);
		spent += MPI_Wtime() - begin;
		check_words(test, bytes);
	}
	check_whole(test, bytes, first);
	MPI_Allreduce(&spent, &all, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
	return all / world.size / (double)steps * 1e6;
}

static void measure(const struct test *test, size_t bytes)
{
	double us[MAX_BATCHES];
	double each = batch(test, bytes, 6), again = batch(test, bytes, 4);
	long steps = ranks_agree((long)((double)opt.ms * 1000 / opt.batches / (again < each ? again : each)));

	steps = steps < 2 ? 2 : steps > 2000 ? 2000 : steps;
	for (int i = 0; i < opt.batches; i++)
		us[i] = batch(test, bytes, steps);
	sort_doubles(us, opt.batches);
	long errors = ranks_add(world.errors);
	if (world.rank == 0)
		printf("{\"vmobench\":1,\"test\":\"%s\",\"ranks\":%d,\"bytes\":%zu,\"steps\":%ld,\"batches\":%d,"
		       "\"latency_us\":{\"median\":%.3f,\"min\":%.3f},\"errors\":%ld}\n", test->name, world.size, bytes,
		       steps, opt.batches, median_of(us, opt.batches), us[0], errors);
	fflush(stdout);
}

static double batch_by(const struct test *test, size_t bytes, long steps, bool to_mpi_itself)
{
	beneath = to_mpi_itself;
	double us = batch(test, bytes, steps);
	beneath = false;
	return us;
}

static void measure_hook(const struct test *test, size_t bytes)
{
	double hooked[MAX_BATCHES], bare[MAX_BATCHES], us[MAX_BATCHES];
	double each = batch(test, bytes, 20), again = batch(test, bytes, 20);
	long steps = ranks_agree((long)((double)opt.ms * 1000 / 4 / opt.batches / (again < each ? again : each)));

	steps = steps < 10 ? 10 : steps > 2000 ? 2000 : steps;
	for (int i = 0; i < opt.batches; i++) {
		double p1 = batch_by(test, bytes, steps, true), m1 = batch_by(test, bytes, steps, false);
		double m2 = batch_by(test, bytes, steps, false), p2 = batch_by(test, bytes, steps, true);
		us[i] = (p1 + p2) / 2;
		hooked[i] = (m1 + m2) / (p1 + p2);
		bare[i] = i % 2 ? p1 / p2 : p2 / p1;
	}
	sort_doubles(us, opt.batches);
	sort_doubles(hooked, opt.batches);
	sort_doubles(bare, opt.batches);
	long errors = ranks_add(world.errors);
	if (world.rank == 0)
		printf("{\"vmobench\":1,\"test\":\"%s\",\"ranks\":%d,\"bytes\":%zu,\"steps\":%ld,\"batches\":%d,\"latency_us\":"
		       "{\"median\":%.3f,\"min\":%.3f},\"hooked\":%.4f,\"bare\":%.4f,\"errors\":%ld}\n", test->name, world.size,
		       bytes, steps, opt.batches, median_of(us, opt.batches), us[0], median_of(hooked, opt.batches),
		       median_of(bare, opt.batches), errors);
	fflush(stdout);
}

static char *allocate(size_t bytes)
{
	char *p = malloc(bytes);

	if (!p)
		ranks_fail("out of memory: use smaller --sizes");
	memset(p, 0, bytes);	/* no first touch within the measured time */
	return p;
}

int main(int argc, char **argv)
{
	size_t largest = 0;
	bool hook_cost = argc > 1 && !strcmp(argv[1], "--hook-cost");

	if (hook_cost)
		argc--, argv++;
	ranks_parse(argc, argv, opt.sizes, MAX_SIZES, &opt.n_sizes, &opt.tests, &opt.ms, &opt.batches);
	ranks_begin(&argc, &argv);
	for (int i = 0; i < opt.n_sizes; i++)
		largest = opt.sizes[i] > largest ? opt.sizes[i] : largest;
	out = allocate(2 * largest * (size_t)world.size);
	in = allocate(2 * largest * (size_t)world.size);
	expected = allocate(2 * largest);
	for (int i = 0; i < TESTS; i++)
		for (int k = 0; k < opt.n_sizes && ranks_wanted(opt.tests, tests[i].name); k++)
			(hook_cost ? measure_hook : measure)(&tests[i], opt.sizes[k]);
	long errors = ranks_add(world.errors);
	MPI_Finalize();
	return errors ? EXIT_WRONG : 0;
}
