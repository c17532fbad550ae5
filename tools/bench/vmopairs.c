/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmopairs.c: latency and bandwidth of pairs of ranks, with the buffers that programs have; every message checked.
 * Plain MPI, no shim inside.
 *
 *   vmopairs --sizes 65536,1048576 [--tests latency,bw,bibw] [--buffers warm|cold|rotating|fresh] [--ms N] [--batches N]
 *            [--window N]
 *
 * Ranks 2k and 2k + 1 are a pair; all pairs are at work at once, as in osu_multi_lat and osu_mbw_mr.
 *
 *   latency  MPI_Send and MPI_Recv in turn, half a round trip, mean over the pairs
 *   bw       windows of MPI_Isend from the even rank, each acknowledged; sum over the pairs
 *   bibw     such windows in both directions at once
 *
 * Buffers. Between two messages the sender rewrites head, tail and up to 64 page-strided words, the receiver reads them.
 *   warm      one send buffer, and as many receive buffers as a window has messages, always the same
 *   cold      the same, flushed from all caches before each message or window, on both sides; the time of that is left out
 *   rotating  up to 256 buffers of 32 MiB in all each way, used in turn
 *   fresh     each message in memory of its own: malloc, all of it written, sent, free; and malloc, received, free. All of
 *             that is in the measured time, without the library as with it
 *
 * What is checked. Each step has a serial number; each 8-byte word is a function of (serial, size, sender, offset). Each
 * message's new words are looked at within the measured time; after each batch what was received last into each buffer is
 * compared whole, outside it. One JSON line for each test and size; exit status 3 if a payload was wrong.
 */
#include <mpi.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flush.h"
#include "pattern.h"
#include "ranks.h"

enum { MAX_SIZES = 32, MAX_SLOTS = 256, EXIT_WRONG = 3 };
enum { MOST_STEPS = 20000, WARM_MESSAGES = 20, LEAST_STEPS = 2 };
static const size_t rotating_bytes = 32 << 20, window_bytes = 64 << 20;

enum buffers { WARM, COLD, ROTATING, FRESH };
static const char *const buffers_names[] = {"warm", "cold", "rotating", "fresh"};

static struct {
	size_t sizes[MAX_SIZES];
	int n_sizes, batches, window;
	long ms;
	const char *tests;
	enum buffers buffers;
} opt = {.batches = 10, .window = 16, .ms = 50, .tests = "latency,bw,bibw"};

/* A buffer that is received into, and whose content that is: the sender's slot, and its step. */
struct landing {
	char *at;
	int slot;
	uint64_t step;
};

static char *out[MAX_SLOTS], *expected;
static struct landing in[MAX_SLOTS];
static int n_out, n_in;
static uint64_t step;		/* serial number, the same on both ranks of a pair */
static int peer;

struct test {
	const char *name;
	void (*run)(size_t bytes, int count);
	bool windows, even_receives, odd_sends, bandwidth;
};

static double now_us(void)
{
	return MPI_Wtime() * 1e6;
}

/* ---- content ---- */

static uint64_t tag_for(uint64_t number, size_t bytes, int from)
{
	return tag_of(number * MAX_RANKS, bytes, from);
}

static void renew(char *at, size_t bytes, uint64_t number, int from)
{
	size_t place[MAX_SPOTS + 2];
	uint64_t tag = tag_for(number, bytes, from);
	int n = spots(bytes, number, place);

	for (int i = 0; i < n; i++) {
		uint64_t word = word_at(tag, place[i]);
		memcpy(at + place[i], &word, 8);
	}
}

static void wrong(size_t bytes, size_t at)
{
	if (world.errors++ == 0)
		fprintf(stderr, "vmobench: rank %d: wrong payload: %zu bytes from rank %d, step %llu, offset %zu\n", world.rank,
		        bytes, peer, (unsigned long long)step, at);
}

static void check_words(const char *at, size_t bytes)
{
	size_t place[MAX_SPOTS + 2];
	uint64_t tag = tag_for(step, bytes, peer), found;
	int n = spots(bytes, step, place);

	for (int i = 0; i < n; i++) {
		memcpy(&found, at + place[i], 8);
		if (found != word_at(tag, place[i]))
			wrong(bytes, place[i]);
	}
}

