/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * death.c: two ranks stream large messages of all kinds, verified, until one of them is killed; tests/deaths/run.py
 * plans the death and judges what is left.
 *
 *   death DIRECTORY next                 50 verified exchanges, then MPI_Finalize
 *   death DIRECTORY KEY=VALUE...         until a death, or with turns=N until so many turns and MPI_Finalize:
 *     seed=N               chooses kind, size and direction of each turn, alike on both ranks
 *     victim=0|1           who dies
 *     flow=sends|receives|both  what the victim mostly does
 *     how=call:N           before its N-th call of MPI that communicates
 *     how=timer:US         so many microseconds after it is ready, wherever it is then
 *     how=outside          the runner kills it
 *     how=offered          after it has sent a message that the other, whose first one it is, receives only then
 *     how=report           rank 0, within MPI_Finalize, while it writes its report where nobody reads it (without the
 *                          library: before MPI_Finalize), and the other waits for it there
 *     how=exit|_exit|return|abort:N  not by a signal: before its N-th call
 *     survivor=none        waits in the MPI like any program; the launcher ends it
 *     survivor=test        MPI_ERRORS_RETURN; waits by MPI_Test, and no longer than its peer lives
 *     survivor=block       MPI_ERRORS_RETURN; waits in blocking calls; one that lasts 2 s longer than the peer is noted
 *     finalize=0|1         the survivor=test calls MPI_Finalize at last (a blocked one is noted as well)
 *
 * Each rank writes what it has to say to DIRECTORY/log.RANK, because a launcher drops a survivor's output: "pid N", "ready",
 * and the survivor "died in KIND", "blocked in CALL[, by the library]", "memory right", "rest", "finalized", "end"; "WRONG ..." is a failure.
 * At "rest" it waits for the file DIRECTORY/go: the runner looks at the emulated Xen's registry then.
 *
 * The survivor's memory: what it sent must be unchanged, and every buffer can be written, verified and freed, and given
 * out again by malloc, whatever pages were under it.
 */
#include "../mpi/t.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/time.h>
#include <time.h>

#define MOST ((size_t)4 << 20)
#define LIMIT_S 90		/* no death within this time: the test itself is wrong */
#define GRACE_S 2.0		/* how long after its peer's death a blocking call may last */
#define TEST_GRACE_S 0.5

enum survivor { NONE, TEST, BLOCK };
enum how { CALL, TIMER, OUTSIDE, BY_EXIT, BY__EXIT, BY_RETURN, BY_ABORT, OFFERED, REPORT, NO_DEATH };

static const char *directory;
static struct {
	unsigned long seed;
	int victim;
	const char *flow;
	enum how how;
	long at;
	enum survivor survivor;
	int finalize;
	int turns;
} plan = { .how = NO_DEATH, .victim = -1, .flow = "both" };

static int log_fd = -1;
static pid_t peer_pid;
static long calls;
static const char *volatile in_call = "";	/* the blocking call that is under way */
static const char *kind_name = "start";
static jmp_buf the_end;

/* What this rank has in its hands: one buffer to send from and one to receive into, kept; and a fresh one for a turn. */
static struct t_buf out, in;
static char *fresh;
static struct { const char *at; size_t bytes; int source, tag, sequence; } sent[4];
static int sent_count;

/* Also from a signal handler: no stdio. */
static void say(const char *format, ...)
{
	char line[300];
	va_list list;

	va_start(list, format);
	int n = vsnprintf(line, sizeof line - 1, format, list);
	va_end(list);
	line[n] = '\n';
	if (log_fd >= 0 && write(log_fd, line, (size_t)n + 1) < 0)
		_exit(97);
}

