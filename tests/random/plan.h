/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plan.h: the random program of one seed. Every rank derives the same plan from (seed, ranks) alone.
 *
 * STEPS are the one global order. Each rank walks through all of them, and in each does
 *
 *   1. start what starts there: nonblocking sends and receives, persistent ones
 *   2. at most one blocking act: a blocking send or receive, a probe, Sendrecv, a collective, a token
 *   3. complete what ends there: Wait, Waitall, Testany loops, ...
 *
 * A message has a step of its own (rings share one), and
 *
 *        s_start, r_start  <=  step  <=  s_end, r_end          (equal, for a blocking end)
 *
 * WHY NO PLAN DEADLOCKS, even if MPI buffers nothing: take the first step in which a rank is stuck. All
 * ranks come to it, as the earlier ones ended, and all do part 1 of it, which never blocks. What a rank
 * waits for in part 2 or 3 is the start of the other end of a message whose step this is or was: so it
 * has started, or does so as the other rank's only blocking act of this step.
 *
 * WHO GETS WHAT. Messages of one (source, destination, communicator, tag) are matched in the order of
 * their starts; both ends start them in the order of their ids. On C_ANYTAG the tag does not count, so a
 * receive there may ask for MPI_ANY_TAG and still gets the one that the plan says. Receives with
 * MPI_ANY_SOURCE come in groups with a tag (or C_ANY and a destination) of their own, and all of a group can
 * take each of its messages; either all its receives are posted before its first send may block, or none of
 * its sends blocks before its last receive is posted, so it does not matter who gets which.
 *
 * TOKENS are empty messages on a communicator of their own. A ready send starts after a token that says
 * that its receive is posted; the buffer of a send whose request was freed is kept until a token says
 * that the message has come.
 */
#ifndef PLAN_H
#define PLAN_H

#include <stdio.h>

#include "rnd.h"

#define MAX_RANKS 8
#define MAX_MSGS 96
#define MAX_STEPS 200
#define MAX_GROUPS 16

/* Communicators. Those from C_FRESH on are made and freed in the course of a plan. */
enum comm_id {
	C_WORLD, C_DUP,
	C_REVERSED,		/* all ranks, in reversed order */
	C_HALF,			/* two of them: even and odd ranks of the world */
	C_CART,			/* periodic, one dimension, MPI may reorder */
	C_INTER,		/* even against odd ranks */
	C_SELF,
	C_ANYTAG,		/* one order for all tags of a pair */
	C_ANY,			/* one group for each destination */
	C_FRESH, MAX_COMMS = C_FRESH + 4
};

/* Basic data of the messages; one unit is the least that a message counts. */
enum unit { U_BYTE, U_CHAR, U_SHORT, U_INT, U_LONG, U_DOUBLE, U_RECORD, U_MIXED, UNITS };

enum send_way {
	S_SEND, S_SSEND, S_BSEND, S_RSEND,		/* blocking */
	S_COMBINED,					/* Sendrecv and its like: struct msg.ring */
	S_ISEND, S_ISSEND, S_IBSEND, S_IRSEND,
	S_PERSIST, S_PERSIST_S, S_PERSIST_B, S_PERSIST_R, SEND_WAYS
};

enum recv_way {
	R_RECV, R_PROBE, R_IPROBE, R_MPROBE, R_IMPROBE,	/* blocking: found, then received at once */
	R_COMBINED,
	R_MPROBE_IMRECV, R_IMPROBE_IMRECV, R_PROBE_IRECV,	/* found, then nonblocking */
	R_MPROBE_LATE,					/* found, and received in its last step */
	R_IRECV, R_PERSIST, RECV_WAYS
};

/* What a rank does for its two messages of a ring. */
enum ring_way {
	RING_SENDRECV, RING_REPLACE, RING_ISENDRECV, RING_ISENDRECV_REPLACE, RING_WAYS
};

