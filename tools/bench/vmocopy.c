/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmocopy.c: which way of copying serves the one copy best? Two processes, a kept shared mapping, no MPI in the measured part.
 *
 *   vmocopy --sizes 1048576,67108864 [--batches N] [--ms N]
 *
 * The writer fills the mapping on one core; the reader, on another, copies it into another buffer, then reads that. Timed
 * from the moment it is filled: the copy alone, and copy and reading together, for stores past the cache make the copy
 * quicker and what follows slower. Ways by turns: glibc's memcpy; loads with prefetch and plain stores; stores past the
 * cache (SSE2); and two that a writer in MPI_Send could make possible: chunks, claimed by an atomic counter, by both
 * processes ("both") and, as where the writer is elsewhere, by the reader alone ("chunks").
 * One JSON line for each size: microseconds, median of the batches; memcpy's own spread is the noise; what share of its
 * bytes the writer copied of "both".
 */
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wunused-function"	/* of ranks.h */
#include "ranks.h"

#ifdef __x86_64__
#include <emmintrin.h>
#endif

enum { MAX_SIZES = 16, LINE = 64, AHEAD = 8 * LINE, CHUNK = 64 << 10 };

static struct {
	size_t sizes[MAX_SIZES];
	int n_sizes, batches;
	long ms;
	const char *tests;
} opt = {.batches = 9, .ms = 1, .tests = ""};

static struct shared {
	_Alignas(LINE) _Atomic long asked;	/* the writer shall fill */
	_Alignas(LINE) _Atomic long filled;
	_Alignas(LINE) _Atomic size_t claimed;	/* where the next chunk begins */
	_Alignas(LINE) _Atomic size_t by_writer;	/* bytes */
	_Atomic long helped;		/* the writer claims no more */
	double filled_us;		/* when */
	size_t bytes;
	bool helps;			/* the writer shall, when it has filled */
} *shared;
static char *from, *to;
static long turn;

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void plain(char *dest, const char *source, size_t bytes)
{
	memcpy(dest, source, bytes);
}

#ifdef __x86_64__
static void prefetching(char *dest, const char *source, size_t bytes)
{
	for (size_t at = 0; at < bytes; at += LINE) {
		_mm_prefetch(source + at + AHEAD, _MM_HINT_NTA);
		for (size_t i = 0; i < LINE; i += 16)
			_mm_storeu_si128((__m128i *)(void *)(dest + at + i), _mm_loadu_si128((const __m128i *)(const void *)(source + at + i)));
	}
}

static void past_cache(char *dest, const char *source, size_t bytes)
{
	for (size_t at = 0; at < bytes; at += LINE) {
		_mm_prefetch(source + at + AHEAD, _MM_HINT_NTA);
		for (size_t i = 0; i < LINE; i += 16)
			_mm_stream_si128((__m128i *)(void *)(dest + at + i), _mm_loadu_si128((const __m128i *)(const void *)(source + at + i)));
	}
	_mm_sfence();
}
#endif

static void await(_Atomic long *word, long value)
{
	for (long turns = 0; atomic_load_explicit(word, memory_order_acquire) != value; turns++)
		if (turns > 20000)
			sched_yield();
}

/* Copies chunks that nobody has claimed yet, until there are none. Returns the bytes of those. */
static size_t claim_chunks(size_t bytes)
{
	size_t mine = 0, at, n;

	while ((at = atomic_fetch_add_explicit(&shared->claimed, CHUNK, memory_order_relaxed)) < bytes) {
		n = bytes - at < CHUNK ? bytes - at : CHUNK;
		memcpy(to + at, from + at, n);
		mine += n;
	}
	return mine;
}

static void chunks(char *dest, const char *source, size_t bytes)
{
	(void)dest, (void)source;
	claim_chunks(bytes);
}

static void both(char *dest, const char *source, size_t bytes)
{
	(void)dest, (void)source;
	claim_chunks(bytes);
	await(&shared->helped, turn);
}

static const struct way {
	const char *name;
	void (*copy)(char *dest, const char *source, size_t bytes);
} ways[] = {
	{"memcpy", plain},
#ifdef __x86_64__
	{"prefetch", prefetching},
	{"non_temporal", past_cache},
#endif
	{"chunks", chunks},
	{"both", both},
};
enum { WAYS = sizeof ways / sizeof *ways };

