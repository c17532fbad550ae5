/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plan_moves.c: the kinds of things that happen in a plan; each adds messages or events at its end. */
#include "plan.h"
#include "quirks.h"

static void single(struct plan *plan)
{
	plan_place(plan, plan_draft(plan), -1);
}

/* Several with the same envelope: matched in order, whatever their sizes. */
static void burst(struct plan *plan)
{
	const struct msg *first = &plan->msg[plan->msgs];
	long n = rnd_range(&plan->rnd, 2, 6);

	single(plan);
	while (--n) {
		struct msg *m = plan_draft(plan);
		bool same_way = rnd_chance(&plan->rnd, 40);
		m->src = first->src, m->dst = first->dst, m->comm = first->comm, m->tag = first->tag;
		m->any_tag = first->any_tag;
		if (same_way)
			m->send = first->send, m->recv = first->recv;
		plan_place(plan, m, -1);
	}
}

/* One buffer, sent several times at once. */
static void fan(struct plan *plan)
{
	struct msg *first = plan_draft(plan);
	long n = rnd_range(&plan->rnd, 1, 4);

	if (first->truncated || send_persists(first))
		first->send = S_ISEND, first->truncated = false, first->room = first->units;
	first->freed = false;
	plan_place(plan, first, -1);
	while (n--) {
		struct msg *m = plan_draft(plan);
		m->src = first->src;
		m->comm = plan_joins(plan, m->comm, m->src, m->dst) ? m->comm : C_WORLD;
		m->any_tag = m->any_tag && m->comm == C_ANYTAG;
		m->send = rnd_chance(&plan->rnd, 70) ? S_ISEND : S_SEND;
		m->truncated = false;
		m->unit = first->unit, m->units = first->units, m->key = first->key;
		m->room = m->units + rnd_below(&plan->rnd, 10);
		m->shares = first->id;
		plan_place(plan, m, -1);
	}
}

/* One that is sent before its receive can be posted: nothing is truncated, and nobody waits for it. */
static struct msg *sent_early(struct plan *plan)
{
	static const enum send_way nonblocking[] = { S_ISEND, S_ISEND, S_ISSEND, S_IBSEND, S_PERSIST };
	struct msg *m = plan_draft(plan);

	m->send = RND_PICK(&plan->rnd, nonblocking);
	m->truncated = false;
	m->room = m->units + rnd_below(&plan->rnd, 9);
	m->any_tag = false;
	return m;
}

/*
 * Two of one pair of ranks: the second is asked for first, by its tag, then the first by MPI_ANY_TAG, which must
 * not get what a probe for the second brought in. peek: the second is only probed for at first.
 */
static void overtaking(struct plan *plan)
{
	static const enum recv_way finds[] = { R_RECV, R_PROBE, R_PROBE, R_IPROBE, R_MPROBE, R_IMPROBE, R_PROBE_IRECV };
	struct rnd *r = &plan->rnd;
	struct msg *first = sent_early(plan), *second;
	int step = plan->steps;
	bool peek = rnd_chance(r, 60);

	plan->steps += peek ? 3 : 2;
	first->comm = C_ANYTAG;
	first->any_tag = rnd_chance(r, 80);
	plan_place(plan, first, step + 1);
	if (!peek || rnd_chance(r, 70))
		first->r_start = step + 1;
	first->s_start = first->s_start < step ? first->s_start : step;
	second = sent_early(plan);
	second->src = first->src, second->dst = first->dst, second->comm = C_ANYTAG;
	second->tag = first->tag % 30000 + 1;
	if (peek)
		second->any_tag = rnd_chance(r, 50);
	else
		second->recv = RND_PICK(r, finds);
	plan_place(plan, second, peek ? step + 2 : step);
	second->s_start = second->s_start < step ? second->s_start : step;
	if (peek && second->r_start <= step)
		second->r_start = step + 1;
	if (peek)
		plan->event[step] = (struct event){ .kind = E_PEEK, .from = second->src, .to = second->dst, .msg = second->id };
}

static bool dst_taken(const struct plan *plan, int dst)
{
	for (int g = 0; g < plan->groups; g++)
		if (plan->group[g].comm == C_ANY && plan->group[g].dst == dst)
			return true;
	return false;
}

