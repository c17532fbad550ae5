/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * scribbler WHERE SEED SECONDS PAUSE_US: rank 1 writes over its control pages all the time while rank 0 exchanges large
 * messages with it. Rank 0 may get errors, wrong data, or no end; nothing outside its buffers may be touched.
 *
 *   rank 0, innocent                                     rank 1, hostile
 *   | forbidden | canary | buffer | canary | forbidden |   its own channel (out), the other's (in),
 *   what it receives into ends or begins just there         its catalog and payload pages too (all)
 *
 * The scribbler is a process that shares rank 1's memory, so the library sees no thread and sends gaps in place too.
 * It finds the pages by what they look like: a channel's head, shared and writable (wire.h).
 *
 * Rank 0 says `innocent: sound` at its end, or when its time is over; a signal, a changed canary: `innocent: BAD`.
 * WHERE = Guard or Canary: rank 0 itself writes there once, to see that it is noticed.
 */
#define _GNU_SOURCE
#include <mpi.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"

#define PAGE 4096
#define REGIONS 1024
#define CANARY 0xa7

static int rank;
static long messages, errors;
static double over;		/* when the exchange ends */

/* ---- the innocent's memory ---- */

struct guarded {
	unsigned char *pages, *at;
	size_t room, bytes;	/* room: whole pages */
};
#define SIZES 6
static const int sizes[SIZES] = { 100000, 1 << 20, 16384, 262144 + 40, 70000, 524288 };
static struct guarded buffer[2][SIZES];		/* to receive into, to send from: kept, so that they go in place */

static void say(const char *verdict, const char *what, long number)
{
	char line[200];
	int n = snprintf(line, sizeof line, "%s: %s, %s %ld; %ld messages, %ld errors\n", rank ? "hostile" : "innocent",
	                 verdict, what, number, messages, errors);

	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		_exit(4);
}

/* forbidden: the pages before and behind it. Else they are canaries: the library takes what has a guard for a stack. */
static void prepare(struct guarded *g, size_t bytes, int at_end, int forbidden)
{
	size_t room = (bytes + PAGE - 1) / PAGE * PAGE + (forbidden ? 0 : 2 * PAGE);

	if (!g->pages) {
		g->pages = mmap(NULL, room + 2 * PAGE, forbidden ? PROT_NONE : PROT_READ | PROT_WRITE,
		                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (g->pages == MAP_FAILED || mprotect(g->pages += PAGE, room, PROT_READ | PROT_WRITE))
			_exit(5);
		g->room = room;
	}
	g->bytes = bytes;
	g->at = g->pages + (forbidden ? 0 : PAGE) + (at_end ? room - bytes - (forbidden ? 0 : 2 * PAGE) : 0);
	memset(g->pages, CANARY, room);
}

static long wrong_canary(const struct guarded *g)
{
	for (size_t i = 0; i < g->room; i++)
		if ((g->pages + i < g->at || g->pages + i >= g->at + g->bytes) && g->pages[i] != CANARY)
			return (long)i;
	return -1;
}

static void check_canaries(void)
{
	for (int i = 0; i < 2 * SIZES && !rank; i++) {
		long at = wrong_canary(&buffer[i / SIZES][i % SIZES]);
		if (at >= 0) {
			say("BAD", "canary changed at", at);
			_exit(3);
		}
	}
}

/* The hostile one may harm itself. It waits for its alarm: were it gone, the launcher would end the innocent as well. */
static void on_fault(int number)
{
	say(rank ? "ended" : "BAD", "signal", number);
	while (rank)
		pause();
	_exit(3);
}

static void on_time(int number)
{
	check_canaries();
	say("sound", "time is over, signal", number);
	_exit(0);
}

static void handle_signals(unsigned seconds)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL };

	for (int i = 0; i < 5; i++)
		signal(faults[i], on_fault);
	signal(SIGALRM, on_time);
	alarm(seconds);
}

/* ---- the hostile one's ---- */

static struct { volatile uint8_t *at; size_t bytes; } region[REGIONS];
static volatile int regions, stop;
static long pause_us;
static int collectives;	/* these wait for every answer: such a job soon waits for ever */
static char where = 'a';
static uint64_t state;

static void add(uint8_t *at, size_t bytes)
{
	for (int i = 0; i < regions; i++)
		if (region[i].at == at && region[i].bytes == bytes)
			return;
	if (regions == REGIONS)
		return;
	region[regions].at = at;
	region[regions].bytes = bytes;
	regions++;
}

/* 0: no channel's head; 1: my own channel's, 2: another's. */
static int whose_channel(const uint8_t *page)
{
	const struct vmo_channel_head *head = (const void *)page;

	if (head->version != VMO_WIRE_VERSION || head->sender > 1 || head->receiver != 1 - head->sender || head->alive > 1)
		return 0;
	return head->sender == (uint32_t)rank ? 1 : 2;
}

static void look_at(uint8_t *from, uint8_t *to)
{
	for (uint8_t *page = from; page + PAGE <= to; page += PAGE) {
		int whose = whose_channel(page);
		if ((whose == 1 && where != 'i') || (whose == 2 && where != 'o'))
			add(page, PAGE);
	}
	if (where == 'a')	/* catalog, payload, whatever is shared writable */
		add(from, (size_t)(to - from));
}