/* The i-th message of a step uses this one of n buffers. */
static int slot_of(uint64_t number, int count, int i, int n)
{
	return (int)((number * (uint64_t)count + (uint64_t)i) % (uint64_t)n);
}

static bool uses(uint64_t number, int count, int slot)
{
	int first = slot_of(number, count, 0, n_out);

	return (slot - first + n_out) % n_out < count;
}

/* What the sender's slot held at this step: all written at the batch's begin, then renewed whenever it was used. */
static void check_landing(const struct landing *l, size_t bytes, int count, uint64_t base)
{
	if (l->step <= base)
		return;
	if (opt.buffers == FRESH)
		fill(expected, bytes, tag_for(l->step, bytes, peer));
	else
		fill(expected, bytes, tag_for(base, bytes, peer));
	for (uint64_t s = base + 1; opt.buffers != FRESH && s <= l->step; s++)
		if (uses(s, count, l->slot))
			renew(expected, bytes, s, peer);
	for (size_t at = 0; memcmp(l->at, expected, bytes) && at < bytes; at++)
		if (l->at[at] != expected[at]) {
			wrong(bytes, at);
			return;
		}
}

/* ---- buffers ---- */

static char *allocate(size_t bytes)
{
	char *p = malloc(bytes);

	if (!p)
		ranks_fail("out of memory: use smaller --sizes or --window");
	return p;
}

