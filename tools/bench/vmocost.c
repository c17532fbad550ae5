/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmocost.c: what a preloaded library adds to small messages. Two ranks; plain MPI, no shim inside.
 *
 *   vmocost latency --sizes 8,1024 [--ms N] [--rounds N]
 *       Ping-pongs in one process by the entries (MPI_X, which a tool may have taken) and by the functions of the MPI's own
 *       file, in turn: beneath, entry, entry, beneath. Printed: the median of the rounds' ratios entry : beneath, and of
 *       beneath : beneath, which shows what the machine alone makes of it (A against A).
 *   vmocost entry [--ms N] [--rounds N]
 *       The same of one call that does next to nothing, in nanoseconds a call. One rank is enough.
 *   valgrind --tool=callgrind --instr-atstart=no vmocost sections --sizes 8,1024 [--calls N]
 *       Runs N calls of each kind by the entry and as many beneath; callgrind writes one file for each, named by
 *       "desc: Trigger: Client Request: KIND SIZE entry|beneath N". Messages are there before they are received, so that
 *       the number of instructions does not depend on when they come. Only rank 0 needs valgrind.
 *
 * All but sections print one JSON line for each kind and size.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wunused-function"	/* of ranks.h */
#pragma GCC diagnostic ignored "-Wstringop-overflow"	/* MPI_STATUSES_IGNORE is no array */
#include "ranks.h"

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_START_INSTRUMENTATION do { } while (0)
#define CALLGRIND_STOP_INSTRUMENTATION do { } while (0)
#define CALLGRIND_ZERO_STATS do { } while (0)
#define CALLGRIND_DUMP_STATS_AT(what) ((void)(what))
#endif

enum { MAX_SIZES = 16, MAX_ROUNDS = 1000, BYTES = 1 << 16, WINDOW = 4 };

static struct {
	size_t sizes[MAX_SIZES];
	int n_sizes, rounds;
	long ms, calls;
} opt = {.rounds = 20, .ms = 200, .calls = 200};

static char out[BYTES], in[BYTES];
static int other;

#define CALLS(X) X(Send) X(Recv) X(Isend) X(Irecv) X(Wait) X(Waitall) X(Test) X(Sendrecv) X(Bcast)
struct calls {
#define X(name) __typeof__(&MPI_##name) name;
	CALLS(X)
#undef X
};
static struct calls entry, beneath;

static void find_calls(void)
{
	Dl_info info;
	/* No tool intercepts this one. */
	void *mpi = dladdr((void *)(uintptr_t)&PMPI_Comm_size, &info) ? dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD) : NULL;

	if (!mpi)
		ranks_fail("vmocost: the MPI's own file is not found");
#define X(name) \
	entry.name = MPI_##name; \
	*(void **)&beneath.name = dlsym(mpi, "PMPI_" #name);
	CALLS(X)
#undef X
}

/* ---- kinds of traffic: one round trip, and its half for sections ---- */

