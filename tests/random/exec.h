/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * exec.h: one rank's walk through a plan.
 *
 *   exec.c        the steps                    box.c       buffer and datatype of one end
 *   exec_start.c  part 1 of a step: starts     exec_act.c  part 2: blocking acts
 *   exec_end.c    part 3: ends                 exec_wait.c the ways to wait for requests
 *   exec_local.c  what a rank does by itself   calls.c     the calls that send and receive
 *
 * SIDE: one end of one message. BOX: its buffer, with datatype and placement; sides share a box where one
 * buffer is sent several times, or where a persistent request is started again.
 *
 *   side:   idle --start--> pending --MPI says so--> done --its last step--> idle
 *                                                      |                        |
 *                                        box: looked at, then poisoned       given back with its last side
 *
 * The box is given back in the side's planned last step, though its request may have been completed by a
 * call on another's behalf before: so memory is taken and given in the same order in every run.
 */
#ifndef EXEC_H
#define EXEC_H

#include "comms.h"
#include "place.h"
#include "plan.h"
#include "types.h"
#include "verify.h"

enum side_kind { SIDE_SEND, SIDE_RECV, SIDE_COLLECTIVE };
enum side_state { IDLE, PENDING, DONE };

struct box {
	struct box *next;		/* of this rank's boxes */
	enum side_kind kind;
	int leader;			/* first message that uses it */
	int refs;			/* sides that have not ended yet */
	bool shared;			/* sent several times from one filling */
	bool filled;
	int unsent;			/* of those, how many are not complete */
	struct place place;
	struct layout layout;
	long count;
	enum unit unit;
	long room_bytes;		/* of message data */
	char *buf;			/* where item 0 is */
	/* what MPI is told, perhaps through MPI_BOTTOM */
	void *mpi_buf;
	int mpi_count;
	MPI_Datatype mpi_type;
	bool bottom;
	MPI_Request persistent;
	bool active;			/* the persistent request is */
};

struct side {
	enum side_kind kind;
	enum side_state state;
	const struct msg *m;
	struct box *box;
	struct comm *comm;
	MPI_Request own;		/* not used by persistent ones */
	MPI_Message message;		/* found, not yet received */
	int order;			/* among its group's receives: when it was posted */
	int got;			/* id of the message that came; -1 */
	int end;
};

struct exec {
	struct plan *plan;
	int rank;
	struct rnd rnd;			/* of this rank: ways of completion, memory, pokes */
	struct side send[MAX_MSGS], recv[MAX_MSGS], collective[MAX_STEPS];
	struct box *boxes;
	bool taken[MAX_MSGS];		/* messages of groups that have come */
	int orders;
	char *bsend;			/* attached */
	uint64_t digest, messages, bytes;
};

/* Runs this rank's part of the plan; all ranks have ended it when the last returns. */
void exec_plan(struct exec *x, struct plan *plan, int rank);

/* box.c. stack: may be used for the buffer, or NULL */
struct box *box_for(struct exec *x, struct side *side, char *stack);
void box_fill(struct box *box, uint64_t key, long bytes);
void box_poison(struct box *box);
/* Does it hold this message? Looks, changes nothing. */
bool box_holds(const struct box *box, uint64_t key, long bytes);
/* It does, and nothing else of it has changed; then it is all poison. */
void box_check(struct box *box, uint64_t key, long bytes, const char *what, uint64_t *hash);
void box_check_untouched(struct box *box, const char *what);
void box_drop(struct exec *x, struct side *side);

/* exec_start.c */
void exec_starts(struct exec *x, int step);
MPI_Request *side_request(struct side *side);
/* The rank that MPI knows the other end by, with wildcards. */
int side_source(const struct side *side);
int side_tag(const struct side *side);
void side_prepare(struct exec *x, struct side *side, char *stack);

/* exec_act.c */
void exec_act(struct exec *x, int step);
void act_late(struct exec *x, struct side *side);

/* exec_end.c */
void exec_ends(struct exec *x, int step);
/* The request is complete. status: NULL where it was ignored. */
void side_done(struct exec *x, struct side *side, MPI_Status *status);
void side_failed(struct exec *x, struct side *side, int rc);
/* Sides with a pending request that ends in this step; -1: any. Returns how many. */
int exec_pending(struct exec *x, struct side **list, int step);

/* exec_wait.c */
/* Completes the first n sides; the others may be completed by the way. */
void exec_wait(struct exec *x, struct side **sides, int n, int all);
/* Asks once after any of them. */
void exec_poke(struct exec *x, struct side **sides, int all);
#define MOST_PENDING (2 * MAX_MSGS + MAX_STEPS)

/* exec_local.c */
void exec_local(struct exec *x, int step);

#endif