static void on_core(int nth)
{
	cpu_set_t allowed, one;

	if (sched_getaffinity(0, sizeof allowed, &allowed))
		return;
	nth %= CPU_COUNT(&allowed);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed) && nth-- == 0) {
			CPU_ZERO(&one);
			CPU_SET(cpu, &one);
			sched_setaffinity(0, sizeof one, &one);
		}
}

static void *map(size_t bytes, int how)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, how | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		ranks_fail("vmocopy: out of memory: use smaller --sizes");
	return p;
}

/* Every mapping is a kept one: each process has met all of its pages before the first copy, the writer those of `to`, too. */
static void touch(size_t bytes)
{
	for (size_t at = 0; at < bytes; at += 4096) {
		atomic_fetch_add((_Atomic char *)(from + at), 0);
		atomic_fetch_add((_Atomic char *)(to + at), 0);
	}
}

static void writer(size_t most)
{
	on_core(0);
	touch(most);
	for (turn = 1;; turn++) {
		await(&shared->asked, turn);
		bool helps = shared->helps;	/* the reader's from filled on */
		memset(from, (int)turn, shared->bytes);
		shared->filled_us = now_us();
		atomic_store_explicit(&shared->filled, turn, memory_order_release);
		if (helps) {
			atomic_fetch_add(&shared->by_writer, claim_chunks(shared->bytes));
			atomic_store_explicit(&shared->helped, turn, memory_order_release);
		}
	}
}

static uint64_t read_all(size_t bytes)
{
	uint64_t sum = 0, word;

	for (size_t at = 0; at + sizeof word <= bytes; at += LINE) {
		memcpy(&word, to + at, sizeof word);
		sum += word;
	}
	return sum;
}

static void once(const struct way *way, size_t bytes, double *copied, double *used)
{
	shared->bytes = bytes;
	shared->helps = way->copy == both;
	atomic_store(&shared->claimed, 0);
	atomic_store_explicit(&shared->asked, ++turn, memory_order_release);
	await(&shared->filled, turn);
	double start = shared->filled_us;	/* the writer may have begun before this process knows */
	way->copy(to, from, bytes);
	*copied = now_us() - start;
	uint64_t wanted = (uint8_t)turn * 0x0101010101010101u * (bytes / LINE);
	if (read_all(bytes) != wanted)
		ranks_fail("vmocopy: a copy is wrong");
	*used = now_us() - start;
}

static void measure(size_t bytes)
{
	static double copied[WAYS][MAX_BATCHES], used[WAYS][MAX_BATCHES];

	atomic_store(&shared->by_writer, 0);
	for (int i = -1; i < opt.batches; i++)
		for (int w = 0; w < WAYS; w++)
			once(&ways[w], bytes, &copied[w][i < 0 ? 0 : i], &used[w][i < 0 ? 0 : i]);
	printf("{\"vmocopy\":1,\"bytes\":%zu,\"batches\":%d", bytes, opt.batches);
	for (int w = 0; w < WAYS; w++) {
		sort_doubles(copied[w], opt.batches);
		sort_doubles(used[w], opt.batches);
		printf(",\"%s\":{\"copy_us\":%.2f,\"copy_and_use_us\":%.2f,\"least_us\":%.2f}", ways[w].name,
		       median_of(copied[w], opt.batches), median_of(used[w], opt.batches), used[w][0]);
	}
	printf(",\"writers_share\":%.3f,\"noise\":%.4f}\n",
	       (double)atomic_load(&shared->by_writer) / ((double)bytes * (opt.batches + 1)),
	       used[0][opt.batches * 3 / 4] / used[0][opt.batches / 4]);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	size_t most = 0;

	ranks_parse(argc, argv, opt.sizes, MAX_SIZES, &opt.n_sizes, &opt.tests, &opt.ms, &opt.batches);
	for (int k = 0; k < opt.n_sizes; k++) {
		opt.sizes[k] = (opt.sizes[k] + LINE - 1) / LINE * LINE;
		most = opt.sizes[k] > most ? opt.sizes[k] : most;
	}
	shared = map(sizeof *shared, MAP_SHARED);
	from = map(most + AHEAD, MAP_SHARED);
	to = map(most, MAP_SHARED);
	pid_t child = fork();
	if (child < 0)
		ranks_fail("vmocopy: cannot fork");
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		writer(most);
	}
	on_core(1);
	touch(most);
	for (int k = 0; k < opt.n_sizes; k++)
		measure(opt.sizes[k]);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return 0;
}