static void group_envelope(struct plan *plan, struct group *group, const struct msg *like)
{
	struct rnd *r = &plan->rnd;

	*group = (struct group){ .dst = like->dst, .unit = like->unit, .posted_first = rnd_chance(r, 50) };
	group->comm = like->comm == C_SELF || like->comm == C_ANYTAG ? C_DUP : like->comm;
	group->tag = 1000 + plan->groups;
	if (rnd_chance(r, 40) && !dst_taken(plan, like->dst))
		group->comm = C_ANY, group->tag = -1;
	group->room = like->units + 16 / unit_bytes(like->unit) + 1 + rnd_below(r, 40);
	group->status_needed = rnd_chance(r, 60);
}

static int group_source(struct plan *plan, const struct group *group)
{
	for (;;) {
		int s = (int)rnd_below(&plan->rnd, plan->ranks);
		if (plan_joins(plan, group->comm, s, group->dst))
			return s;
	}
}

static void group_member(struct plan *plan, int g)
{
	const struct group *group = &plan->group[g];
	struct rnd *r = &plan->rnd;
	struct msg *m = plan_draft(plan);
	long least = group->status_needed ? 0 : 16 / unit_bytes(group->unit) + 1;

	m->src = group_source(plan, group), m->dst = group->dst, m->comm = group->comm;
	m->tag = group->tag < 0 ? m->tag : group->tag;
	m->group = g;
	m->any_source = true, m->any_tag = group->tag < 0;
	m->truncated = false;
	m->unit = group->unit, m->room = group->room;
	m->units = rnd_chance(r, 40) ? group->room : rnd_range(r, least, group->room);
	m->ignore = m->ignore && !group->status_needed;
	if (send_ready(m))
		m->send = S_ISEND;
	if (m->recv == R_MPROBE_LATE)
		m->recv = R_MPROBE_IMRECV;
	if (group->posted_first && recv_finds(m))
		m->recv = R_IRECV;
	if (!group->posted_first && send_blocks(m))
		m->send = rnd_chance(r, 70) ? S_ISEND : S_ISSEND;
	plan_place(plan, m, -1);
}

/* Interchangeable receives from any source: see plan.h. */
static void group(struct plan *plan)
{
	struct group *group = &plan->group[plan->groups];
	int first = plan->msgs, first_step = plan->steps, last_step;
	long n = rnd_range(&plan->rnd, 2, 7);

	if (plan->groups == MAX_GROUPS)
		return;
	group_envelope(plan, group, plan_draft(plan));
	plan->groups++;
	while (n--) {
		group_member(plan, plan->groups - 1);
		if (rnd_chance(&plan->rnd, 20))
			single(plan);
	}
	last_step = plan->msg[plan->msgs - 1].step;
	for (int i = first; i < plan->msgs; i++) {
		struct msg *m = &plan->msg[i];
		if (m->group != plan->groups - 1)
			continue;
		if (group->posted_first && m->r_start > first_step)
			m->r_start = first_step;
		if (!group->posted_first && m->s_end < last_step)
			m->s_end = last_step;
	}
}

/* What one rank of a ring does with its message in and its message out. */
static void ring_member(struct plan *plan, struct msg *in, struct msg *out, bool even)
{
	static const enum recv_way finds[] = { R_RECV, R_PROBE, R_MPROBE, R_IMPROBE, R_IPROBE, R_MPROBE_IMRECV };
	struct rnd *r = &plan->rnd;

	out->ring = even ? (enum ring_way)rnd_below(r, RING_WAYS) : rnd_chance(r, 50) ? RING_SENDRECV : RING_ISENDRECV;
	if (rnd_chance(r, 60) || in == out) {
		in->recv = R_COMBINED;
		out->send = S_COMBINED;
	} else if (rnd_chance(r, 50)) {
		in->recv = R_IRECV;
		out->send = rnd_chance(r, 50) ? S_SEND : S_SSEND;
	} else {
		in->recv = RND_PICK(r, finds);
		out->send = rnd_chance(r, 50) ? S_ISEND : S_ISSEND;
	}
}