/* Both ranks flush what the next step uses, and meet. */
static void make_cold(size_t bytes, int count)
{
	char mine = 0, theirs;

	for (int i = 0; i < count && i < n_out; i++)
		flush(out[slot_of(step + 1, count, i, n_out)], bytes);
	for (int i = 0; i < count && i < n_in; i++)
		flush(in[slot_of(step + 1, count, i, n_in)].at, bytes);
	MPI_Sendrecv(&mine, 1, MPI_CHAR, peer, 4, &theirs, 1, MPI_CHAR, peer, 4, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

static void write_out(size_t bytes, int count)
{
	for (int i = 0; i < count && i < n_out; i++) {
		int slot = slot_of(step, count, i, n_out);
		if (opt.buffers == FRESH)
			fill(out[slot] = allocate(bytes), bytes, tag_for(step, bytes, world.rank));
		else
			renew(out[slot], bytes, step, world.rank);
	}
}

static void give_up_out(int count)
{
	for (int i = 0; opt.buffers == FRESH && i < count && i < n_out; i++)
		free(out[slot_of(step, count, i, n_out)]);
}

/* Where the i-th message of this step goes. */
static char *land(size_t bytes, int count, int i)
{
	struct landing *l = &in[slot_of(step, count, i, n_in)];

	if (opt.buffers == FRESH) {
		free(l->at);
		l->at = allocate(bytes);
	}
	l->slot = slot_of(step, count, i, n_out);
	l->step = step;
	return l->at;
}

/* As many as the test wants of each; in fresh memory they come and go. */
static void make_buffers(const struct test *test, size_t bytes, int count)
{
	size_t fit = rotating_bytes / bytes, slots = fit < 4 ? 4 : fit > MAX_SLOTS ? MAX_SLOTS : fit;

	n_out = opt.buffers == ROTATING ? (int)slots : opt.buffers == FRESH ? count : 1;
	n_in = opt.buffers == ROTATING && (int)slots > count ? (int)slots : count;
	for (int i = 0; i < n_out; i++)
		out[i] = opt.buffers == FRESH ? NULL : allocate(bytes);
	for (int i = 0; i < n_in; i++)
		in[i] = (struct landing){.at = opt.buffers == FRESH ? NULL : memset(allocate(bytes), 0, bytes)};
	expected = allocate(bytes);
}

static void drop_buffers(void)
{
	for (int i = 0; i < n_out; i++)
		if (opt.buffers != FRESH)
			free(out[i]);
	for (int i = 0; i < n_in; i++)
		free(in[i].at);
	free(expected);
}

/* ---- messages ---- */

static void send_one(size_t bytes)
{
	write_out(bytes, 1);
	MPI_Send(out[slot_of(step, 1, 0, n_out)], (int)bytes, MPI_BYTE, peer, 1, MPI_COMM_WORLD);
	give_up_out(1);
}

static void recv_one(size_t bytes)
{
	char *at = land(bytes, 1, 0);

	MPI_Recv(at, (int)bytes, MPI_BYTE, peer, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	check_words(at, bytes);
}

static void run_latency(size_t bytes, int count)
{
	if (world.rank % 2 == 0)
		send_one(bytes);
	recv_one(bytes);
	if (world.rank % 2 == 1)
		send_one(bytes);
}

static int start_recvs(size_t bytes, int count, MPI_Request *requests)
{
	for (int i = 0; i < count; i++)
		MPI_Irecv(land(bytes, count, i), (int)bytes, MPI_BYTE, peer, 2, MPI_COMM_WORLD, &requests[i]);
	return count;
}

static int start_sends(size_t bytes, int count, MPI_Request *requests)
{
	write_out(bytes, count);
	for (int i = 0; i < count; i++)
		MPI_Isend(out[slot_of(step, count, i, n_out)], (int)bytes, MPI_BYTE, peer, 2, MPI_COMM_WORLD, &requests[i]);
	return count;
}

static void check_window(size_t bytes, int count)
{
	for (int i = 0; i < count; i++)
		check_words(in[slot_of(step, count, i, n_in)].at, bytes);
}

static void run_bw(size_t bytes, int count)
{
	MPI_Request requests[MAX_SLOTS];
	MPI_Status statuses[MAX_SLOTS];
	char ack = 0;

	if (world.rank % 2 == 0) {
		MPI_Waitall(start_sends(bytes, count, requests), requests, statuses);
		give_up_out(count);
		MPI_Recv(&ack, 1, MPI_CHAR, peer, 3, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		return;
	}
	MPI_Waitall(start_recvs(bytes, count, requests), requests, statuses);
	check_window(bytes, count);
	MPI_Send(&ack, 1, MPI_CHAR, peer, 3, MPI_COMM_WORLD);
}

static void run_bibw(size_t bytes, int count)
{
	MPI_Request requests[2 * MAX_SLOTS];
	MPI_Status statuses[2 * MAX_SLOTS];
	int n = start_recvs(bytes, count, requests);

	n += start_sends(bytes, count, requests + n);
	MPI_Waitall(n, requests, statuses);
	give_up_out(count);
	check_window(bytes, count);
}

static const struct test tests[] = {
	{.name = "latency", .run = run_latency, .even_receives = true, .odd_sends = true},
	{.name = "bw", .run = run_bw, .windows = true, .bandwidth = true},
	{.name = "bibw", .run = run_bibw, .windows = true, .even_receives = true, .odd_sends = true, .bandwidth = true},
};
enum { TESTS = sizeof tests / sizeof *tests };

/* ---- measuring ---- */

static bool receives(const struct test *test)
{
	return test->even_receives || world.rank % 2;
}

/* Microseconds of these steps on this rank, what makes buffers cold left out. */
static double timed(const struct test *test, size_t bytes, int count, long steps)
{
	double spent = 0;

	for (long i = 0; i < steps; i++) {
		if (opt.buffers == COLD)
			make_cold(bytes, count);
		double begin = now_us();
		step++;
		test->run(bytes, count);
		spent += now_us() - begin;
	}
	return spent;
}

/* Of all pairs: half a round trip, mean, in microseconds; or 10^6 bytes per second, sum. */
static double figure(const struct test *test, size_t bytes, int count, double us)
{
	double mine = 0, all = 0, bytes_each = (double)bytes * count * (test->odd_sends ? 2 : 1);

	if (world.rank % 2 == 0)
		mine = test->bandwidth ? bytes_each / us : us / 2 / (world.size / 2);
	MPI_Allreduce(&mine, &all, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
	return all;
}

static double batch(const struct test *test, size_t bytes, int count, long steps)
{
	uint64_t base = ++step;

	for (int i = 0; i < n_out && opt.buffers != FRESH; i++)
		fill(out[i], bytes, tag_for(base, bytes, world.rank));
	MPI_Barrier(MPI_COMM_WORLD);
	double us = timed(test, bytes, count, steps) / (double)steps;
	for (int i = 0; i < n_in && receives(test); i++)
		check_landing(&in[i], bytes, count, base);
	return figure(test, bytes, count, us);
}

/* Steps of a batch, by the time that they really take; rank 0 decides. */
static long choose_steps(const struct test *test, size_t bytes, int count)
{
	int messages = opt.buffers == ROTATING && 2 * n_out > WARM_MESSAGES ? 2 * n_out : WARM_MESSAGES;
	long warm = messages / count + 1, few = warm / 4 + 1, steps;
	double each = 0, all = now_us();

	batch(test, bytes, count, warm);
	/* the quickest of three, for the machine may be busy; of one where that takes long */
	for (int i = 0; i < 3 && !(i && ranks_agree(now_us() - all > 10e3 * (double)opt.ms)); i++) {
		double begin = now_us();
		timed(test, bytes, count, few);
		double again = (now_us() - begin) / (double)few;
		each = i && each < again ? each : again;
	}
	steps = (long)((double)opt.ms * 1000 / opt.batches / each);
	steps = steps < LEAST_STEPS ? LEAST_STEPS : steps > MOST_STEPS / opt.batches ? MOST_STEPS / opt.batches : steps;
	return ranks_agree(steps);
}

static void print_line(const struct test *test, size_t bytes, int count, long steps, const double *sorted, long errors)
{
	printf("{\"vmobench\":1,\"test\":\"%s\",\"buffers\":\"%s\",\"ranks\":%d,\"bytes\":%zu,\"window\":%d,\"steps\":%ld,"
	       "\"batches\":%d,\"unit\":\"%s\",\"median\":%.4f,\"best\":%.4f,\"errors\":%ld}\n", test->name,
	       buffers_names[opt.buffers], world.size, bytes, count, steps, opt.batches, test->bandwidth ? "MB/s" : "us",
	       median_of(sorted, opt.batches), test->bandwidth ? sorted[opt.batches - 1] : sorted[0], errors);
	fflush(stdout);
}

static void measure(const struct test *test, size_t bytes)
{
	size_t most = window_bytes / bytes;
	int count = !test->windows ? 1 : most < (size_t)opt.window ? (most ? (int)most : 1) : opt.window;
	double figures[MAX_BATCHES];

	make_buffers(test, bytes, count);
	long steps = choose_steps(test, bytes, count);
	for (int i = 0; i < opt.batches; i++)
		figures[i] = batch(test, bytes, count, steps);
	sort_doubles(figures, opt.batches);
	long errors = ranks_add(world.errors);
	if (world.rank == 0)
		print_line(test, bytes, count, steps, figures, errors);
	drop_buffers();
}

/* ---- start ---- */

/* Takes an option of this program's own, and its value, out of the arguments. */
static const char *take(int *argc, char **argv, const char *name)
{
	for (int i = 1; i + 1 < *argc; i++) {
		if (strcmp(argv[i], name))
			continue;
		const char *value = argv[i + 1];
		memmove(argv + i, argv + i + 2, (size_t)(*argc - i - 1) * sizeof *argv);
		*argc -= 2;
		return value;
	}
	return NULL;
}

static enum buffers parse_buffers(const char *name)
{
	for (int i = WARM; name && i <= FRESH; i++)
		if (!strcmp(name, buffers_names[i]))
			return (enum buffers)i;
	if (name)
		ranks_fail("--buffers: warm, cold, rotating or fresh");
	return WARM;
}

int main(int argc, char **argv)
{
	const char *window = take(&argc, argv, "--window");

	opt.buffers = parse_buffers(take(&argc, argv, "--buffers"));
	opt.window = window ? atoi(window) : opt.window;
	if (opt.window < 1 || opt.window > MAX_SLOTS)
		ranks_fail("--window: from 1 to 256");
	ranks_parse(argc, argv, opt.sizes, MAX_SIZES, &opt.n_sizes, &opt.tests, &opt.ms, &opt.batches);
	ranks_begin(&argc, &argv);
	if (world.size % 2)
		ranks_fail("needs an even number of ranks");
	peer = world.rank ^ 1;
	for (int i = 0; i < TESTS; i++)
		for (int k = 0; k < opt.n_sizes && ranks_wanted(opt.tests, tests[i].name); k++)
			measure(&tests[i], opt.sizes[k]);
	long errors = ranks_add(world.errors);
	MPI_Finalize();
	return errors ? EXIT_WRONG : 0;
}
