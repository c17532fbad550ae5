/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plan.c: see plan.h. Where the parts of one message stand in the order of steps. */
#include <stdlib.h>
#include <string.h>

#include "plan.h"
#include "quirks.h"

static inline int max(int a, int b)
{
	return a > b ? a : b;
}

static inline int min(int a, int b)
{
	return a < b ? a : b;
}

bool plan_full(const struct plan *plan, int messages)
{
	return plan->msgs + messages > MAX_MSGS || plan->steps + 3 * messages > MAX_STEPS - 60;
}

bool plan_joins(const struct plan *plan, enum comm_id comm, int s, int d)
{
	bool same = s % 2 == d % 2;

	if (comm >= C_FRESH)
		return plan->comm_since[comm] >= 0 && (plan->comm_made[comm] != MAKE_INTER_DUP || !same);
	return comm == C_HALF ? same : comm == C_INTER ? !same : comm == C_SELF ? s == d : true;
}

/* All tags of a pair of ranks are in one order there. */
static bool one_order(enum comm_id comm)
{
	return comm == C_ANYTAG || comm == C_ANY;
}

static bool same_flow(const struct msg *a, const struct msg *b)
{
	return a->src == b->src && a->dst == b->dst && a->comm == b->comm && (a->tag == b->tag || one_order(a->comm));
}

/* Sizes around everything that some MPI, the library or the hardware takes for a limit. */
static long random_bytes(struct rnd *r)
{
	static const long limits[] = {
		8, 64, 128, 256, 1024, 2048, 4096, 4096, 8192, 8192, 12288, 16384, 16384, 16384, 20480, 32768, 65536, 65536,
	};
	static const int near[] = { -64, -8, -1, -1, 0, 0, 0, 1, 1, 8, 64 };
	long kind = rnd_below(r, 1000);

	if (kind < 100)
		return rnd_below(r, 17);
	if (kind < 450) {
		long bytes = RND_PICK(r, limits) + (kind % 3 ? RND_PICK(r, near) : 0);
		return bytes < 0 ? 0 : bytes;
	}
	if (kind < 720)
		return rnd_below(r, 4096);
	if (kind < 970)
		return rnd_below(r, 65536);
	if (kind < 995)
		return rnd_below(r, 262144);
	return (1 << 20) + RND_PICK(r, near) * 64;
}

long unit_bytes(enum unit unit)
{
	static const long bytes[UNITS] = { 1, 1, 2, 4, 8, 8, 12, 15 };

	return bytes[unit];
}

static int random_tag(struct rnd *r)
{
	static const int tags[] = { 0, 0, 1, 1, 2, 3, 7, 100, 9999, 32767 };

	return RND_PICK(r, tags);
}

static enum comm_id random_comm(struct plan *plan, int s, int d)
{
	for (int i = 0; i < 8; i++) {
		enum comm_id comm = (enum comm_id)rnd_below(&plan->rnd, MAX_COMMS);
		if (comm != C_ANY && plan_joins(plan, comm, s, d))
			return comm;
	}
	return C_WORLD;
}

static enum send_way random_send(struct rnd *r)
{
	static const enum send_way often[] = { S_SEND, S_SEND, S_ISEND, S_ISEND, S_ISEND, S_SSEND, S_ISSEND };
	static const enum send_way all[] = {
		S_SEND, S_SSEND, S_BSEND, S_RSEND, S_ISEND, S_ISSEND, S_IBSEND, S_IRSEND,
		S_PERSIST, S_PERSIST, S_PERSIST_S, S_PERSIST_B, S_PERSIST_R,
	};

	return rnd_chance(r, 50) ? RND_PICK(r, often) : RND_PICK(r, all);
}

static enum recv_way random_recv(struct rnd *r)
{
	static const enum recv_way all[] = {
		R_RECV, R_PROBE, R_IPROBE, R_MPROBE, R_IMPROBE, R_MPROBE_IMRECV, R_IMPROBE_IMRECV, R_PROBE_IRECV,
		R_MPROBE_LATE, R_IRECV, R_PERSIST, R_PERSIST,
	};

	return rnd_chance(r, 50) ? (rnd_chance(r, 35) ? R_RECV : R_IRECV) : RND_PICK(r, all);
}

static long random_room(struct rnd *r, long units)
{
	long kind = rnd_below(r, 100);

	return kind < 60 ? units : kind < 85 ? units + rnd_below(r, 20) : units + rnd_below(r, units / 2 + 300);
}