static void blocking(const struct calls *by, int bytes)
{
	if (world.rank == 0)
		by->Send(out, bytes, MPI_BYTE, other, 1, MPI_COMM_WORLD);
	by->Recv(in, bytes, MPI_BYTE, other, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	if (world.rank == 1)
		by->Send(out, bytes, MPI_BYTE, other, 1, MPI_COMM_WORLD);
}

static void nonblocking(const struct calls *by, int bytes)
{
	MPI_Request receive, send;

	by->Irecv(in, bytes, MPI_BYTE, other, 2, MPI_COMM_WORLD, &receive);
	if (world.rank == 1)
		by->Wait(&receive, MPI_STATUS_IGNORE);
	by->Isend(out, bytes, MPI_BYTE, other, 2, MPI_COMM_WORLD, &send);
	if (world.rank == 0)
		by->Wait(&receive, MPI_STATUS_IGNORE);
	by->Wait(&send, MPI_STATUS_IGNORE);
}

/* Both ways at once, as a halo is exchanged: half of this is not a latency, but comparable with itself. */
static void halo(const struct calls *by, int bytes)
{
	MPI_Request request[2 * WINDOW];

	for (int i = 0; i < WINDOW; i++)
		by->Irecv(in + i * (BYTES / WINDOW), bytes, MPI_BYTE, other, 3 + i, MPI_COMM_WORLD, &request[i]);
	for (int i = 0; i < WINDOW; i++)
		by->Isend(out + i * (BYTES / WINDOW), bytes, MPI_BYTE, other, 3 + i, MPI_COMM_WORLD, &request[WINDOW + i]);
	by->Waitall(2 * WINDOW, request, MPI_STATUSES_IGNORE);
}

static void combined(const struct calls *by, int bytes)
{
	by->Sendrecv(out, bytes, MPI_BYTE, other, 4, in, bytes, MPI_BYTE, other, 4, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

static void broadcast(const struct calls *by, int bytes)
{
	by->Bcast(out, bytes, MPI_BYTE, 0, MPI_COMM_WORLD);
	by->Bcast(in, bytes, MPI_BYTE, 1, MPI_COMM_WORLD);
}

static const struct traffic {
	const char *name;
	void (*step)(const struct calls *by, int bytes);
} traffic[] = {
	{"Send+Recv", blocking}, {"Isend+Irecv+Wait", nonblocking}, {"4 Irecv+4 Isend+Waitall", halo},
	{"Sendrecv", combined}, {"Bcast", broadcast},
};

/* ---- time ---- */

static double timed(const struct traffic *t, const struct calls *by, int bytes, long steps)
{
	MPI_Barrier(MPI_COMM_WORLD);
	double start = MPI_Wtime();

	for (long i = 0; i < steps; i++)
		t->step(by, bytes);
	return (MPI_Wtime() - start) / (double)steps * 1e6;
}

/* Rank 0's figures: both ranks wait for each other. */
static void print_latency(const char *kind, size_t bytes, double us[4][MAX_ROUNDS], int rounds, long steps)
{
	double ratio[MAX_ROUNDS], noise[MAX_ROUNDS], spread[MAX_ROUNDS];

	for (int i = 0; i < rounds; i++) {
		ratio[i] = (us[1][i] + us[2][i]) / (us[0][i] + us[3][i]);
		noise[i] = us[3][i] / us[0][i];
		spread[i] = noise[i] > 1 ? noise[i] : 1 / noise[i];
	}
	sort_doubles(ratio, rounds);
	sort_doubles(noise, rounds);
	sort_doubles(spread, rounds);
	for (int k = 0; k < 4; k++)
		sort_doubles(us[k], rounds);
	printf("{\"vmocost\":1,\"test\":\"latency\",\"kind\":\"%s\",\"bytes\":%zu,\"rounds\":%d,\"steps\":%ld,"
	       "\"entry_us\":%.4f,\"beneath_us\":%.4f,\"ratio\":%.5f,\"a_to_a\":%.5f,\"a_to_a_typical\":%.5f,\"least_ratio\":%.5f}\n",
	       kind, bytes, rounds, steps, median_of(us[1], rounds), median_of(us[0], rounds),
	       median_of(ratio, rounds), median_of(noise, rounds), median_of(spread, rounds),
	       (us[1][0] < us[2][0] ? us[1][0] : us[2][0]) / (us[0][0] < us[3][0] ? us[0][0] : us[3][0]));
	fflush(stdout);
}

static void latency(const struct traffic *t, int bytes)
{
	static double us[4][MAX_ROUNDS];
	const struct calls *turns[4] = {&beneath, &entry, &entry, &beneath};
	double each = timed(t, &beneath, bytes, 20);

	for (int i = 0; i < 9; i++) {	/* warm up; the quickest, for the machine may be busy */
		double again = timed(t, i % 2 ? &beneath : &entry, bytes, 20);
		each = again < each ? again : each;
	}
	long steps = ranks_agree((long)((double)opt.ms * 1000 / opt.rounds / 4 / each) + 10);
	double start = MPI_Wtime();
	int rounds = 0;
	bool late = false;
	while (rounds < opt.rounds && !late) {	/* on a busy machine fewer of them */
		for (int k = 0; k < 4; k++)
			us[k][rounds] = timed(t, turns[k], bytes, steps);
		rounds++;
		late = ranks_agree(rounds >= 4 && (MPI_Wtime() - start) * 1e3 > 4 * (double)opt.ms);
	}
	if (world.rank == 0)
		print_latency(t->name, (size_t)bytes, us, rounds, steps);
}

static double timed_nothing(const struct calls *by, long steps)
{
	MPI_Request none = MPI_REQUEST_NULL;
	int flag;
	double start = MPI_Wtime();

	for (long i = 0; i < steps; i++)
		by->Test(&none, &flag, MPI_STATUS_IGNORE);
	return (MPI_Wtime() - start) / (double)steps * 1e9;
}

static void measure_entry(void)
{
	static double difference[MAX_ROUNDS], noise[MAX_ROUNDS], by_entry[MAX_ROUNDS];
	double each = timed_nothing(&beneath, 100000);
	long steps = (long)((double)opt.ms * 1e6 / opt.rounds / 4 / each) + 10;

	timed_nothing(&entry, steps);
	for (int i = 0; i < opt.rounds; i++) {
		double first = timed_nothing(&beneath, steps);
		by_entry[i] = (timed_nothing(&entry, steps) + timed_nothing(&entry, steps)) / 2;
		double last = timed_nothing(&beneath, steps);
		difference[i] = by_entry[i] - (first + last) / 2;
		noise[i] = last > first ? last - first : first - last;
	}
	sort_doubles(difference, opt.rounds);
	sort_doubles(noise, opt.rounds);
	sort_doubles(by_entry, opt.rounds);
	if (world.rank == 0)
		printf("{\"vmocost\":1,\"test\":\"entry\",\"rounds\":%d,\"steps\":%ld,\"entry_ns\":%.3f,\"added_ns\":%.3f,"
		       "\"a_to_a_ns\":%.3f}\n", opt.rounds, steps, median_of(by_entry, opt.rounds),
		       median_of(difference, opt.rounds), median_of(noise, opt.rounds));
}

/* ---- instructions ---- */

static void begin_section(void)
{
	if (world.rank == 0)
		CALLGRIND_ZERO_STATS;
}

static void end_section(const char *kind, int bytes, const struct calls *by)
{
	char name[128];

	snprintf(name, sizeof name, "%s %d %s %ld", kind, bytes, by == &entry ? "entry" : "beneath", opt.calls);
	if (world.rank == 0)
		CALLGRIND_DUMP_STATS_AT(name);
}

/* So many messages come to rank 0 and lie there; the barrier behind them goes the same way. */
static void feed(int bytes, int tag)
{
	for (long i = 0; i < opt.calls && world.rank == 1; i++)
		beneath.Send(out, bytes, MPI_BYTE, 0, tag, MPI_COMM_WORLD);
	MPI_Barrier(MPI_COMM_WORLD);
	if (world.rank == 0)
		usleep(1000);
	MPI_Barrier(MPI_COMM_WORLD);
}

static void eat(int bytes, int tag)
{
	for (long i = 0; i < opt.calls && world.rank == 1; i++)
		beneath.Recv(in, bytes, MPI_BYTE, 0, tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	MPI_Barrier(MPI_COMM_WORLD);
}

static void send_section(const struct calls *by, int bytes)
{
	begin_section();
	for (long i = 0; i < opt.calls && world.rank == 0; i++)
		by->Send(out, bytes, MPI_BYTE, other, 1, MPI_COMM_WORLD);
	end_section("Send", bytes, by);
	eat(bytes, 1);
}

static void isend_section(const struct calls *by, int bytes)
{
	MPI_Request request;

	begin_section();
	for (long i = 0; i < opt.calls && world.rank == 0; i++) {
		by->Isend(out, bytes, MPI_BYTE, other, 1, MPI_COMM_WORLD, &request);
		by->Wait(&request, MPI_STATUS_IGNORE);
	}
	end_section("Isend+Wait", bytes, by);
	eat(bytes, 1);
}

static void recv_section(const struct calls *by, int bytes)
{
	feed(bytes, 1);
	begin_section();
	for (long i = 0; i < opt.calls && world.rank == 0; i++)
		by->Recv(in, bytes, MPI_BYTE, other, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	end_section("Recv", bytes, by);
}

static void irecv_section(const struct calls *by, int bytes)
{
	MPI_Request request;

	feed(bytes, 1);
	begin_section();
	for (long i = 0; i < opt.calls && world.rank == 0; i++) {
		by->Irecv(in, bytes, MPI_BYTE, other, 1, MPI_COMM_WORLD, &request);
		by->Wait(&request, MPI_STATUS_IGNORE);
	}
	end_section("Irecv+Wait", bytes, by);
}

static void waitall_section(const struct calls *by, int bytes)
{
	MPI_Request request[2 * WINDOW];

	feed(bytes, 1);
	begin_section();
	for (long i = 0; i < opt.calls / WINDOW && world.rank == 0; i++) {
		for (int k = 0; k < WINDOW; k++)
			by->Irecv(in + k * (BYTES / WINDOW), bytes, MPI_BYTE, other, 1, MPI_COMM_WORLD, &request[k]);
		for (int k = 0; k < WINDOW; k++)
			by->Isend(out, bytes, MPI_BYTE, other, 1, MPI_COMM_WORLD, &request[WINDOW + k]);
		by->Waitall(2 * WINDOW, request, MPI_STATUSES_IGNORE);
	}
	end_section("Irecv+Isend+Waitall/8", bytes, by);
	if (opt.calls % WINDOW)
		ranks_fail("vmocost: --calls must be a multiple of 4");
	eat(bytes, 1);
}

static void sendrecv_section(const struct calls *by, int bytes)
{
	feed(bytes, 1);
	begin_section();
	for (long i = 0; i < opt.calls && world.rank == 0; i++)
		by->Sendrecv(out, bytes, MPI_BYTE, other, 1, in, bytes, MPI_BYTE, other, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	end_section("Sendrecv", bytes, by);
	eat(bytes, 1);
}

/* As root: MPI may send it on without waiting for anybody. */
static void bcast_section(const struct calls *by, int bytes)
{
	begin_section();
	for (long i = 0; i < opt.calls && world.rank == 0; i++)
		by->Bcast(out, bytes, MPI_BYTE, 0, MPI_COMM_WORLD);
	end_section("Bcast", bytes, by);
	for (long i = 0; i < opt.calls && world.rank == 1; i++)
		beneath.Bcast(in, bytes, MPI_BYTE, 0, MPI_COMM_WORLD);
	MPI_Barrier(MPI_COMM_WORLD);
}

static void sections(int bytes)
{
	static void (*const all[])(const struct calls *, int) = {send_section, isend_section, recv_section, irecv_section,
	                                                         waitall_section, sendrecv_section, bcast_section};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		for (int turn = 0; turn < 4; turn++) {	/* the first of each is to get warm: its figures are overwritten */
			if (turn == 2)
				CALLGRIND_START_INSTRUMENTATION;
			all[i](turn % 2 ? &entry : &beneath, bytes);
			if (turn == 3)
				CALLGRIND_STOP_INSTRUMENTATION;
		}
}

/* ---- start ---- */

static void parse(int argc, char **argv)
{
	for (int i = 2; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--sizes"))
			for (char *s = strtok(argv[i + 1], ","); s && opt.n_sizes < MAX_SIZES; s = strtok(NULL, ","))
				opt.sizes[opt.n_sizes++] = (size_t)atol(s);
		else if (!strcmp(argv[i], "--ms"))
			opt.ms = atol(argv[i + 1]);
		else if (!strcmp(argv[i], "--rounds"))
			opt.rounds = atoi(argv[i + 1]);
		else if (!strcmp(argv[i], "--calls"))
			opt.calls = atol(argv[i + 1]);
		else
			ranks_fail("vmocost: options: --sizes B,B --ms N --rounds N --calls N");
	}
	for (int i = 0; i < opt.n_sizes; i++)
		if (opt.sizes[i] > BYTES / WINDOW)
			ranks_fail("vmocost: --sizes: at most 16384");
	if (opt.rounds < 1 || opt.rounds > MAX_ROUNDS || opt.calls < 1 || opt.ms < 1)
		ranks_fail("vmocost: --rounds from 1 to 1000, --calls and --ms from 1 on");
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	parse(argc, argv);
	ranks_begin(&argc, &argv);
	find_calls();
	other = 1 - world.rank;
	if (strcmp(what, "entry") && world.size != 2)
		ranks_fail("vmocost: needs exactly 2 ranks");
	if (!strcmp(what, "entry"))
		measure_entry();
	for (int k = 0; k < opt.n_sizes && !strcmp(what, "latency"); k++)
		for (size_t i = 0; i < sizeof traffic / sizeof *traffic; i++)
			latency(&traffic[i], (int)opt.sizes[k]);
	for (int k = 0; k < opt.n_sizes && !strcmp(what, "sections"); k++)
		sections((int)opt.sizes[k]);
	MPI_Finalize();
	return 0;
}