struct msg {
	int id, step, src, dst, tag;
	enum comm_id comm;
	uint64_t key;			/* what its bytes are made of */
	enum unit unit;
	long units, room;		/* what is sent, and what its receive can take */
	enum send_way send;
	enum recv_way recv;
	int s_start, s_end, r_start, r_end;
	bool any_source, any_tag;	/* the receive's */
	bool s_large, r_large;		/* MPI 4's large counts, where there are any */
	bool truncated;			/* room < units */
	bool freed;			/* MPI_Request_free right after the start; s_end is the token's step */
	bool ignore;			/* its receive wants no status */
	int group;			/* of interchangeable receives, or -1 */
	int shares;			/* sends the buffer of that message, or its own id */
	int s_chain, r_chain;		/* first message of the persistent request, or its own id */
	enum ring_way ring;		/* of its source, where that sends by S_COMBINED */
	bool dropped;			/* left out by --steps */
};

enum event_kind {
	E_NONE, E_TOKEN, E_BARRIER, E_ALLREDUCE, E_BCAST, E_ALLTOALL, E_COMM_MAKE, E_COMM_FREE, E_IBARRIER, E_PEEK
};

enum make_way { MAKE_DUP, MAKE_IDUP, MAKE_REVERSED, MAKE_INTER_DUP, MAKE_WAYS };

struct event {
	enum event_kind kind;
	int from, to, msg;		/* a token's, and a message that `to` probes for; from: a broadcast's root too */
	enum comm_id comm;
	enum make_way make;
	long bytes;			/* of a collective */
	int end;			/* of a nonblocking collective */
};

struct group {
	enum comm_id comm;
	int dst, tag;			/* tag < 0: any */
	bool posted_first;		/* all receives posted before the first send; else no send blocks */
	bool status_needed;		/* some message is too short to be known by its bytes */
	enum unit unit;
	long room;
};

struct plan {
	uint64_t seed;
	int ranks, steps, msgs, groups;
	struct msg msg[MAX_MSGS];
	struct event event[MAX_STEPS];
	struct group group[MAX_GROUPS];
	int comm_since[MAX_COMMS];	/* step at which it was made; -1: is not there */
	enum make_way comm_made[MAX_COMMS];
	struct rnd rnd;
};

void plan_make(struct plan *plan, uint64_t seed, int ranks);
/* Leaves out the messages and events of all other steps. */
void plan_keep(struct plan *plan, int first, int last);
void plan_print(const struct plan *plan, int first, int last, FILE *out);
void plan_print_msg(const struct msg *msg, FILE *out);

long unit_bytes(enum unit unit);

static inline bool send_blocks(const struct msg *m)
{
	return m->send < S_ISEND;
}

static inline bool recv_blocks(const struct msg *m)
{
	return m->recv < R_MPROBE_IMRECV;
}

/* Is its receive started by a blocking act, in its step? */
static inline bool recv_finds(const struct msg *m)
{
	return m->recv < R_IRECV;
}

static inline bool send_ready(const struct msg *m)
{
	return m->send == S_RSEND || m->send == S_IRSEND || m->send == S_PERSIST_R;
}

static inline bool send_buffered(const struct msg *m)
{
	return m->send == S_BSEND || m->send == S_IBSEND || m->send == S_PERSIST_B;
}

static inline bool send_persists(const struct msg *m)
{
	return m->send >= S_PERSIST;
}

/* May a message of the world's rank s to its rank d be sent there? */
bool plan_joins(const struct plan *plan, enum comm_id comm, int s, int d);

/* plan_moves.c: adds something random, one or more steps. */
void plan_move(struct plan *plan);
/* plan.c, for the moves. */
struct msg *plan_draft(struct plan *plan);
/* Sets the steps of a drafted message, with its tokens. `step`: a step that others share, or -1. */
void plan_place(struct plan *plan, struct msg *m, int step);
bool plan_full(const struct plan *plan, int messages);

#endif
