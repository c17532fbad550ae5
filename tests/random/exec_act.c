/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* exec_act.c: part 2 of a step, what may block. See exec.h. */
#include <alloca.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "quirks.h"

/* A blocking operation has ended. */
static void ended(struct exec *x, struct side *side, MPI_Status *status)
{
	side_done(x, side, status);
	box_drop(x, side);
}

static void blocking_send(struct exec *x, struct side *side, char *stack)
{
	side_prepare(x, side, stack);
	call_send(side);
	ended(x, side, NULL);
}

/* Until a message is there. Its status goes to *status; matched ones to side->message. */
static void find(struct side *side, MPI_Status *status)
{
	int source = side_source(side), tag = side_tag(side), flag = 0;
	MPI_Comm comm = side->comm->handle;

	switch (side->m->recv) {
	case R_PROBE:
	case R_PROBE_IRECV:
		DO(MPI_Probe(source, tag, comm, status));
		break;
	case R_IPROBE:
		for (; !flag; sched_yield())
			DO(MPI_Iprobe(source, tag, comm, &flag, status));
		break;
	case R_IMPROBE:
	case R_IMPROBE_IMRECV:
		for (; !flag; sched_yield())
			DO(MPI_Improbe(source, tag, comm, &flag, &side->message, status));
		break;
	default:
		DO(MPI_Mprobe(source, tag, comm, &side->message, status));
	}
	if (side->m->recv != R_PROBE && side->m->recv != R_PROBE_IRECV && side->m->recv != R_IPROBE &&
	    (side->message == MPI_MESSAGE_NULL || side->message == MPI_MESSAGE_NO_PROC))
		fail("a matched probe gave no message");
}

/* What a probe says has to be what is received. */
static void check_found(struct side *side, const MPI_Status *status)
{
	const struct msg *m = side->m;
	int count;

	ASK(MPI_Get_count(status, MPI_BYTE, &count));
	if (comm_world_rank(side->comm, status->MPI_SOURCE) < 0 || (!m->any_tag && status->MPI_TAG != m->tag))
		fail("a probe says source %d, tag %d", status->MPI_SOURCE, status->MPI_TAG);
	if (!m->any_source && (status->MPI_SOURCE != side->comm->rank_of[m->src] || count != m->units * unit_bytes(m->unit)))
		fail("a probe says source %d, %d bytes", status->MPI_SOURCE, count);
}

static void finding_recv(struct exec *x, struct side *side, char *stack)
{
	MPI_Status found, status, *wanted = side->m->ignore ? MPI_STATUS_IGNORE : &status;

	side_prepare(x, side, recv_blocks(side->m) ? stack : NULL);
	side->end = side->m->r_end;
	if (side->m->recv == R_RECV) {
		int rc = call_recv(side, side_source(side), side_tag(side), wanted);
		if (side->m->truncated) {
			side_failed(x, side, rc);
			box_drop(x, side);
			return;
		}
		ended(x, side, side->m->ignore ? NULL : &status);
		return;
	}
	find(side, &found);
	check_found(side, &found);
	side->state = PENDING;
	switch (side->m->recv) {
	case R_MPROBE_LATE:
		return;
	case R_PROBE_IRECV:
		call_irecv(side, found.MPI_SOURCE, found.MPI_TAG);
		return;
	case R_MPROBE_IMRECV:
	case R_IMPROBE_IMRECV:
		call_imrecv(side);
		return;
	case R_PROBE:
	case R_IPROBE:
		call_recv(side, found.MPI_SOURCE, found.MPI_TAG, wanted);
		break;
	default:
		call_mrecv(side, wanted);
	}
	ended(x, side, side->m->ignore ? NULL : &status);
}

void act_late(struct exec *x, struct side *side)
{
	MPI_Status status;

	where.msg = side->m;
	call_mrecv(side, side->m->ignore ? MPI_STATUS_IGNORE : &status);
	side_done(x, side, side->m->ignore ? NULL : &status);
	where.msg = NULL;
}

static bool derived(const struct box *box)
{
	return box->layout.own || box->bottom || box->unit >= U_RECORD;
}

static void combined(struct exec *x, struct side *out, struct side *in, char *stack)
{
	bool replace = out->m->ring == RING_REPLACE || out->m->ring == RING_ISENDRECV_REPLACE;
	bool begin = out->m->ring == RING_ISENDRECV || out->m->ring == RING_ISENDRECV_REPLACE;
	bool ignore = in->m->ignore || (QUIRK_ISENDRECV_NO_STATUS && begin);
	MPI_Status status, *wanted = ignore ? MPI_STATUS_IGNORE : &status;

	side_prepare(x, out, stack);
	if (QUIRK_STRUCTURES_NOT_PACKED && out->m->unit >= U_RECORD)
		replace = false;
	if (replace) {	/* one box for both */
		in->comm = out->comm, in->got = -1;
		in->box = out->box;
		in->box->refs++;
		in->order = x->orders++;
	} else {
		side_prepare(x, in, NULL);
	}
	where.msg = in->m;
	if (QUIRK_ISENDRECV_BASIC && (derived(out->box) || derived(in->box)))
		begin = false;
	if (begin && call_isendrecv(out, in, replace)) {
		DO(MPI_Wait(&in->own, wanted));
	} else if (replace) {
		call_sendrecv_replace(out, in, wanted);
	} else {
		call_sendrecv(out, in, wanted);
	}
	if (!replace)
		side_done(x, out, NULL);
	side_done(x, in, ignore ? NULL : &status);
	box_drop(x, out);
	box_drop(x, in);
}

