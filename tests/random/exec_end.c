/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* exec_end.c: part 3 of a step, what ends there, and what a complete operation has to have done. See exec.h. */
#include "exec.h"

static long msg_bytes(const struct msg *m)
{
	return m->units * unit_bytes(m->unit);
}

/* Source, tag, count and elements of what was received. */
static void check_status(const struct side *side, const struct msg *m, const MPI_Status *status)
{
	const struct box *box = side->box;
	long item = box->layout.units * (box->bottom ? box->count : 1);
	long count = m->units % item ? MPI_UNDEFINED : m->units / item;
	int got, elements, cancelled;

	ASK(MPI_Get_count(status, box->mpi_type, &got));
	ASK(MPI_Get_elements(status, box->mpi_type, &elements));
	ASK(MPI_Test_cancelled(status, &cancelled));
	if (status->MPI_SOURCE != side->comm->rank_of[m->src] || status->MPI_TAG != m->tag)
		fail("the status says source %d, tag %d, not %d, %d", status->MPI_SOURCE, status->MPI_TAG,
		     side->comm->rank_of[m->src], m->tag);
	if (got != count || elements != m->units * unit_elements(m->unit))
		fail("the status says count %d, elements %d, not %ld, %ld", got, elements, count,
		     m->units * unit_elements(m->unit));
	if (cancelled)
		fail("the status says that the receive was cancelled");
}

/* May the receive's message have been this one, by status and bytes? */
static bool may_be(const struct exec *x, const struct side *side, const struct msg *m, const MPI_Status *status)
{
	int bytes;

	if (m->dropped || m->group != side->m->group || x->taken[m->id])
		return false;
	if (status) {
		ASK(MPI_Get_count(status, MPI_BYTE, &bytes));
		if (status->MPI_SOURCE != side->comm->rank_of[m->src] || status->MPI_TAG != m->tag || bytes != msg_bytes(m))
			return false;
	}
	return box_holds(side->box, m->key, msg_bytes(m));
}

static const struct msg *identify(struct exec *x, struct side *side, const MPI_Status *status)
{
	if (side->m->group < 0)
		return side->m;
	for (int i = 0; i < x->plan->msgs; i++)
		if (may_be(x, side, &x->plan->msg[i], status)) {
			x->taken[i] = true;
			return &x->plan->msg[i];
		}
	if (status)
		fail("what came from source %d with tag %d is no message of the group that has not come yet",
		     status->MPI_SOURCE, status->MPI_TAG);
	fail("what came is no message of the group that has not come yet");
}

static void recv_done(struct exec *x, struct side *side, const MPI_Status *status)
{
	const struct msg *m = identify(x, side, status);
	uint64_t hash;

	if (status)
		check_status(side, m, status);
	if (where.spoil && m->units)
		side->box->buf[side->box->layout.piece[0].at] ^= 1;
	box_check(side->box, m->key, msg_bytes(m), "received", &hash);
	side->got = m->id;
	x->digest += rnd_mix(hash ^ ((uint64_t)m->id + 1) * 0x9e3779b97f4a7c15u);
	x->messages++;
	x->bytes += (uint64_t)msg_bytes(m);
}

static void send_done(struct side *side)
{
	if (!side->box->shared || --side->box->unsent == 0)
		box_check(side->box, side->m->key, msg_bytes(side->m), "a buffer that was sent", NULL);
}

void side_done(struct exec *x, struct side *side, MPI_Status *status)
{
	side->state = DONE;
	if (side->kind == SIDE_COLLECTIVE)
		return;
	where.msg = side->m;
	side->box->active = false;
	if (side->kind == SIDE_SEND)
		send_done(side);
	else
		recv_done(x, side, status);
	where.msg = NULL;
}

/* A receive that had to fail: nothing beyond its buffer has changed. */
void side_failed(struct exec *x, struct side *side, int rc)
{
	struct box *box = side->box;
	int class;

	where.msg = side->m;
	ASK(MPI_Error_class(rc, &class));
	if (class != MPI_ERR_TRUNCATE)
		fail("a receive that is too short gave error class %d, not MPI_ERR_TRUNCATE", class);
	layout_set(&box->layout, box->buf, POISON, box->room_bytes);
	box_check_untouched(box, "truncated");
	side->state = DONE;
	x->digest += rnd_mix((uint64_t)side->m->id);
	where.msg = NULL;
}

static bool late(const struct side *side)
{
	return side->kind == SIDE_RECV && side->m->recv == R_MPROBE_LATE;
}

static bool freed(const struct side *side)
{
	return side->kind == SIDE_SEND && side->m->freed;
}

/* The i-th of all sides, whatever their kind; NULL behind the last. */
static struct side *side_number(struct exec *x, int i)
{
	if (i < x->plan->msgs)
		return &x->send[i];
	i -= x->plan->msgs;
	if (i < x->plan->msgs)
		return &x->recv[i];
	i -= x->plan->msgs;
	return i < x->plan->steps ? &x->collective[i] : NULL;
}

int exec_pending(struct exec *x, struct side **list, int step)
{
	struct side *side;
	int n = 0;

	for (int i = 0; (side = side_number(x, i)); i++)
		if (side->state == PENDING && !late(side) && !freed(side) && (step < 0 || side->end == step))
			list[n++] = side;
	return n;
}

/* First those that have to end in this step, then the others; returns how many the first are. */
static int sorted(struct exec *x, struct side **list, int step, int *all)
{
	struct side *rest[MOST_PENDING];
	int n = exec_pending(x, list, step), k = exec_pending(x, rest, -1);

	*all = n;
	for (int i = 0; i < k; i++)
		if (rest[i]->end != step && !(rest[i]->m && rest[i]->m->truncated) && rnd_chance(&x->rnd, 50))
			list[(*all)++] = rest[i];
	return n;
}

void exec_ends(struct exec *x, int step)
{
	struct side *list[MOST_PENDING], *side;
	int n, all;

	for (int i = 0; i < x->plan->msgs; i++) {
		if (x->recv[i].state == PENDING && x->recv[i].end == step && late(&x->recv[i]))
			act_late(x, &x->recv[i]);
		if (x->send[i].state == PENDING && x->send[i].end == step && freed(&x->send[i]))
			side_done(x, &x->send[i], NULL);
	}
	n = sorted(x, list, step, &all);
	exec_wait(x, list, n, all);
	for (int i = 0; (side = side_number(x, i)); i++)
		if (side->state == DONE && side->end == step && side->box)
			box_drop(x, side);
}