/* Everybody sends to the next, all at once. even: messages of one size, so that they may replace each other. */
static void ring(struct plan *plan)
{
	struct rnd *r = &plan->rnd;
	struct msg *first = &plan->msg[plan->msgs];
	int n = (int)rnd_range(r, 1, plan->ranks), begin = (int)rnd_below(r, plan->ranks), step = plan->steps++;
	enum comm_id comm = rnd_chance(r, 25) ? C_ANYTAG : rnd_chance(r, 50) ? C_WORLD : C_CART;
	bool even = rnd_chance(r, 50);

	for (int i = 0; i < n; i++) {
		struct msg *m = plan_draft(plan);
		m->src = (begin + i) % plan->ranks, m->dst = (begin + (i + 1) % n) % plan->ranks, m->comm = comm;
		m->any_tag = comm == C_ANYTAG && m->any_tag;
		m->truncated = m->freed = false;
		if (m->room < m->units)
			m->room = m->units;
		if (even)
			m->unit = first->unit, m->units = m->room = first->units;
		plan->msgs++;
	}
	for (int i = 0; i < n; i++)
		ring_member(plan, &first[(i + n - 1) % n], &first[i], even);
	plan->msgs -= n;
	for (int i = 0; i < n; i++)
		plan_place(plan, &first[i], step);
}

/* Another start of a persistent request, or a first one. */
static void chain(struct plan *plan)
{
	int at = plan->msgs ? (int)rnd_below(&plan->rnd, plan->msgs) : 0;
	struct msg *m = plan_draft(plan);

	for (int i = 0; i < plan->msgs; i++, at = (at + 1) % plan->msgs) {
		const struct msg *n = &plan->msg[at];
		if (n->comm >= C_FRESH || n->group >= 0 || n->shares != n->id || n->truncated)
			continue;
		if (QUIRK_BSEND_INIT_ONCE && n->send == S_PERSIST_B)
			continue;
		if (!send_persists(n) && n->recv != R_PERSIST)
			continue;
		m->src = n->src, m->dst = n->dst, m->comm = n->comm, m->tag = n->tag, m->any_tag = n->any_tag;
		m->unit = n->unit, m->units = n->units, m->room = n->room, m->truncated = false;
		if (send_persists(n))
			m->send = n->send, m->s_chain = n->s_chain, m->s_large = n->s_large;
		else if (send_persists(m))
			m->send = S_ISEND;
		if (n->recv == R_PERSIST)
			m->recv = R_PERSIST, m->r_chain = n->r_chain, m->r_large = n->r_large;
		plan_place(plan, m, -1);
		return;
	}
	m->comm = C_WORLD, m->any_tag = false;
	m->send = S_PERSIST, m->recv = R_PERSIST, m->truncated = false;
	m->room = m->units;
	plan_place(plan, m, -1);
}

static void collective(struct plan *plan)
{
	static const enum event_kind kinds[] = { E_BARRIER, E_BARRIER, E_ALLREDUCE, E_BCAST, E_ALLTOALL, E_IBARRIER };
	static const enum comm_id comms[] = { C_WORLD, C_DUP, C_REVERSED, C_CART };
	struct rnd *r = &plan->rnd;
	struct event *e = &plan->event[plan->steps];

	*e = (struct event){ .kind = RND_PICK(r, kinds), .from = (int)rnd_below(r, plan->ranks), .comm = RND_PICK(r, comms) };
	e->bytes = rnd_chance(r, 70) ? rnd_below(r, 2000) : rnd_below(r, 65536);
	e->end = plan->steps++ + (int)rnd_below(r, 10);
}

static void communicator(struct plan *plan)
{
	struct rnd *r = &plan->rnd;
	int c = (int)rnd_range(r, C_FRESH, MAX_COMMS - 1);
	struct event *e = &plan->event[plan->steps];

	*e = (struct event){ .kind = E_COMM_MAKE, .comm = (enum comm_id)c };
	if (plan->comm_since[c] >= 0) {
		e->kind = E_COMM_FREE;
		plan->comm_since[c] = -1;
	} else {
		e->make = plan->comm_made[c] = (enum make_way)rnd_below(r, MAKE_WAYS);
		plan->comm_since[c] = plan->steps;
	}
	plan->steps++;
}

void plan_move(struct plan *plan)
{
	static const struct {
		void (*move)(struct plan *plan);
		int weight;
	} moves[] = {
		{ single, 30 }, { burst, 12 }, { fan, 8 }, { overtaking, 7 }, { group, 14 }, { ring, 12 }, { chain, 14 },
		{ collective, 7 }, { communicator, 6 },
	};
	long at = rnd_below(&plan->rnd, 110);

	if (plan_full(plan, 16))
		at = 108;
	for (int i = 0;; i++)
		if ((at -= moves[i].weight) < 0) {
			moves[i].move(plan);
			return;
		}
}