#define WRONG(...) do { say("WRONG " __VA_ARGS__); _exit(90); } while (0)

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Ended, though its parent may not have heard so yet. Safe in a signal handler. */
static bool peer_dead(void)
{
	char path[40], stat[300];

	if (!peer_pid)
		return false;
	snprintf(path, sizeof path, "/proc/%d/stat", (int)peer_pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return true;
	ssize_t n = read(fd, stat, sizeof stat - 1);
	close(fd);
	if (n <= 0)
		return true;
	stat[n] = 0;
	const char *state = strrchr(stat, ')');
	return state && (state[2] == 'Z' || state[2] == 'X');
}

static void exists_wait(const char *name, double seconds)
{
	char path[4096];
	double began = now();

	snprintf(path, sizeof path, "%s/%s", directory, name);
	while (access(path, F_OK) && now() - began < seconds)
		usleep(5000);
}

/* ---- the victim's end ---- */

static void die(int signal)
{
	kill(getpid(), SIGKILL);
}

/* Every call of MPI that communicates goes through here. */
static void count_call(void)
{
	calls++;
	if (t_rank != plan.victim || calls < plan.at)
		return;
	switch (plan.how) {
	case CALL: raise(SIGKILL); break;
	case BY_EXIT: exit(6);
	case BY__EXIT: _exit(6);
	case BY_ABORT: MPI_Abort(MPI_COMM_WORLD, 6); break;
	case BY_RETURN: longjmp(the_end, 2); break;
	default: break;
	}
}

static void arm_timer(void)
{
	struct itimerval timer = { .it_value = { plan.at / 1000000, plan.at % 1000000 + 1 } };

	signal(SIGALRM, die);
	setitimer(ITIMER_REAL, &timer, NULL);
}

/* ---- the survivor's end ---- */

static void check_sent(void)
{
	for (int i = 0; i < sent_count; i++) {
		long at = t_wrong(sent[i].at, sent[i].bytes, sent[i].source, sent[i].tag, sent[i].sequence);
		if (at >= 0)
			WRONG("byte %ld of a sent buffer of %zu has changed (%s)", at, sent[i].bytes, kind_name);
	}
}

static void rewrite(char *at, size_t bytes)
{
	t_fill(at, bytes, 77, 77, 77);
	long wrong = t_wrong(at, bytes, 77, 77, 77);
	if (wrong >= 0)
		WRONG("byte %ld of a buffer of %zu does not keep what is written (%s)", wrong, bytes, kind_name);
}

/* in_handler: neither malloc nor MPI may be called. */
static void check_memory(bool in_handler)
{
	check_sent();
	rewrite(out.at, out.bytes);
	rewrite(in.at, in.bytes);
	if (fresh)
		rewrite(fresh, MOST);
	if (in_handler) {
		say("memory right");
		return;
	}
	free(fresh);
	fresh = NULL;
	t_free(&out);
	t_free(&in);
	malloc_trim(0);
	for (int i = 0; i < 4; i++) {
		char *again = malloc(MOST);
		rewrite(again, MOST);
		again = realloc(again, 2 * MOST);
		rewrite(again, 2 * MOST);
		free(again);
	}
	say("memory right");
}

/*
 * Is it the library that waits? Where nothing follows, it goes on to the MPI's own function by a jump, and has no frame on
 * the stack; it has one where it called the MPI's own MPI_Finalize. (The first backtrace() of a process may call malloc:
 * arm_look makes one.)
 */
static bool library_waits(void)
{
	void *frame[64];
	Dl_info info;
	int n = backtrace(frame, 64);

	for (int i = 0; i < n; i++) {
		if (!dladdr(frame[i], &info) || !info.dli_fname)
			continue;
		if (strstr(info.dli_fname, "libvmonecopy"))
			return true;
		if (info.dli_sname && strcasestr(info.dli_sname, "mpi_finalize"))	/* ompi_mpi_finalize, too */
			return false;
	}
	return false;
}

/* With survivor=block, and in MPI_Finalize: has this call lasted too long after the peer's death? */
static void look(int signal)
{
	static double dead_since;
	static int ending;

	if (!*in_call || !peer_dead())
		return;
	if (!dead_since)
		dead_since = now();
	if (now() - dead_since < GRACE_S || __atomic_exchange_n(&ending, 1, __ATOMIC_RELAXED))
		return;		/* the timer's signal may go to any thread of the MPI */
	say("blocked in %s%s", in_call, library_waits() ? ", by the library" : "");
	if (out.base)
		check_memory(true);
	say("rest");
	exists_wait("go", 20);
	say("end");
	_exit(0);
}

static void arm_look(void)
{
	struct itimerval timer = { { 0, 100000 }, { 0, 100000 } };

	library_waits();

	signal(SIGALRM, look);
	setitimer(ITIMER_REAL, &timer, NULL);
}

/* What MPI itself reports of a dead peer, or a peer that is dead: the turns end. */
static void failed(const char *call, int rc)
{
	double began = now();

	while (!peer_dead() && now() - began < 5)
		usleep(1000);
	if (!peer_dead())
		WRONG("%s returned %d, and the peer is alive", call, rc);
	longjmp(the_end, 1);
}

#define DO(call, ...) do { \
	count_call(); \
	in_call = #call; \
	int do_rc = call(__VA_ARGS__); \
	in_call = ""; \
	if (do_rc != MPI_SUCCESS) \
		failed(#call, do_rc); \
} while (0)

/* Until all are complete; for survivor=test no longer than the peer lives. */
static void complete(int n, MPI_Request *requests)
{
	double dead_since = 0;
	int flag = 0;

	if (plan.survivor != TEST) {
		DO(MPI_Waitall, n, requests, MPI_STATUSES_IGNORE);
		return;
	}
	count_call();
	for (unsigned turns = 0;; turns++) {
		double began = now();
		int rc = MPI_Testall(n, requests, &flag, MPI_STATUSES_IGNORE);
		if (now() - began > 20)
			WRONG("MPI_Testall took %.1f s", now() - began);
		if (rc != MPI_SUCCESS)
			failed("MPI_Testall", rc);
		if (flag)
			return;
		if (turns % 256 == 255 && !dead_since && peer_dead())
			dead_since = now();
		if (dead_since && now() - dead_since > TEST_GRACE_S)
			longjmp(the_end, 1);
		sched_yield();
	}
}

/* ---- the turns ---- */

static unsigned long turn_seed;

/* Alike on both ranks. */
static unsigned long draw(unsigned long below)
{
	turn_seed = turn_seed * 6364136223846793005u + 1442695040888963407u;
	return (turn_seed >> 33) % below;
}

static void send(const char *at, size_t bytes, int tag)
{
	MPI_Request request;

	if (plan.survivor == TEST || draw(2)) {
		DO(MPI_Isend, at, (int)bytes, MPI_BYTE, 1 - t_rank, tag, MPI_COMM_WORLD, &request);
		complete(1, &request);
	} else {
		DO(MPI_Send, at, (int)bytes, MPI_BYTE, 1 - t_rank, tag, MPI_COMM_WORLD);
	}
}

static void receive(struct t_buf *buf, int tag)
{
	MPI_Request request;

	if (plan.survivor == TEST || draw(2)) {
		DO(MPI_Irecv, buf->at, (int)buf->bytes, MPI_BYTE, 1 - t_rank, tag, MPI_COMM_WORLD, &request);
		complete(1, &request);
	} else {
		DO(MPI_Recv, buf->at, (int)buf->bytes, MPI_BYTE, 1 - t_rank, tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	}
}

static void note_sent(const char *at, size_t bytes, int tag, int sequence)
{
	if (sent_count < 4) {
		sent[sent_count].at = at;
		sent[sent_count].bytes = bytes;
		sent[sent_count].source = t_rank;
		sent[sent_count].tag = tag;
		sent[sent_count++].sequence = sequence;
	}
}

static void verify(const char *at, size_t bytes, int source, int tag, int sequence)
{
	long wrong = t_wrong(at, bytes, source, tag, sequence);

	if (wrong >= 0)
		WRONG("byte %ld of %zu received is wrong (%s)", wrong, bytes, kind_name);
}

/* The same buffer again and again: its pages get granted ones. */
static void in_place(bool sender, size_t bytes, int tag, int sequence)
{
	if (sender) {
		t_fill(out.at, bytes, t_rank, tag, sequence);
		note_sent(out.at, bytes, tag, sequence);
	}
	for (int i = 0; i < 4; i++) {
		unsigned long keep = turn_seed;
		if (sender)
			send(out.at, bytes, tag);
		else
			receive(&in, tag);
		turn_seed = keep;
		if (!sender)
			verify(in.at, bytes, 1 - t_rank, tag, sequence);
	}
}

static void staged(bool sender, size_t bytes, int tag, int sequence)
{
	if (!sender) {
		receive(&in, tag);
		verify(in.at, bytes, 1 - t_rank, tag, sequence);
		return;
	}
	fresh = malloc(MOST);
	t_fill(fresh, bytes, t_rank, tag, sequence);
	note_sent(fresh, bytes, tag, sequence);
	send(fresh, bytes, tag);
	sent_count = 0;
	free(fresh);
	fresh = NULL;
}

/* The receiver is so late that the sender detaches its buffer. */
static void detached(bool sender, size_t bytes, int tag, int sequence)
{
	if (!sender)
		usleep(15000);
	in_place(sender, bytes, tag, sequence);
}

/* Both ranks have the same buffers: a column of blocks with gaps, sent from `out` into `in`. */
static void gaps(bool sender, size_t bytes, int tag, int sequence)
{
	int blocks = (int)(bytes / 16384);
	MPI_Datatype type;
	MPI_Request request;

	MPI_Type_vector(blocks, 8192, 12288, MPI_BYTE, &type);
	MPI_Type_commit(&type);
	if (sender) {
		t_fill(out.at, bytes, t_rank, tag, sequence);
		note_sent(out.at, bytes, tag, sequence);
	}
	for (int i = 0; i < 3; i++) {
		if (sender)
			DO(MPI_Isend, out.at, 1, type, 1 - t_rank, tag, MPI_COMM_WORLD, &request);
		else
			DO(MPI_Irecv, in.at, 1, type, 1 - t_rank, tag, MPI_COMM_WORLD, &request);
		complete(1, &request);
	}
	MPI_Type_free(&type);
	if (sender)
		return;
	char *whole = malloc(bytes);
	t_fill(whole, bytes, 1 - t_rank, tag, sequence);
	for (int i = 0; i < blocks; i++)
		if (memcmp(in.at + i * 12288, whole + i * 12288, 8192))
			WRONG("block %d of %d received is wrong (%s)", i, blocks, kind_name);
	free(whole);
}

static void both_ways(bool sender, size_t bytes, int tag, int sequence)
{
	MPI_Request request[2];

	t_fill(out.at, bytes, t_rank, tag, sequence);
	note_sent(out.at, bytes, tag, sequence);
	if (plan.survivor != TEST && draw(2)) {
		DO(MPI_Sendrecv, out.at, (int)bytes, MPI_BYTE, 1 - t_rank, tag, in.at, (int)in.bytes, MPI_BYTE, 1 - t_rank, tag,
		   MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	} else {
		DO(MPI_Irecv, in.at, (int)in.bytes, MPI_BYTE, 1 - t_rank, tag, MPI_COMM_WORLD, &request[0]);
		DO(MPI_Isend, out.at, (int)bytes, MPI_BYTE, 1 - t_rank, tag, MPI_COMM_WORLD, &request[1]);
		complete(2, request);
	}
	verify(in.at, bytes, 1 - t_rank, tag, sequence);
}

static void probed(bool sender, size_t bytes, int tag, int sequence)
{
	MPI_Status status;
	double dead_since = 0;
	int flag = 0, count = 0;

	if (sender) {
		in_place(true, bytes, tag, sequence);
		return;
	}
	for (int i = 0; i < 4; i++) {
		unsigned long keep = turn_seed;
		for (unsigned turns = flag = 0; !flag; turns++) {
			int rc = MPI_Iprobe(1 - t_rank, tag, MPI_COMM_WORLD, &flag, &status);
			if (rc != MPI_SUCCESS)
				failed("MPI_Iprobe", rc);
			if (!flag && turns % 256 == 255 && plan.survivor != NONE && peer_dead()) {
				dead_since = dead_since ? dead_since : now();
				if (now() - dead_since > TEST_GRACE_S)
					longjmp(the_end, 1);
			}
		}
		MPI_Get_count(&status, MPI_BYTE, &count);
		if (count != (int)bytes)
			WRONG("a probe says %d bytes, not %zu", count, bytes);
		receive(&in, tag);
		turn_seed = keep;
		verify(in.at, bytes, 1 - t_rank, tag, sequence);
	}
}

/* Collectives have no test: for survivor=test they are left out. */
static void collective(bool sender, size_t bytes, int tag, int sequence)
{
	int half = (int)(bytes / 2), root = sender ? t_rank : 1 - t_rank;
	unsigned long which = draw(4);

	t_fill(out.at, bytes, t_rank, tag, sequence);
	note_sent(out.at, bytes, tag, sequence);
	for (int i = 0; i < 3; i++)
		switch (which) {
		case 0:
			if (!sender)
				t_fill(in.at, bytes, 9, 9, 9);
			DO(MPI_Bcast, sender ? out.at : in.at, (int)bytes, MPI_BYTE, root, MPI_COMM_WORLD);
			if (!sender)
				verify(in.at, bytes, root, tag, sequence);
			break;
		case 1:
			DO(MPI_Alltoall, out.at, half, MPI_BYTE, in.at, half, MPI_BYTE, MPI_COMM_WORLD);
			if (memcmp(in.at + t_rank * half, out.at + t_rank * half, (size_t)half))
				WRONG("an alltoall's own piece is wrong");
			break;
		case 2:
			DO(MPI_Allgather, out.at, half, MPI_BYTE, in.at, half, MPI_BYTE, MPI_COMM_WORLD);
			verify(in.at + (1 - t_rank) * half, (size_t)half, 1 - t_rank, tag, sequence);
			break;
		default:
			DO(MPI_Allreduce, out.at, in.at, (int)(bytes / 8), MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
			for (size_t w = 0; w < bytes / 8; w += 97)
				if (((uint64_t *)(void *)in.at)[w] != t_word(0, tag, sequence, w) + t_word(1, tag, sequence, w))
					WRONG("word %zu of a sum is wrong", w);
		}
}

static const struct kind {
	const char *name;
	void (*run)(bool sender, size_t bytes, int tag, int sequence);
} kinds[] = {
	{ "in place", in_place }, { "staged", staged }, { "detached", detached }, { "gaps", gaps },
	{ "both ways", both_ways }, { "probe", probed }, { "collective", collective },
};

#define KINDS (int)(sizeof kinds / sizeof *kinds)

static void turn(int number)
{
	turn_seed = plan.seed * 1000003u + (unsigned long)number;
	draw(2);
	const struct kind *kind = &kinds[draw((unsigned long)KINDS - (plan.survivor == TEST))];
	size_t bytes = ((size_t)64 << 10) << draw(7);
	bool victim_sends = !strcmp(plan.flow, "sends") ? true : !strcmp(plan.flow, "receives") ? false : draw(2);

	kind_name = kind->name;
	sent_count = 0;
	kind->run((t_rank == plan.victim) == victim_sends, bytes, number % 1000, number);
}

/* The request is in the survivor's queue, its pages have gone with the victim. */
static void offered(void)
{
	MPI_Request request;

	kind_name = "an offer";
	if (t_rank == plan.victim) {
		t_fill(out.at, MOST, t_rank, 8, 8);
		MPI_Isend(out.at, (int)MOST, MPI_BYTE, 1 - t_rank, 8, MPI_COMM_WORLD, &request);
		MPI_Send(NULL, 0, MPI_BYTE, 1 - t_rank, 1, MPI_COMM_WORLD);
		raise(SIGKILL);
	}
	MPI_Recv(NULL, 0, MPI_BYTE, 1 - t_rank, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	while (!peer_dead())
		usleep(1000);
	usleep(2000000);	/* until it is seen to be dead on a busy machine, too: what is mapped would still be received */
	DO(MPI_Recv, in.at, (int)in.bytes, MPI_BYTE, 1 - t_rank, 8, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	WRONG("a message of the dead, whose pages are gone, is said to be received");
}

/* ---- the whole ---- */

static void parse(int argc, char **argv)
{
	static const char *const how[] = { "call", "timer", "outside", "exit", "_exit", "return", "abort", "offered", "report" };
	char *value;

	for (int i = 2; i < argc; i++) {
		if (!(value = strchr(argv[i], '=')))
			continue;
		*value++ = 0;
		char *at = strchr(value, ':');
		if (!strcmp(argv[i], "seed"))
			plan.seed = strtoul(value, NULL, 10);
		else if (!strcmp(argv[i], "victim"))
			plan.victim = atoi(value);
		else if (!strcmp(argv[i], "flow"))
			plan.flow = value;
		else if (!strcmp(argv[i], "turns"))
			plan.turns = atoi(value);
		else if (!strcmp(argv[i], "finalize"))
			plan.finalize = atoi(value);
		else if (!strcmp(argv[i], "survivor"))
			plan.survivor = !strcmp(value, "test") ? TEST : !strcmp(value, "block") ? BLOCK : NONE;
		else if (!strcmp(argv[i], "how")) {
			plan.at = at ? atol(at + 1) : 0;
			size_t length = at ? (size_t)(at - value) : strlen(value);
			for (int h = 0; h < (int)(sizeof how / sizeof *how); h++)
				if (strlen(how[h]) == length && !strncmp(how[h], value, length))
					plan.how = (enum how)h;
		}
	}
}

static void open_log(void)
{
	char path[4096];

	snprintf(path, sizeof path, "%s/log.%d", directory, t_rank);
	log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	say("pid %d", (int)getpid());
}

/* The shim must notice that the peer is dead, and leave the message to the MPI, which may never complete it. */
static void send_to_the_dead(void)
{
	MPI_Request request;
	int flag = 0;

	if (MPI_Isend(out.at, (int)out.bytes, MPI_BYTE, 1 - t_rank, 9999, MPI_COMM_WORLD, &request) != MPI_SUCCESS)
		return;
	for (int i = 0; i < 20 && !flag; i++) {
		if (MPI_Test(&request, &flag, MPI_STATUS_IGNORE) != MPI_SUCCESS)
			return;
		usleep(1000);
	}
}

/* Its own part of the MPI still works. */
static void talk_to_oneself(void)
{
	t_fill(out.at, MOST, t_rank, 5, 5);
	MPI_Sendrecv(out.at, (int)MOST, MPI_BYTE, t_rank, 5, in.at, (int)in.bytes, MPI_BYTE, t_rank, 5, MPI_COMM_WORLD,
	             MPI_STATUS_IGNORE);
	verify(in.at, MOST, t_rank, 5, 5);
}

static void finalize(void)
{
	in_call = "MPI_Finalize";
	MPI_Finalize();
	in_call = "";
	say("finalized");
}

static int survive(void)
{
	say("died in %s", kind_name);
	check_sent();
	send_to_the_dead();
	talk_to_oneself();
	sent_count = 0;
	check_memory(false);
	say("rest");
	exists_wait("go", 20);
	if (plan.finalize) {
		arm_look();
		finalize();
	}
	say("end");
	return 0;
}

/* Long after the survivor has entered MPI_Finalize. */
static void reporting(void)
{
	kind_name = "the report";
	if (t_rank == plan.victim) {
		plan.at = 1000000;
		arm_timer();
		if (getenv("VMONECOPY_REPORT"))
			MPI_Finalize();
		for (;;)
			pause();
	}
	finalize();
	check_memory(false);
	say("rest");
	exists_wait("go", 20);
	say("end");
	exit(0);
}

static int next_job(void)
{
	plan.victim = 0;
	for (int i = 0; i < 50; i++) {
		sent_count = 0;
		both_ways(true, (size_t)1 << 20, 1, i);
	}
	MPI_Finalize();
	say("end");
	return 0;
}

int main(int argc, char **argv)
{
	int pid = (int)getpid();

	directory = argc > 2 ? argv[1] : ".";
	parse(argc, argv);
	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &t_rank);
	open_log();
	out = t_new(MOST, 100);
	in = t_new(MOST, 2000);
	if (!strcmp(argv[argc - 1], "next"))
		return next_job();
	if (plan.survivor != NONE)
		MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
	MPI_Sendrecv(&pid, 1, MPI_INT, 1 - t_rank, 0, &peer_pid, 1, MPI_INT, 1 - t_rank, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	say("ready");
	if (t_rank == plan.victim && plan.how == TIMER)
		arm_timer();
	if (t_rank != plan.victim && plan.survivor == BLOCK)
		arm_look();
	int ended = setjmp(the_end);
	if (ended == 2)
		return 6;
	double began = now();
	if (!ended && plan.how == OFFERED)
		offered();
	for (int number = 0; !ended; number++) {
		if (plan.how == REPORT && number == 10)
			reporting();
		if (plan.turns && number == plan.turns) {
			MPI_Finalize();
			say("end");
			return 0;
		}
		turn(number);
		if (now() - began > LIMIT_S)
			WRONG("no death within %d s, %ld calls", LIMIT_S, calls);
	}
	return survive();
}