struct msg *plan_draft(struct plan *plan)
{
	struct rnd *r = &plan->rnd;
	struct msg *m = &plan->msg[plan->msgs];

	*m = (struct msg){ .id = plan->msgs, .group = -1, .shares = plan->msgs, .s_chain = plan->msgs, .r_chain = plan->msgs };
	m->src = (int)rnd_below(r, plan->ranks);
	m->dst = rnd_chance(r, 8) ? m->src : (int)((m->src + rnd_range(r, 1, plan->ranks - 1)) % plan->ranks);
	m->comm = random_comm(plan, m->src, m->dst);
	m->tag = random_tag(r);
	m->key = rnd_mix(rnd_next(r));
	m->unit = rnd_chance(r, 40) ? U_BYTE : (enum unit)rnd_below(r, UNITS);
	m->units = random_bytes(r) / unit_bytes(m->unit);
	m->room = random_room(r, m->units);
	m->send = random_send(r);
	m->recv = random_recv(r);
	m->any_tag = m->comm == C_ANYTAG && rnd_chance(r, 70);
	m->s_large = rnd_chance(r, 15);
	m->r_large = rnd_chance(r, 15);
	m->freed = rnd_chance(r, 15);
	m->ignore = rnd_chance(r, 30);
	if (rnd_chance(r, 2)) {
		m->truncated = true;
		m->units = rnd_below(r, QUIRK_TRUNCATE_BYTES) / unit_bytes(m->unit) / 8 + 2;
		m->room = rnd_below(r, m->units);
	}
	return m;
}

/* Ways that do not go together give way. */
static void agree(struct plan *plan, struct msg *m)
{
	if (m->src == m->dst && send_blocks(m) && recv_finds(m) && m->send != S_COMBINED)
		m->recv = R_IRECV;
	if (send_ready(m) && m->recv != R_PERSIST)
		m->recv = R_IRECV;
	if (QUIRK_STRUCTURES_NOT_PACKED && send_buffered(m) && m->unit >= U_RECORD)
		m->send = m->send == S_PERSIST_B ? S_PERSIST : S_ISEND;
	if (m->truncated && ((!QUIRK_TRUNCATE_SELF && m->src == m->dst) || (!QUIRK_TRUNCATE_ON_FREED && m->comm >= C_FRESH)))
		m->truncated = false, m->room = m->units;
	if (m->truncated) {
		m->recv = m->recv == R_RECV ? R_RECV : R_IRECV;
		m->r_large = false;
	}
	if (m->recv == R_MPROBE_LATE && send_blocks(m) && !send_buffered(m))
		m->send = S_ISEND;
	if ((m->send != S_ISEND && m->send != S_ISSEND) || m->group >= 0 || m->shares != m->id ||
	    (QUIRK_SELF_NOT_FREED && m->src == m->dst))
		m->freed = false;
}

/* The first step in which m may start, so that what is to be matched before it starts before it. */
static int earliest_send(const struct plan *plan, const struct msg *m)
{
	int least = m->comm >= C_FRESH ? plan->comm_since[m->comm] + 1 : 0;

	for (const struct msg *n = plan->msg; n < m; n++) {
		if (same_flow(n, m))
			least = max(least, n->s_start + send_blocks(n));
		if (n->s_chain == m->s_chain)
			least = max(least, n->s_end + 1);
	}
	return least;
}

static int earliest_recv(const struct plan *plan, const struct msg *m)
{
	int least = m->comm >= C_FRESH ? plan->comm_since[m->comm] + 1 : 0;

	for (const struct msg *n = plan->msg; n < m; n++) {
		if (m->group >= 0 ? n->group == m->group : same_flow(n, m))
			least = max(least, n->r_start + recv_finds(n));
		if (n->r_chain == m->r_chain)
			least = max(least, n->r_end + 1);
	}
	return least;
}

/* Before another start of a persistent request its last one has to end. */
static void end_chains(struct plan *plan, const struct msg *m)
{
	for (struct msg *n = plan->msg; n < m; n++) {
		if (n->s_chain == m->s_chain) {
			n->s_end = min(n->s_end, plan->steps - 1);
			if (n->recv == R_MPROBE_LATE)	/* until then the send does not end */
				n->r_end = min(n->r_end, n->s_end);
		}
		if (n->r_chain == m->r_chain)
			n->r_end = min(n->r_end, plan->steps - 1);
	}
}