static void find_pages(void)
{
	char line[512], rights[8];
	unsigned long from, to;
	FILE *maps = fopen("/proc/self/maps", "r");

	while (maps && fgets(line, sizeof line, maps))
		if (strstr(line, "memfd:xenemu") && sscanf(line, "%lx-%lx %7s", &from, &to, rights) == 3 &&
		    !strcmp(rights, "rw-s"))
			look_at((uint8_t *)from, (uint8_t *)to);
	if (maps)
		fclose(maps);
}

static uint64_t next(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* Noise, and numbers that might pass for something. */
static uint64_t value(void)
{
	switch (next() % 4) {
	case 0: return next() % 300;
	case 1: return next() % (4 << 20);
	case 2: return ~(uint64_t)0 << next() % 64;
	default: return next();
	}
}

static void scribble_once(void)
{
	int i = (int)(next() % (unsigned)regions);
	size_t at = next() % region[i].bytes, width = (size_t)1 << next() % 4;
	uint64_t what = value();

	at -= at % width;
	for (size_t b = 0; b < width; b++)
		region[i].at[at + b] = (uint8_t)(what >> 8 * b);
}

/* Without a pause a job soon waits for an answer that was overwritten; with pauses it gets further. */
static int scribble(void *argument)
{
	const struct timespec pause = { 0, pause_us * 1000 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned turn = 0; !stop; turn++) {
		if (regions)
			scribble_once();
		if (pause_us && turn % 8 == 0)
			nanosleep(&pause, NULL);
	}
	_exit(0);
}

static int start_scribbler(void)
{
	size_t bytes = 64 << 10;
	char *stack = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	find_pages();
	return clone(scribble, stack + bytes - 64, CLONE_VM | SIGCHLD, NULL);
}

/* ---- the exchange ---- */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void err(void)
{
	struct guarded *g = &buffer[0][0];

	if (where == 'G')
		g->pages[g->room] = 1;
	if (where == 'C')
		g->at[g->bytes] = 1;
}

static void note(int error)
{
	if (!rank && messages == 7)
		err();
	messages++;
	errors += error != MPI_SUCCESS;
	check_canaries();
}

/* Both ways at once; in turns in one piece, into gaps, out of gaps. */
static void exchange(int round)
{
	struct guarded *in = &buffer[0][round % SIZES], *out = &buffer[1][round % SIZES];
	int bytes = sizes[round % SIZES], blocks = bytes / 64, other = 1 - rank;
	MPI_Request request[2];
	MPI_Status status[2] = { { .MPI_ERROR = 0 }, { .MPI_ERROR = 0 } };
	MPI_Datatype gaps;
	int way = round / SIZES % 3;

	MPI_Type_vector(blocks, 32, 64, MPI_BYTE, &gaps);
	MPI_Type_commit(&gaps);
	prepare(in, (size_t)bytes, round / SIZES & 1, 1);
	prepare(out, (size_t)bytes, round & 2, 0);
	if (way == 1)
		MPI_Irecv(in->at, 1, gaps, other, 1, MPI_COMM_WORLD, &request[0]);
	else
		MPI_Irecv(in->at, bytes, MPI_BYTE, other, 1, MPI_COMM_WORLD, &request[0]);
	if (way == 0)
		MPI_Isend(out->at, bytes, MPI_BYTE, other, 1, MPI_COMM_WORLD, &request[1]);
	else
		MPI_Isend(out->at, 1, gaps, other, 1, MPI_COMM_WORLD, &request[1]);
	int rc = MPI_Waitall(2, request, status);
	note(rc == MPI_ERR_IN_STATUS ? status[0].MPI_ERROR : rc);
	MPI_Type_free(&gaps);
	if (collectives && round % 8 == 7)
		note(MPI_Allreduce(MPI_IN_PLACE, in->at, bytes / 16, MPI_INT, MPI_BOR, MPI_COMM_WORLD));
	if (rank && round % 4 == 0)
		find_pages();
}

int main(int argc, char **argv)
{
	unsigned seconds = argc > 3 ? (unsigned)atoi(argv[3]) : 2;
	int more = 1, child = 0;
	uint64_t seed;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
	handle_signals(rank ? seconds + 2 : seconds + 1);
	where = argc > 1 ? argv[1][0] : 'a';
	seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
	state = 88172645463325252u ^ seed << 20;
	collectives = seed & 1;
	pause_us = argc > 4 ? atol(argv[4]) : 0;
	exchange(0);
	if (rank && (child = start_scribbler()) < 0)
		_exit(6);
	over = now() + seconds;
	for (int round = 1; more; round++) {
		exchange(round);
		more = now() < over;
		MPI_Bcast(&more, 1, MPI_INT, 0, MPI_COMM_WORLD);
	}
	stop = 1;
	if (rank)
		waitpid(child, NULL, 0);
	say(rank && !regions ? "BAD" : "sound", rank ? "regions" : "rank", rank ? regions : 0);
	MPI_Finalize();
	return 0;
}
