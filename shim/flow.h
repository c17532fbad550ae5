/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * flow.h: what only the reports full and json know: which bytes went which way between which VMs, messages by
 * their size, and the time that copying, substituting and mapping took.
 *
 *   each rank                                   rank 0, at MPI_Finalize
 *   one flow for each VM of its host            the flows of all ranks, those of one pair of VMs added up
 *   one tally for each size and way             their sum
 *
 * A VM is named by its lowest rank in MPI_COMM_WORLD: domids repeat from host to host. A rank keeps one flow for
 * each VM of its host that has a co-resident rank, one for its own VM and one for all the rest, so memory grows with the
 * VMs of a host and not with the job; pairs on different hosts have no flow of their own.
 *
 * In the default report vmo_detailed is false: nothing of this is counted, and no clock is read.
 * Threads: counting any; the rest one.
 */
#ifndef VMO_FLOW_H
#define VMO_FLOW_H

#include "vmo.h"

enum vmo_way { VMO_WAY_ONECOPY, VMO_WAY_STAGED, VMO_WAY_FELL, VMO_WAYS };

struct vmo_tally {
	uint64_t messages, bytes;
};

#define VMO_FLOW_HOST_BYTES 32

struct vmo_flow {
	uint32_t from, to;		/* VMs */
	uint32_t from_domid, to_domid;
	char host[VMO_FLOW_HOST_BYTES];	/* what the sending VM calls itself, perhaps cut short */
	struct vmo_tally way[VMO_WAYS];
	uint64_t bounced;		/* bytes that came the other way and that this end copied once more */
};

#define VMO_FLOW_ELSEWHERE UINT32_MAX	/* for `to`: no VM of this host */

#define VMO_SIZES 48	/* sizes[i]: messages of 2^i to 2^(i+1) - 1 bytes; the last one: all that are longer, too */

struct vmo_detail {
	struct vmo_tally size[VMO_SIZES][VMO_WAYS];
	struct vmo_tally unpaired[VMO_WAYS];	/* belongs to no pair of VMs: what collectives left to the MPI, and the like */
};
#define VMO_DETAIL_WORDS (sizeof(struct vmo_detail) / sizeof(uint64_t))

extern VMO_HIDDEN bool vmo_detailed;		/* set once, before the first message */
extern VMO_HIDDEN struct vmo_detail vmo_detail;

/*
 * Counts a message. sign: 1, or -1 where it turned out that it went another way. twice: how many of its one-copy bytes
 * were copied twice after all (partial pages): they count as staged. flow NULL: of no pair of VMs. Only if vmo_detailed.
 */
void vmo_flow_count(struct vmo_flow *flow, enum vmo_way way, uint64_t bytes, uint64_t twice, int sign);

/* Nanoseconds, and counts that the clock was read. */
uint64_t vmo_flow_clock(void);

/* 0 while nothing is to be measured. */
static inline uint64_t vmo_time_begin(void)
{
	return vmo_unlikely(vmo_detailed) ? vmo_flow_clock() : 0;
}

/* Flows of many ranks. Zero-initialised; free(at) after use. */
struct vmo_matrix {
	struct vmo_flow *at;
	uint32_t n, room;
	bool lost;		/* some are missing, for want of memory */
};

/* Adds one. Memory grows with the pairs of VMs, not with what is added. */
void vmo_matrix_add(struct vmo_matrix *matrix, const struct vmo_flow *flow);

/* Sorts by from and to, one flow for each pair; what a receiver copied once more counts as its sender's staged bytes. */
void vmo_matrix_settle(struct vmo_matrix *matrix);

#endif
