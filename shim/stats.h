/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stats.h: counters, fall-through reasons and calls: what really happened, in numbers.
 *
 * One plain array of uint64_t, so that ranks add theirs up with one reduction. Increments are relaxed
 * atomics, right from any thread; an atomic add costs some 20 cycles, so what only MPI calls count is a plain
 * add where the program calls MPI from one thread at a time.
 */
#ifndef VMO_STATS_H
#define VMO_STATS_H

#include "vmo.h"

#include <stdio.h>

enum vmo_counter {
#define X(id, doc) VMO_C_##id,
#include "counters.def"
#undef X
	VMO_COUNTERS
};

enum vmo_reason {
#define X(id, text) VMO_R_##id,
#include "reasons.def"
#undef X
	VMO_REASONS
};

enum vmo_call {
#define X(name) VMO_CALL_##name,
#include "calls.def"
#undef X
	VMO_CALLS,
	VMO_CALL_FIRST_COLLECTIVE = VMO_CALL_Bcast	/* the rest of calls.def are collectives */
};

struct vmo_stats {
	uint64_t counter[VMO_COUNTERS];
	uint64_t reason_messages[VMO_REASONS];
	uint64_t reason_bytes[VMO_REASONS];
	uint64_t call[VMO_CALLS];
};

#define VMO_STATS_WORDS (sizeof(struct vmo_stats) / sizeof(uint64_t))

extern VMO_HIDDEN struct vmo_stats vmo_stats;

/* MPI is called by one thread at a time: set after MPI_Init below MPI_THREAD_MULTIPLE. */
extern VMO_HIDDEN bool vmo_stats_alone;

static inline void vmo_stats_add(uint64_t *word, uint64_t n)
{
	if (vmo_likely(vmo_stats_alone))
		*word += n;
	else
		__atomic_fetch_add(word, n, __ATOMIC_RELAXED);
}

#define vmo_count(id, n) \
	__atomic_fetch_add(&vmo_stats.counter[VMO_C_##id], (uint64_t)(n), __ATOMIC_RELAXED)
/* The same of counters that change within MPI calls only, never in hooks of memory calls. */
#define vmo_count_within(id, n) vmo_stats_add(&vmo_stats.counter[VMO_C_##id], (uint64_t)(n))
#define vmo_count_call(name) vmo_stats_add(&vmo_stats.call[VMO_CALL_##name], 1)

/* Counts one message of so many bytes that falls through for this reason. */
void vmo_fall_through(enum vmo_reason reason, uint64_t bytes);

const char *vmo_reason_text(enum vmo_reason reason);

/*
 * The report: one line, or with full also every counter, reason and call that is not zero.
 * inactive: why the library did nothing (NULL: it was active). world: MPI ranks in the job.
 */
void vmo_report(FILE *out, const struct vmo_stats *sum, bool full, bool emulated, int world,
                const char *inactive);

#endif