static int random_start(struct rnd *r, int least, int most)
{
	return rnd_chance(r, 35) ? most : (int)rnd_range(r, max(least, most - 9), most);
}

/* Often the same for many, so that one call completes several. */
static int random_end(struct rnd *r, int least)
{
	int end = least + (rnd_chance(r, 30) ? 0 : (int)rnd_below(r, 12));

	return rnd_chance(r, 60) ? (end + 5) / 6 * 6 : end;
}

static int token(struct plan *plan, int from, int to, int msg)
{
	plan->event[plan->steps] = (struct event){ .kind = E_TOKEN, .from = from, .to = to, .msg = msg };
	return plan->steps++;
}

void plan_place(struct plan *plan, struct msg *m, int step)
{
	struct rnd *r = &plan->rnd;
	int posted, first;

	agree(plan, m);
	end_chains(plan, m);
	posted = send_ready(m) ? token(plan, m->dst, m->src, m->id) : MAX_STEPS;
	m->step = step >= 0 ? step : plan->steps++;
	first = send_ready(m) ? posted + 1 : 0;
	m->r_start = recv_finds(m) ? m->step : random_start(r, earliest_recv(plan, m), min(posted, m->step));
	m->s_start = send_blocks(m) ? m->step : random_start(r, max(first, earliest_send(plan, m)), m->step);
	m->r_end = recv_blocks(m) ? m->step : random_end(r, m->step + (m->recv == R_MPROBE_LATE));
	m->s_end = send_blocks(m) ? m->step : random_end(r, m->recv == R_MPROBE_LATE ? m->r_end : m->step);
	if (m->freed)
		m->s_end = MAX_STEPS;	/* its token's step: acknowledge() */
	plan->msgs++;
}

/* Tokens for freed requests whose message has come. */
static void acknowledge(struct plan *plan, bool all)
{
	for (struct msg *m = plan->msg; m < plan->msg + plan->msgs; m++) {
		if (!m->freed || m->s_end < MAX_STEPS)
			continue;
		if (all)
			m->r_end = min(m->r_end, plan->steps - 1);
		if (m->r_end < plan->steps && (all || rnd_chance(&plan->rnd, 40)))
			m->s_end = token(plan, m->dst, m->src, m->id);
	}
}

static void free_comms(struct plan *plan)
{
	for (int c = C_FRESH; c < MAX_COMMS; c++)
		if (plan->comm_since[c] >= 0) {
			plan->event[plan->steps++] = (struct event){ .kind = E_COMM_FREE, .comm = (enum comm_id)c };
			plan->comm_since[c] = -1;
		}
}

/* All that has not ended yet ends in the last step. */
static void finish(struct plan *plan)
{
	int last;

	free_comms(plan);
	acknowledge(plan, true);
	last = plan->steps++;
	for (struct msg *m = plan->msg; m < plan->msg + plan->msgs; m++) {
		m->s_end = min(m->s_end, last);
		m->r_end = min(m->r_end, last);
	}
	for (int s = 0; s < plan->steps; s++)
		plan->event[s].end = min(plan->event[s].end, last);
}

void plan_make(struct plan *plan, uint64_t seed, int ranks)
{
	long wanted;

	memset(plan, 0, sizeof *plan);
	plan->seed = seed;
	plan->ranks = ranks;
	plan->rnd = rnd_for(seed, (uint64_t)ranks, 1);
	for (int c = C_FRESH; c < MAX_COMMS; c++)
		plan->comm_since[c] = -1;
	wanted = rnd_chance(&plan->rnd, 25) ? 1 + rnd_below(&plan->rnd, 4) : 6 + rnd_below(&plan->rnd, 22);
	while (plan->steps < wanted && !plan_full(plan, 0)) {
		acknowledge(plan, false);
		plan_move(plan);
	}
	finish(plan);
}

void plan_keep(struct plan *plan, int first, int last)
{
	for (struct msg *m = plan->msg; m < plan->msg + plan->msgs; m++)
		m->dropped = m->step < first || m->step > last;
	for (int s = 0; s < plan->steps; s++) {
		struct event *e = &plan->event[s];
		bool tied = e->kind == E_COMM_MAKE || e->kind == E_COMM_FREE;
		if (e->kind == E_TOKEN || e->kind == E_PEEK ? plan->msg[e->msg].dropped : !tied && (s < first || s > last))
			e->kind = E_NONE;
	}
}
