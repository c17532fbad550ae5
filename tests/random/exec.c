/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* exec.c: see exec.h. */
#include <stdlib.h>
#include <string.h>

#include "exec.h"

static void attach(struct exec *x)
{
	size_t bytes = 0;

	for (int i = 0; i < x->plan->msgs; i++) {
		const struct msg *m = &x->plan->msg[i];
		if (m->src == x->rank && send_buffered(m))
			bytes += (size_t)(m->units * unit_bytes(m->unit)) + MPI_BSEND_OVERHEAD + 256;
	}
	if (!bytes)
		return;
	x->bsend = malloc(bytes);
	if (!x->bsend)
		fail("out of memory");
	DO(MPI_Buffer_attach(x->bsend, (int)bytes));
}

static void detach(struct exec *x)
{
	void *buffer;
	int bytes;

	if (!x->bsend)
		return;
	DO(MPI_Buffer_detach(&buffer, &bytes));
	free(x->bsend);
}

/* Two receives of a group got messages of one source: the first posted got the first sent. */
static void check_order(struct exec *x)
{
	for (int i = 0; i < x->plan->msgs; i++)
		for (int j = 0; j < x->plan->msgs; j++) {
			const struct side *a = &x->recv[i], *b = &x->recv[j];
			const struct msg *first, *second;
			if (a->m->group < 0 || a->m->group != b->m->group || a->got < 0 || b->got < 0 || a->order >= b->order)
				continue;
			first = &x->plan->msg[a->got], second = &x->plan->msg[b->got];
			where.msg = second;
			if (first->src == second->src && first->id > second->id &&
			    first->units * unit_bytes(first->unit) >= 16 && second->units * unit_bytes(second->unit) >= 16)
				fail("it came after message %d, which was sent later", first->id);
		}
	where.msg = NULL;
}

static void check_all_ended(struct exec *x)
{
	struct side *list[MOST_PENDING];

	for (int i = 0; i < x->plan->msgs; i++) {
		const struct msg *m = &x->plan->msg[i];
		where.msg = m;
		if (!m->dropped && m->dst == x->rank && !m->truncated && x->recv[i].got < 0)
			fail("the generator's plan left a message without a receive");
	}
	where.msg = NULL;
	if (exec_pending(x, list, -1) || x->boxes)
		fail("the generator's plan left something pending");
}

static struct exec *running;

/* For a plan that hangs: the messages whose sends and receives this rank has begun and not completed. */
static int say_pending(char *text, size_t room)
{
	struct side *list[MOST_PENDING];
	int k = exec_pending(running, list, -1), n = snprintf(text, room, "random:   rank %d's pending:", running->rank);

	for (int i = 0; i < k && n < (int)room - 40; i++)
		n += snprintf(text + n, room - (size_t)n, " %s%d", list[i]->kind == SIDE_SEND ? "send of " :
		              list[i]->kind == SIDE_RECV ? "receive of " : "collective, ends in ",
		              list[i]->m ? list[i]->m->id : list[i]->end);
	return n + snprintf(text + n, room - (size_t)n, "\n");
}

void exec_plan(struct exec *x, struct plan *plan, int rank)
{
	memset(x, 0, sizeof *x);
	running = x;
	where.pending = say_pending;
	x->plan = plan;
	x->rank = rank;
	x->rnd = rnd_for(plan->seed, 500 + (uint64_t)rank, 2);
	for (int i = 0; i < plan->msgs; i++) {
		x->send[i] = (struct side){ .kind = SIDE_SEND, .m = &plan->msg[i], .got = -1 };
		x->recv[i] = (struct side){ .kind = SIDE_RECV, .m = &plan->msg[i], .got = -1 };
	}
	attach(x);
	where.last_step = plan->steps - 1;
	for (int step = 0; step < plan->steps; step++) {
		where.step = step;
		exec_starts(x, step);
		exec_act(x, step);
		exec_ends(x, step);
		exec_local(x, step);
	}
	detach(x);
	check_all_ended(x);
	check_order(x);
	comms_plan_ended();
}