static void messages(struct exec *x, int step)
{
	char *stack = alloca(STACK_BYTES);
	struct side *out = NULL, *in = NULL;

	for (int i = 0; i < x->plan->msgs; i++) {
		const struct msg *m = &x->plan->msg[i];
		if (m->step != step || m->dropped)
			continue;
		if (m->src == x->rank && send_blocks(m))
			out = &x->send[i];
		if (m->dst == x->rank && recv_finds(m))
			in = &x->recv[i];
	}
	if (out && out->m->send == S_COMBINED)
		combined(x, out, in, stack);
	else if (out)
		blocking_send(x, out, stack);
	else if (in)
		finding_recv(x, in, stack);
	where.msg = NULL;
}

static void token(struct exec *x, const struct event *e)
{
	int word = e->msg;

	if (e->from == e->to)
		return;
	if (e->from == x->rank)
		DO(MPI_Send(&word, 1, MPI_INT, e->to, e->msg, comm_tokens()));
	if (e->to == x->rank)
		DO(MPI_Recv(&word, 1, MPI_INT, e->from, e->msg, comm_tokens(), MPI_STATUS_IGNORE));
	if (word != e->msg)
		fail("a token says %d, not %d", word, e->msg);
}

/* A message is found and left where it is; it may be an earlier one with its tag. */
static void peek(struct exec *x, const struct event *e)
{
	const struct msg *m = &x->plan->msg[e->msg];
	struct comm *c = comm_now(m->comm);
	MPI_Status status;
	int flag = 0, source = c->rank_of[e->from];

	if (e->to != x->rank)
		return;
	if (rnd_chance(&x->rnd, 50))
		DO(MPI_Probe(source, m->tag, c->handle, &status));
	else
		for (; !flag; sched_yield())
			DO(MPI_Iprobe(source, m->tag, c->handle, &flag, &status));
	if (status.MPI_SOURCE != source || status.MPI_TAG != m->tag)
		fail("a probe says source %d, tag %d, not %d, %d", status.MPI_SOURCE, status.MPI_TAG, source, m->tag);
}

static void allreduce(const struct comm *c)
{
	long sum = -1, mine = where.rank + 1;

	DO(MPI_Allreduce(&mine, &sum, 1, MPI_LONG, MPI_SUM, c->handle));
	if (sum != where.ranks * (where.ranks + 1) / 2)
		fail("the sum is %ld", sum);
}

static void bcast(struct exec *x, const struct comm *c, const struct event *e, uint64_t key)
{
	char *buf = calloc(1, (size_t)e->bytes + 8), *wanted = calloc(1, (size_t)e->bytes + 8);

	payload(key, wanted, e->bytes);
	if (e->from == x->rank)
		memcpy(buf, wanted, (size_t)e->bytes);
	DO(MPI_Bcast(buf, (int)e->bytes, MPI_BYTE, c->rank_of[e->from], c->handle));
	if (memcmp(buf, wanted, (size_t)e->bytes + 8))
		fail("a broadcast brought wrong bytes");
	free(buf);
	free(wanted);
}

static void alltoall(const struct comm *c, const struct event *e, uint64_t key)
{
	long n = e->bytes / where.ranks, all = n * where.ranks;
	char *out = malloc((size_t)all + 8), *in = malloc((size_t)all + 8), *wanted = malloc((size_t)n + 8);
	int me = c->rank_of[where.rank];

	for (int i = 0; i < where.ranks; i++)
		payload(key + (uint64_t)(me * MAX_RANKS + i), out + i * n, n);
	DO(MPI_Alltoall(out, (int)n, MPI_BYTE, in, (int)n, MPI_BYTE, c->handle));
	for (int i = 0; i < where.ranks; i++) {
		payload(key + (uint64_t)(i * MAX_RANKS + me), wanted, n);
		if (memcmp(in + i * n, wanted, (size_t)n))
			fail("an all-to-all brought wrong bytes from rank %d", i);
	}
	free(out);
	free(in);
	free(wanted);
}

static void ibarrier(struct exec *x, const struct comm *c, const struct event *e, int step)
{
	struct side *side = &x->collective[step];

	*side = (struct side){ .kind = SIDE_COLLECTIVE, .state = PENDING, .end = e->end };
	DO(MPI_Ibarrier(c->handle, &side->own));
}

void exec_act(struct exec *x, int step)
{
	const struct event *e = &x->plan->event[step];
	struct comm *c = comm_now(e->comm);
	uint64_t key = rnd_mix(x->plan->seed * 1000 + (uint64_t)step);

	switch (e->kind) {
	case E_TOKEN:
		token(x, e);
		break;
	case E_PEEK:
		peek(x, e);
		break;
	case E_BARRIER:
		DO(MPI_Barrier(c->handle));
		break;
	case E_ALLREDUCE:
		allreduce(c);
		break;
	case E_BCAST:
		bcast(x, c, e, key);
		break;
	case E_ALLTOALL:
		alltoall(c, e, key);
		break;
	case E_COMM_MAKE:
		comm_make(e->comm, e->make);
		break;
	case E_COMM_FREE:
		comm_free(e->comm);
		break;
	case E_IBARRIER:
		ibarrier(x, c, e, step);
		break;
	default:
		messages(x, step);
	}
}
