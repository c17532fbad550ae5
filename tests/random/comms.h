/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * comms.h: the communicators that a plan speaks of, and who is who in them.
 *
 * A communicator that a plan makes and frees stays known under its struct until the plan has ended, as
 * messages that were in flight when it was freed still end with its ranks in their statuses.
 */
#ifndef COMMS_H
#define COMMS_H

#include <mpi.h>

#include "plan.h"

struct comm {
	MPI_Comm handle;
	int rank_of[MAX_RANKS];		/* the world's ranks there: MPI_UNDEFINED for those that are not in it */
};

void comms_setup(void);
void comms_cleanup(void);
/* The communicator that goes by this id now. */
struct comm *comm_now(enum comm_id id);
/* For tokens, and for the generator's own words between plans. */
MPI_Comm comm_tokens(void);
MPI_Comm comm_control(void);
/* Collective over the world. */
void comm_make(enum comm_id id, enum make_way way);
void comm_free(enum comm_id id);
/* Forgets those that were freed. */
void comms_plan_ended(void);
/* The world's rank of a status's source, or -1. */
int comm_world_rank(const struct comm *comm, int rank);

#endif
