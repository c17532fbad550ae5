/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The roll call: has every rank of MPI_COMM_WORLD the library? Before anything collective of ours, because a rank without
 * it would never come there, and the others would wait for it in MPI_Init for ever.
 *
 *   before MPI's start-up   each rank with the library says so in the launcher's key-value space (kvs.h)
 *   after it                a tree over all ranks, 0 the root, BRANCHES below each: a rank looks up those next to it,
 *                           then "all here, as far as I see" goes up and the verdict comes down, as messages between
 *                           ranks that have the library
 *
 * The verdict is the same on all ranks that have the library: where none is missing the tree is whole. Where some are, it
 * falls into parts; each part is next to one that is missing, or the tree would not be connected; so the verdict of
 * each part is no. A rank looks up BRANCHES + 1 others at most, whatever the number of ranks.
 *
 * The messages go on MPI_COMM_WORLD, which has no program's messages in their way: both ends are still in MPI_Init, both
 * know that the other has the library, and what is sent here is also received here.
 *
 * Without such a space (unknown launchers) the ranks wait for each other, with a word to the user after a while.
 */
#include "mpi_shim.h"
#include "kvs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define WORD     "2"		/* of the agreements in MPI_Init; ranks with different ones must not meet */
#define BRANCHES 8u
#define TAG      22093		/* MPI 3.1, 8.1.2: tags up to 32767 exist everywhere */
#define REMEDY   "all ranks need it: mpirun -x LD_PRELOAD=FILE, mpiexec -genv LD_PRELOAD FILE, or vmonecopy run"
#define LISTED   1024u		/* ranks that the first rank looks up to name those that are missing */

enum space { NO_SPACE, PMI1, PMIX, REFUSED };	/* REFUSED: others cannot find this rank */

static struct {
	enum space space;
	bool called;		/* MPI's own start-up has begun */
	struct vmo_pmi1 pmi1;
	struct vmo_pmix pmix;
} muster;

static enum space taken(int rc, enum space space)
{
	if (rc && rc != -ENOENT)
		vmo_warn("the launcher's key-value space did not take this rank's entry: %s", strerror(-rc));
	return !rc ? space : rc == -ENOENT ? NO_SPACE : REFUSED;
}

static void on_commit(void *commit)
{
	__atomic_store_n(&shim.host.pmix->listener, NULL, __ATOMIC_RELEASE);
	if (muster.space == NO_SPACE)
		muster.space = taken(vmo_pmix_announce(&muster.pmix, commit, WORD), PMIX);
}

void vmo_muster_announce(void)
{
	if (muster.called)
		return;
	muster.called = true;
#ifndef OPEN_MPI		/* which would never tell hydra that it ends */
	muster.space = taken(vmo_pmi1_announce(&muster.pmi1, WORD), PMI1);
#endif
	__atomic_store_n(&shim.host.pmix->listener, on_commit, __ATOMIC_RELEASE);
}

static bool is_here(uint32_t rank)
{
	int rc = muster.space == PMI1 ? vmo_pmi1_lookup(&muster.pmi1, rank, WORD)
	                              : vmo_pmix_lookup(&muster.pmix, rank, WORD);

	if (rc < 0)
		vmo_warn("the launcher's key-value space does not answer: %s", strerror(-rc));
	return rc == 1;
}

/* ---- the tree ------------------------------------------------------------------------------- */

static bool heard(uint32_t from)
{
	int word = 0;

	return shim.mpi.Recv(&word, 1, MPI_INT, (int)from, TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE) == MPI_SUCCESS && word;
}

/* Synchronous: it has arrived, and needs no more of this rank's help, when the program computes after MPI_Init. */
static void say(bool all, uint32_t to)
{
	int word = all;

	shim.mpi.Ssend(&word, 1, MPI_INT, (int)to, TAG, MPI_COMM_WORLD);
}

struct place {
	uint32_t children;
	uint32_t child[BRANCHES];	/* those that have the library */
	bool has_parent;		/* with the library */
	uint32_t parent;
	bool whole;			/* nobody next to this rank is missing */
};

static struct place look_around(uint32_t rank, uint32_t ranks)
{
	struct place place = { .whole = true };
	uint64_t first = (uint64_t)rank * BRANCHES + 1;

	if (rank) {
		place.parent = (rank - 1) / BRANCHES;
		place.has_parent = place.whole = is_here(place.parent);
	}
	for (uint64_t r = first; r < first + BRANCHES && r < ranks; r++) {
		if (is_here((uint32_t)r))
			place.child[place.children++] = (uint32_t)r;
		else
			place.whole = false;
	}
	return place;
}

static bool verdict(const struct place *place)
{
	bool all = place->whole;

	for (uint32_t i = 0; i < place->children; i++)
		all &= heard(place->child[i]);
	if (place->has_parent) {
		say(all, place->parent);
		all = heard(place->parent);
	}
	for (uint32_t i = 0; i < place->children; i++)
		say(all, place->child[i]);
	return all;
}

