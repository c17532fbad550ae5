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

#include "flow.h"
#include "vmo.h"

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

/* Adds the time since vmo_time_begin to one of the counters *_ns. */
static inline void vmo_time_end(uint64_t began, enum vmo_counter counter)
{
	if (vmo_unlikely(began))
		__atomic_fetch_add(&vmo_stats.counter[counter], vmo_flow_clock() - began, __ATOMIC_RELAXED);
}

/* Counts one message of so many bytes that falls through for this reason. */
void vmo_fall_through(enum vmo_reason reason, uint64_t bytes);
/* The same between two VMs; flow may be NULL. */
void vmo_fall_through_to(struct vmo_flow *flow, enum vmo_reason reason, uint64_t bytes);

const char *vmo_reason_text(enum vmo_reason reason);
/* As in the .def files. */
const char *vmo_reason_name(enum vmo_reason reason);
const char *vmo_counter_name(enum vmo_counter counter);
const char *vmo_call_name(enum vmo_call call);

uint64_t vmo_fallen_messages(const struct vmo_stats *sum);
uint64_t vmo_fallen_bytes(const struct vmo_stats *sum);

/* The bytes of large messages, each counted once. */
struct vmo_split {
	uint64_t onecopy, staged, fell;
};
struct vmo_split vmo_split_of(const struct vmo_stats *sum);

#endif
