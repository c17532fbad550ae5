/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * random FIRST-LAST [--steps A-B] [--verbose] [--every N] [--seconds S] [--break SEED] [--reproduce COMMAND]
 *
 * Runs the random, correct MPI programs of these seeds (plan.h), all in one job. Each checks itself. For
 * every N seeds (100) rank 0 prints what all ranks received,
 *
 *     digest 1-100 9d8f7e6a5b4c3d2e 1234 messages 5678901 bytes
 *
 * every rank what it has resident then (/proc/self/status), in KiB, pages of its own and shared ones,
 *
 *     memory 100 rank 1 anonymous 5324 shared 2048
 *
 * and at the end `ok`. The digest does not depend on who got which of interchangeable messages, so it is
 * the same with the library as without. tests/random/run.py compares them.
 *
 * --steps leaves out all messages and collectives of other steps; what is left is still a correct program.
 * A seed that takes longer than S seconds (30) is a failure. Not handled: threads, fork.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "exec.h"

struct options {
	unsigned long long first, last, every, broken;
	int first_step, last_step, seconds;
	bool verbose;
};

static bool range(const char *text, unsigned long long *first, unsigned long long *last)
{
	int n = sscanf(text, "%llu-%llu", first, last);

	if (n == 1)
		*last = *first;
	return n >= 1;
}

static bool parse(int argc, char **argv, struct options *o)
{
	unsigned long long a, b;

	*o = (struct options){ .every = 100, .last_step = MAX_STEPS, .seconds = 30 };
	if (argc < 2 || !range(argv[1], &o->first, &o->last))
		return false;
	for (int i = 2; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";
		if (!strcmp(argv[i], "--verbose")) {
			o->verbose = where.verbose = true;
			continue;
		}
		i++;
		if (!strcmp(argv[i - 1], "--steps") && range(value, &a, &b))
			o->first_step = (int)a, o->last_step = (int)b;
		else if (!strcmp(argv[i - 1], "--every"))
			o->every = strtoull(value, NULL, 10);
		else if (!strcmp(argv[i - 1], "--break"))
			o->broken = strtoull(value, NULL, 10);
		else if (!strcmp(argv[i - 1], "--seconds"))
			o->seconds = atoi(value);
		else if (!strcmp(argv[i - 1], "--reproduce"))
			where.reproduce = value;
		else
			return false;
	}
	return o->every > 0;
}

/* All ranks' sums, on all ranks: also the end of the seed. */
static void sum(uint64_t *mine, int n)
{
	DO(MPI_Allreduce(MPI_IN_PLACE, mine, n, MPI_UINT64_T, MPI_SUM, comm_control()));
}

static void one_seed(const struct options *o, unsigned long long seed, uint64_t total[3])
{
	static struct plan plan;
	static struct exec x;
	uint64_t mine[3];

	where.seed = seed;
	where.step = 0;
	where.spoil = seed == o->broken;
	watchdog((unsigned)o->seconds);
	plan_make(&plan, seed, where.ranks);
	if (o->first_step > 0 || o->last_step < plan.steps)
		plan_keep(&plan, o->first_step, o->last_step);
	if (o->verbose && where.rank == 0)
		plan_print(&plan, o->first_step, o->last_step, stdout);
	exec_plan(&x, &plan, where.rank);
	mine[0] = x.digest, mine[1] = x.messages, mine[2] = x.bytes;
	sum(mine, 3);
	total[0] = rnd_mix(total[0] ^ mine[0]) + seed;
	total[1] += mine[1];
	total[2] += mine[2];
}

static void print_memory(unsigned long long seed)
{
	unsigned long own = 0, shared = 0;
	char line[128];
	FILE *status = fopen("/proc/self/status", "r");

	while (status && fgets(line, sizeof line, status)) {
		sscanf(line, "RssAnon: %lu", &own);
		sscanf(line, "RssShmem: %lu", &shared);
	}
	if (status)
		fclose(status);
	printf("memory %llu rank %d anonymous %lu shared %lu\n", seed, where.rank, own, shared);
}

static void all_seeds(const struct options *o)
{
	unsigned long long begin = o->first;
	uint64_t total[3] = { 0 };

	for (unsigned long long seed = o->first; seed <= o->last; seed++) {
		one_seed(o, seed, total);
		if (seed != o->last && seed % o->every)
			continue;
		if (where.rank == 0)
			printf("digest %llu-%llu %016" PRIx64 " %" PRIu64 " messages %" PRIu64 " bytes\n", begin, seed, total[0],
			       total[1], total[2]);
		print_memory(seed);
		fflush(stdout);
		memset(total, 0, sizeof total);
		begin = seed + 1;
	}
}

int main(int argc, char **argv)
{
	struct options options;

	if (!parse(argc, argv, &options)) {
		fputs("usage: random FIRST-LAST [--steps A-B] [--verbose] [--every N] [--seconds S]\n", stderr);
		return 2;
	}
	watchdog((unsigned)options.seconds);
	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &where.rank);
	MPI_Comm_size(MPI_COMM_WORLD, &where.ranks);
	if (where.ranks > MAX_RANKS)
		fail("at most %d ranks", MAX_RANKS);
	comms_setup();
	types_setup();
	places_setup();
	all_seeds(&options);
	types_cleanup();
	comms_cleanup();
	places_cleanup();
	watchdog((unsigned)options.seconds);
	if (where.rank == 0)
		fputs("ok\n", stdout);	/* in one write: MPICH unbuffers stdout, and puts writes the newline alone */
	return MPI_Finalize();
}