/* ---- the line ------------------------------------------------------------------------------- */

struct list {
	char text[128];
	size_t used;
	uint32_t from, count;		/* the range that is being collected */
};

static void add_range(struct list *list)
{
	size_t room = sizeof list->text - list->used;
	const char *comma = list->used ? ", " : "";

	if (!list->count)
		return;
	if (room > 32)		/* two numbers and what is between */
		list->used += (size_t)(list->count == 1 ? snprintf(list->text + list->used, room, "%s%u", comma, list->from)
		                       : snprintf(list->text + list->used, room, "%s%u-%u", comma, list->from,
		                                  list->from + list->count - 1));
	else if (room > 8 && list->text[list->used - 1] != '.')
		list->used += (size_t)snprintf(list->text + list->used, room, " ...");
	list->count = 0;
}

static void note(struct list *list, uint32_t rank, bool here)
{
	if (here) {
		add_range(list);
		return;
	}
	if (!list->count++)
		list->from = rank;
}

/* Looks downwards: somebody near has it, unless this rank is the one to speak. */
static bool is_first(uint32_t rank)
{
	while (rank--)
		if (is_here(rank))
			return false;
	return true;
}

static void tell(uint32_t rank, uint32_t ranks, const struct vmo_config *config)
{
	struct list list = { .used = 0 };
	char why[512];
	uint32_t end = ranks - rank > LISTED ? rank + LISTED : ranks;

	if (rank) {
		list.from = 0;
		list.count = rank;
	}
	for (uint32_t r = rank; r < end; r++)
		note(&list, r, r == rank || is_here(r));
	add_range(&list);
	snprintf(why, sizeof why, "no libvmonecopy.so, or one of another version, on rank%s %s%s of %u; " REMEDY,
	         strpbrk(list.text, ",-") ? "s" : "", list.text, end < ranks ? ", perhaps more," : "", ranks);
	if (vmo_report_level(config->report) != VMO_REPORT_NONE)
		vmo_report_text(stderr, &(struct vmo_summary){ .sum = &vmo_stats, .inactive = why, .world = (int)ranks }, false);
}

static bool call_roll(uint32_t rank, uint32_t ranks, const struct vmo_config *config)
{
	struct place place = look_around(rank, ranks);
	bool all = verdict(&place);

	if (!all && !place.has_parent && is_first(rank))
		tell(rank, ranks, config);
	return all;
}

/* ---- without a key-value space -------------------------------------------------------------- */

#define NAP_AFTER_NS 1000000000u
#define WORD_AFTER_S 10u

/* Who speaks when some rank is missing? The lowest: rank 0, later 1, later 2, then 4 ...: one of them is waiting. */
static uint64_t speaks_after_ns(uint32_t rank)
{
	uint64_t turns = 1;

	if (rank & (rank - 1))
		return UINT64_MAX;
	for (; rank; rank >>= 1)
		turns++;
	return turns * WORD_AFTER_S * 1000000000u;
}

static bool wait_for_others(uint32_t rank)
{
	struct vmo_wait wait = VMO_WAIT_INIT;
	uint64_t word_ns = speaks_after_ns(rank);
	MPI_Request request;
	int here = 0;

	if (shim.mpi.Ibarrier(MPI_COMM_WORLD, &request) != MPI_SUCCESS)
		return false;
	while (shim.mpi.Test(&request, &here, MPI_STATUS_IGNORE) == MPI_SUCCESS && !here) {
		if (vmo_wait_turn(&wait) != VMO_WAIT_SLEEP || vmo_waited_ns(&wait) < NAP_AFTER_NS)
			continue;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
		if (vmo_waited_ns(&wait) < word_ns)
			continue;
		word_ns = UINT64_MAX;
		vmo_warn("waiting in MPI_Init for ranks that are late or have no libvmonecopy.so; " REMEDY);
	}
	return here;
}

/* ---- */

/* The ranks of a start read the same environment and use the same MPI, so that all find the same. */
static void check_space(uint32_t rank, uint32_t ranks)
{
	if (muster.space != PMI1)
		return;
	if (muster.pmi1.size != ranks) {	/* it is not this MPI's */
		vmo_pmi1_withdraw(&muster.pmi1);
		muster.space = NO_SPACE;
	} else if (!is_here(rank)) {		/* nor did anything spread what was put there */
		muster.space = NO_SPACE;
	}
}

bool vmo_muster(int rank, int ranks, const struct vmo_config *config)
{
	bool all = true;

	__atomic_store_n(&shim.host.pmix->listener, NULL, __ATOMIC_RELEASE);
	if (muster.space != REFUSED)
		check_space((uint32_t)rank, (uint32_t)ranks);
	if (ranks == 1)
		;
	else if (muster.space == NO_SPACE)
		all = wait_for_others((uint32_t)rank);
	else
		all = muster.space != REFUSED && call_roll((uint32_t)rank, (uint32_t)ranks, config);
	vmo_pmix_close(&muster.pmix);
	return all;
}
