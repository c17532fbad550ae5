/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmobench.c: ping-pong and streaming between two ranks, every message checked. Plain MPI, no shim inside.
 *
 *   vmobench --sizes 4096,65536            two MPI ranks
 *   vmobench --over memory --sizes ...     no MPI: two processes, memcpy out of a kept shared mapping (the limit)
 *
 * One JSON line per measurement on stdout; errors on stderr; exit status 3 if a payload was wrong.
 *
 *   PING-PONG  MPI_Send/MPI_Recv, separate send and receive buffers from malloc; latency = half a round trip.
 *   STREAM     rank 0 sends windows of nonblocking messages out of one buffer (as OSU's osu_bw does) into as many
 *              receive buffers (osu_bw: into one, which MPI does not allow; --stream-recv same does so too);
 *              the receiver acknowledges each window.
 *
 * What is checked, so that no stale byte passes. Each message has a serial number; each 8-byte word of a
 * message is a function of (serial, size, sender, offset).
 *   - each batch begins, untimed, with wholly new content that the receiver checks byte by byte;
 *   - each timed message carries new words at head, tail and up to 64 page-strided places, which move within their
 *     pages from message to message; writing and checking them is in the measured time, on every path alike;
 *   - after each batch both sides rebuild what the buffers must now hold and compare them whole.
 *
 * Cache state, "warm": pages touched, mappings kept; between messages the sender rewrites the words above only
 * (--stamp whole: all of the message, in the measured time).
 */
#include <mpi.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pair.h"
#include "pattern.h"

enum { MAX_BATCHES = 100, MAX_SIZES = 32 };
static const size_t max_window_bytes = 64 << 20;
static const size_t big_bytes = 4 << 20; /* beyond the inner caches: fewer batches, to save time */
enum { EXIT_WRONG_PAYLOAD = 3 };

static struct {
	size_t sizes[MAX_SIZES];
	int n_sizes;
	long warm, ms, min_iterations, max_iterations;
	int batches, window;
	bool over_memory, stamp_whole, recv_same, pin, pingpong, stream;
} opt = {.warm = 20, .ms = 50, .min_iterations = 20, .max_iterations = 20000, .batches = 10, .window = 16,
	 .pin = true, .pingpong = true, .stream = true};

static char *expected;                   /* what a buffer must hold */
static uint64_t serial;                  /* of the latest message, the same on both sides */
static long sent_bytes, sent_messages;

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

/* Write what message `number` has that the one before had not. */
static void stamp(char *buffer, size_t bytes, uint64_t number, int from)
{
	if (opt.stamp_whole)
		fill(buffer, bytes, tag_of(number, bytes, from));
	else
		stamp_words(buffer, bytes, number, from);
}

static void report_wrong(size_t bytes, int from, size_t at, uint64_t want, uint64_t found)
{
	if (pair.errors++ == 0)
		fprintf(stderr, "vmobench: rank %d: wrong payload: %zu bytes from rank %d, message %llu, offset %zu: "
			"expected %016llx, found %016llx\n", pair.rank, bytes, from, (unsigned long long)serial, at,
			(unsigned long long)want, (unsigned long long)found);
}

/* The words that message `serial` brought; inside the measured time. */
static void check_words(const char *buffer, size_t bytes, int from)
{
	size_t place[MAX_SPOTS + 2];
	uint64_t tag = tag_of(serial, bytes, from), found;
	int n = spots(bytes, serial, place);

	for (int i = 0; i < n; i++) {
		memcpy(&found, buffer + place[i], 8);
		if (found != word_at(tag, place[i]))
			report_wrong(bytes, from, place[i], word_at(tag, place[i]), found);
	}
}

/* What a whole buffer must hold: message `base` was written whole, those up to the latest stamped over it. */
static void build_expected(size_t bytes, uint64_t base, int from)
{
	fill(expected, bytes, tag_of(base, bytes, from));
	for (uint64_t number = opt.stamp_whole && serial > base ? serial : base + 1; number <= serial; number++)
		stamp(expected, bytes, number, from);
}

static void check_whole(const char *buffer, size_t bytes, int from)
{
	uint64_t want = 0, found = 0;
	size_t at = 0;

	if (!memcmp(buffer, expected, bytes))
		return;
	while (buffer[at] == expected[at])
		at++;
	at = at / 8 * 8;
	memcpy(&want, expected + at, bytes - at < 8 ? bytes - at : 8);
	memcpy(&found, buffer + at, bytes - at < 8 ? bytes - at : 8);
	report_wrong(bytes, from, at, want, found);
}

/* ---- measuring ---- */

static void send_counted(size_t bytes, int count)
{
	pair.send(bytes, count);
	sent_bytes += (long)bytes * count;
	sent_messages += count;
}

static void exchange_out(size_t bytes)
{
	stamp(pair.out, bytes, serial, pair.rank);
	send_counted(bytes, 1);
}

static void exchange_in(size_t bytes)
{
	pair.recv(bytes, 1);
	check_words(pair.in[0], bytes, 1 - pair.rank);
}

/* One message each way. */
static void ping_pong(size_t bytes)
{
	serial++;
	if (pair.rank == 0)
		exchange_out(bytes);
	exchange_in(bytes);
	if (pair.rank == 1)
		exchange_out(bytes);
}

/* Messages per window: as asked, but at most 64 MiB. */
static int window_of(size_t bytes)
{
	size_t most = max_window_bytes / bytes;

	return most >= (size_t)opt.window ? opt.window : most > 1 ? (int)most : 1;
}

/* One window from rank 0 to rank 1, checked, then acknowledged. */
static void stream_window(size_t bytes)
{
	static char ack[8];
	int window = window_of(bytes);

	serial++;
	if (pair.rank == 0) {
		stamp(pair.out, bytes, serial, 0);
		send_counted(bytes, window);
	} else {
		pair.recv(bytes, window);
		for (int i = 0; i < window; i++)
			check_words(pair.in[i], bytes, 0);
	}
	if (opt.over_memory)
		return; /* memory_send waits until all is taken */
	if (pair.rank == 1)
		MPI_Send(ack, sizeof ack, MPI_BYTE, 0, 3, MPI_COMM_WORLD);
	else
		MPI_Recv(ack, sizeof ack, MPI_BYTE, 1, 3, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

struct test {
	const char *name;
	void (*step)(size_t bytes);
	int messages; /* in one direction per step */
	int settle;   /* untimed steps after new content, until caches are warm again */
	int batches;
	bool both_ways;
};

static bool receives(const struct test *test)
{
	return test->both_ways || pair.rank == 1;
}

static bool sends(const struct test *test)
{
	return test->both_ways || pair.rank == 0;
}

static void check_received(const struct test *test, size_t bytes, uint64_t base)
{
	if (!receives(test))
		return;
	build_expected(bytes, base, 1 - pair.rank);
	for (int i = 0; i < test->messages; i++)
		check_whole(pair.in[i], bytes, 1 - pair.rank);
}

/* Sending may not change what is sent. */
static void check_sent(const struct test *test, size_t bytes, uint64_t base)
{
	if (!sends(test))
		return;
	build_expected(bytes, base, pair.rank);
	check_whole(pair.out, bytes, pair.rank);
}

/* Put wholly new content in the send buffer, bring it over, check each byte. Untimed. Returns its serial. */
static uint64_t fresh_content(const struct test *test, size_t bytes)
{
	uint64_t base = serial + 1;

	if (sends(test))
		fill(pair.out, bytes, tag_of(base, bytes, pair.rank));
	test->step(bytes);
	check_received(test, bytes, base);
	return base;
}

/* Microseconds per step. */
static double batch(const struct test *test, size_t bytes, long steps)
{
	uint64_t base = fresh_content(test, bytes);
	double start, end;

	pair.agree(0);
	for (int i = 0; i < test->settle; i++)
		test->step(bytes);
	start = now_us();
	for (long i = 0; i < steps; i++)
		test->step(bytes);
	end = now_us();
	check_received(test, bytes, base);
	check_sent(test, bytes, base);
	return (end - start) / (double)steps;
}

/* Warm up; then steps per batch, by time (the quickest of three, for the machine may be busy); rank 0 decides. */
static long choose_steps(const struct test *test, size_t bytes)
{
	long warm = opt.warm / test->messages / (bytes >= big_bytes ? 2 : 1) + 1, least, most, steps;
	double each = batch(test, bytes, warm), again;

	for (int i = 0; i < 3; i++) {
		again = batch(test, bytes, warm / 4 + 1);
		each = again < each ? again : each;
	}
	steps = (long)((double)opt.ms * 1000 / test->batches / each) + 1;
	least = (opt.min_iterations / test->messages + test->batches - 1) / test->batches;
	most = opt.max_iterations / test->batches;
	steps = steps < least ? least : steps;
	steps = steps > most ? most : steps;
	return pair.agree(steps > 1 ? steps : 1);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(const double *sorted, int n)
{
	return (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
}

static void measure(const struct test *test, size_t bytes)
{
	double us[MAX_BATCHES], middle, least;
	long steps = choose_steps(test, bytes);

	for (int i = 0; i < test->batches; i++)
		us[i] = batch(test, bytes, steps);
	qsort(us, (size_t)test->batches, sizeof *us, compare);
	middle = median(us, test->batches);
	least = us[0];
	if (pair.rank != 0)
		return;
	printf("{\"vmobench\":1,\"test\":\"%s\",\"over\":\"%s\",\"bytes\":%zu,\"steps\":%ld,\"batches\":%d,",
	       test->name, pair.name, bytes, steps, test->batches);
	if (test->both_ways)
		printf("\"latency_us\":{\"median\":%.4f,\"min\":%.4f}}\n", middle / 2, least / 2);
	else
		printf("\"window\":%d,\"mbps\":{\"median\":%.2f,\"max\":%.2f}}\n", test->messages,
		       (double)bytes * test->messages / middle, (double)bytes * test->messages / least);
}

/* Returns the number of wrong messages on both sides. */
static long measure_size(size_t bytes)
{
	bool big = bytes >= big_bytes;
	int fewer = (opt.batches + 1) / 2;
	const struct test pingpong = {"pingpong", ping_pong, 1, big ? 1 : 2, big ? fewer : opt.batches, true};
	const struct test stream = {"stream", stream_window, window_of(bytes), 1, fewer, false};
	long total_errors, total_bytes, total_messages;

	pair.errors = sent_bytes = sent_messages = 0;
	if (opt.pingpong)
		measure(&pingpong, bytes);
	if (opt.stream)
		measure(&stream, bytes);
	total_errors = pair.add(pair.errors);
	total_bytes = pair.add(sent_bytes);
	total_messages = pair.add(sent_messages);
	if (pair.rank == 0)
		printf("{\"vmobench\":1,\"test\":\"checked\",\"over\":\"%s\",\"bytes\":%zu,\"payload_bytes\":%ld,"
		       "\"messages\":%ld,\"errors\":%ld}\n", pair.name, bytes, total_bytes, total_messages, total_errors);
	fflush(stdout);
	return total_errors;
}

/* ---- start ---- */

static void *allocate(size_t bytes)
{
	void *p = malloc(bytes);

	if (!p)
		fail("out of memory: use smaller --sizes or --window");
	return p;
}

static size_t largest_size(void)
{
	size_t largest = 0;

	for (int i = 0; i < opt.n_sizes; i++)
		largest = opt.sizes[i] > largest ? opt.sizes[i] : largest;
	return largest;
}

/* Room of the i-th receive buffer: for the largest message whose window reaches so far. */
static size_t room_of(int nth)
{
	size_t room = 8;

	for (int i = 0; i < opt.n_sizes; i++)
		if (nth < window_of(opt.sizes[i]) && opt.sizes[i] > room)
			room = opt.sizes[i];
	return room;
}

static void allocate_buffers(void)
{
	if (!pair.out)
		pair.out = allocate(largest_size());
	for (int i = 0; i < opt.window; i++)
		pair.in[i] = i && (opt.recv_same || !opt.stream) ? pair.in[0] : allocate(room_of(i));
	expected = allocate(largest_size());
}

static long measure_all(void)
{
	long wrong = 0;

	allocate_buffers();
	for (int i = 0; i < opt.n_sizes; i++)
		wrong += measure_size(opt.sizes[i]);
	return wrong;
}

/* Rank r runs on the r-th core that this process may use (modulo their number). */
static void pin(const cpu_set_t *allowed, int rank)
{
	cpu_set_t one;
	int nth = rank % CPU_COUNT(allowed);

	for (int cpu = 0; opt.pin && cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, allowed) || nth-- > 0)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (sched_setaffinity(0, sizeof one, &one))
			fprintf(stderr, "vmobench: rank %d not pinned: %s\n", rank, strerror(errno));
		return;
	}
}

/* Before MPI_Init, so that the MPI's own threads follow. */
static void pin_early(const cpu_set_t *allowed)
{
	const char *rank = getenv("PMI_RANK");

	if (!rank)
		rank = getenv("OMPI_COMM_WORLD_RANK");
	if (rank)
		pin(allowed, atoi(rank));
}

static long run_mpi(int *argc, char ***argv, const cpu_set_t *allowed)
{
	int ranks;
	long wrong;

	pin_early(allowed);
	MPI_Init(argc, argv);
	MPI_Comm_size(MPI_COMM_WORLD, &ranks);
	MPI_Comm_rank(MPI_COMM_WORLD, &pair.rank);
	if (ranks != 2)
		fail("needs exactly 2 ranks");
	pin(allowed, pair.rank);
	pair.name = "mpi";
	pair.send = mpi_send;
	pair.recv = mpi_recv;
	pair.agree = mpi_agree;
	pair.add = mpi_add;
	wrong = measure_all();
	MPI_Finalize();
	return wrong;
}

static void *map_shared(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		fail("cannot map shared memory");
	return p;
}

static long run_memory(const cpu_set_t *allowed)
{
	pid_t child;
	long wrong;

	lane = map_shared(2 * sizeof *lane);
	for (int i = 0; i < 2; i++)
		lane[i].buffer = map_shared(largest_size());
	child = fork();
	if (child < 0)
		fail("cannot fork");
	if (child == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	pair.rank = child == 0;
	pin(allowed, pair.rank);
	pair.name = "memory";
	pair.out = lane[pair.rank].buffer;
	pair.send = memory_send;
	pair.recv = memory_recv;
	pair.agree = memory_agree;
	pair.add = memory_add;
	if (CPU_COUNT(allowed) == 1)
		spin_turns = 0;
	wrong = measure_all();
	if (child > 0)
		waitpid(child, NULL, 0);
	return wrong;
}

static void parse_sizes(char *list)
{
	for (char *s = strtok(list, ","); s && opt.n_sizes < MAX_SIZES; s = strtok(NULL, ",")) {
		long bytes = atol(s);

		if (bytes < 8 || bytes > 1L << 30)
			fail("--sizes: each from 8 to 2^30 bytes");
		opt.sizes[opt.n_sizes++] = (size_t)bytes;
	}
}

static bool parse_number(const char *name, const char *value)
{
	struct { const char *name; long *where; } longs[] = {{"--warm", &opt.warm}, {"--ms", &opt.ms},
		{"--min-iterations", &opt.min_iterations}, {"--max-iterations", &opt.max_iterations}};
	struct { const char *name; int *where, most; } ints[] = {{"--batches", &opt.batches, MAX_BATCHES},
		{"--window", &opt.window, MAX_WINDOW}};

	for (size_t i = 0; i < sizeof longs / sizeof *longs; i++)
		if (!strcmp(name, longs[i].name))
			return (*longs[i].where = atol(value)) > 0;
	for (size_t i = 0; i < sizeof ints / sizeof *ints; i++)
		if (!strcmp(name, ints[i].name))
			return (*ints[i].where = atoi(value)) > 0 && *ints[i].where <= ints[i].most;
	return false;
}

static bool parse_word(const char *name, const char *value)
{
	if (!strcmp(name, "--over"))
		opt.over_memory = !strcmp(value, "memory");
	else if (!strcmp(name, "--stamp"))
		opt.stamp_whole = !strcmp(value, "whole");
	else if (!strcmp(name, "--stream-recv"))
		opt.recv_same = !strcmp(value, "same");
	else if (!strcmp(name, "--pin"))
		opt.pin = strcmp(value, "no") != 0;
	else if (!strcmp(name, "--test")) {
		opt.pingpong = strcmp(value, "stream") != 0;
		opt.stream = strcmp(value, "pingpong") != 0;
	} else
		return false;
	return true;
}

static void parse(int argc, char **argv)
{
	for (int i = 1; i < argc; i += 2) {
		if (i + 1 == argc)
			fail("an option without value");
		if (!strcmp(argv[i], "--sizes"))
			parse_sizes(argv[i + 1]);
		else if (!parse_word(argv[i], argv[i + 1]) && !parse_number(argv[i], argv[i + 1]))
			fail("usage: vmobench --sizes B,B [--over mpi|memory] [--test both|pingpong|stream] [--stamp words|whole] "
			     "[--stream-recv distinct|same] [--pin yes|no] [--warm N] [--ms N] [--min-iterations N] "
			     "[--max-iterations N] [--batches N] [--window N]");
	}
	if (!opt.n_sizes)
		fail("--sizes is needed");
}

int main(int argc, char **argv)
{
	cpu_set_t allowed;

	parse(argc, argv);
	sched_getaffinity(0, sizeof allowed, &allowed);
	return (opt.over_memory ? run_memory(&allowed) : run_mpi(&argc, &argv, &allowed)) ? EXIT_WRONG_PAYLOAD : 0;
}
