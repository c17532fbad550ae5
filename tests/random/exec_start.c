/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* exec_start.c: part 1 of a step, the starts of nonblocking operations. See exec.h. */
#include "calls.h"

#define MOST_BATCH 16

/* Persistent requests that one MPI_Startall starts. */
struct batch {
	int n;
	struct side *side[MOST_BATCH];
};

MPI_Request *side_request(struct side *side)
{
	bool persistent = side->kind == SIDE_SEND ? send_persists(side->m) : side->m && side->m->recv == R_PERSIST;

	return persistent ? &side->box->persistent : &side->own;
}

int side_source(const struct side *side)
{
	return side->m->any_source ? MPI_ANY_SOURCE : side->comm->rank_of[side->m->src];
}

int side_tag(const struct side *side)
{
	return side->m->any_tag ? MPI_ANY_TAG : side->m->tag;
}

void side_prepare(struct exec *x, struct side *side, char *stack)
{
	const struct msg *m = side->m;

	where.msg = m;
	side->comm = comm_now(m->comm);
	side->got = -1;
	side->own = MPI_REQUEST_NULL;
	side->message = MPI_MESSAGE_NULL;
	box_for(x, side, stack);
	if (side->kind == SIDE_SEND) {
		if (!side->box->shared || !side->box->filled)
			box_fill(side->box, m->key, m->units * unit_bytes(m->unit));
		side->box->filled = true;
	} else {
		box_poison(side->box);
		side->order = x->orders++;
	}
}

static void start_persistent(struct side *side)
{
	struct box *box = side->box;

	if (box->persistent == MPI_REQUEST_NULL && side->kind == SIDE_SEND)
		call_send_init(side);
	else if (box->persistent == MPI_REQUEST_NULL)
		call_recv_init(side);
	box->active = true;
}

static void flush(struct exec *x, struct batch *batch)
{
	MPI_Request requests[MOST_BATCH];

	for (int i = 0; i < batch->n; i++)
		requests[i] = batch->side[i]->box->persistent;
	if (batch->n == 1 && rnd_chance(&x->rnd, 80))
		DO(MPI_Start(&batch->side[0]->box->persistent));
	else if (batch->n)
		DO(MPI_Startall(batch->n, requests));
	for (int i = 0; i < batch->n && batch->n > 1; i++)
		batch->side[i]->box->persistent = requests[i];
	batch->n = 0;
}

/* Startall starts in no certain order: what MPI matches in order must not go into one. */
static bool conflict(const struct batch *batch, const struct side *side)
{
	for (int i = 0; i < batch->n; i++) {
		const struct side *s = batch->side[i];
		if (s->kind == side->kind && s->comm == side->comm && s->m->dst == side->m->dst)
			return true;
	}
	return batch->n == MOST_BATCH;
}

static void start(struct exec *x, struct side *side, struct batch *batch)
{
	const struct msg *m = side->m;

	side_prepare(x, side, NULL);
	side->state = PENDING;
	side->end = side->kind == SIDE_SEND ? m->s_end : m->r_end;
	if (conflict(batch, side))
		flush(x, batch);
	if (side_request(side) == &side->box->persistent) {
		start_persistent(side);
		batch->side[batch->n++] = side;
		if (rnd_chance(&x->rnd, 40))
			flush(x, batch);
	} else if (side->kind == SIDE_RECV) {
		call_irecv(side, side_source(side), side_tag(side));
	} else {
		call_isend(side);
		if (m->freed)
			DO(MPI_Request_free(&side->own));
	}
	where.msg = NULL;
}

static void starts_of(struct exec *x, int step, bool recvs, bool sends, struct batch *batch)
{
	for (int i = 0; i < x->plan->msgs; i++) {
		const struct msg *m = &x->plan->msg[i];
		if (m->dropped)
			continue;
		if (recvs && m->dst == x->rank && !recv_finds(m) && m->r_start == step)
			start(x, &x->recv[i], batch);
		if (sends && m->src == x->rank && !send_blocks(m) && m->s_start == step)
			start(x, &x->send[i], batch);
	}
}

void exec_starts(struct exec *x, int step)
{
	struct batch batch = { 0 };
	long kind = rnd_below(&x->rnd, 3);

	if (kind == 0) {
		starts_of(x, step, true, true, &batch);
	} else {
		starts_of(x, step, kind == 1, kind == 2, &batch);
		starts_of(x, step, kind == 2, kind == 1, &batch);
	}
	flush(x, &batch);
}
