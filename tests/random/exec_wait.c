/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * exec_wait.c: MPI's ways to complete requests, on arrays that hold null handles, inactive persistent
 * requests and requests that nobody waits for beside those that must complete.
 */
#include <sched.h>

#include "exec.h"

#define MOST (MOST_PENDING + 16)

enum way { WAIT, TEST, GET_STATUS, WAITALL, TESTALL, WAITANY, TESTANY, WAITSOME, TESTSOME, WAYS };

/* An array of handles and whose they are; nobody's: NULL. */
struct set {
	int n;
	struct side *side[MOST];
	MPI_Request request[MOST];
	MPI_Status status[MOST];
	int index[MOST];
	bool ignore;			/* no statuses wanted */
};

static int still_pending(struct side **sides, int n)
{
	int left = 0;

	for (int i = 0; i < n; i++)
		left += sides[i]->state == PENDING;
	return left;
}

static void add(struct set *set, struct side *side, MPI_Request request)
{
	set->side[set->n] = side;
	set->request[set->n++] = request;
}

/* Null handles and inactive requests that the calls have to pass over. */
static void add_idle(struct exec *x, struct set *set)
{
	int room = MOST - set->n < 8 ? MOST - set->n : 8;

	while (room-- > 0 && rnd_chance(&x->rnd, 25))
		add(set, NULL, MPI_REQUEST_NULL);
	for (struct box *box = x->boxes; box && room > 0; box = box->next)
		if (box->persistent != MPI_REQUEST_NULL && !box->active && rnd_chance(&x->rnd, 50)) {
			add(set, NULL, box->persistent);
			room--;
		}
}

static void shuffle(struct exec *x, struct set *set)
{
	for (int i = set->n - 1; i > 0; i--) {
		int j = (int)rnd_below(&x->rnd, i + 1);
		struct side *side = set->side[i];
		MPI_Request request = set->request[i];
		set->side[i] = set->side[j], set->request[i] = set->request[j];
		set->side[j] = side, set->request[j] = request;
	}
}

static void fill(struct exec *x, struct set *set, struct side **sides, int n)
{
	set->n = 0;
	set->ignore = true;
	for (int i = 0; i < n; i++) {
		if (sides[i]->state != PENDING)
			continue;
		add(set, sides[i], *side_request(sides[i]));
		set->ignore = set->ignore && (sides[i]->kind != SIDE_RECV || sides[i]->m->ignore);
	}
	add_idle(x, set);
	shuffle(x, set);
}

/* MPI says that this request of the set is complete. */
static void done(struct exec *x, struct set *set, int i, MPI_Status *status)
{
	struct side *side = set->side[i];
	bool persistent;

	if (!side)
		fail("a null handle or an inactive request was said to complete");
	if (side->state != PENDING)
		fail("a request was said to complete twice");
	persistent = side_request(side) != &side->own;
	if (persistent != (set->request[i] != MPI_REQUEST_NULL))
		fail("the handle of a complete request is %s", persistent ? "null, but it is persistent" : "not null");
	*side_request(side) = set->request[i];
	side_done(x, side, set->ignore ? NULL : status);
}

static void check_empty(const MPI_Status *status)
{
	int count;

	ASK(MPI_Get_count(status, MPI_BYTE, &count));
	if (status->MPI_SOURCE != MPI_ANY_SOURCE || status->MPI_TAG != MPI_ANY_TAG || count != 0)
		fail("the status of nothing says source %d, tag %d, %d bytes", status->MPI_SOURCE, status->MPI_TAG, count);
}

static void all_done(struct exec *x, struct set *set)
{
	for (int i = 0; i < set->n; i++)
		if (set->side[i])
			done(x, set, i, &set->status[i]);
		else if (!set->ignore)
			check_empty(&set->status[i]);
}

static void some_done(struct exec *x, struct set *set, int outcount)
{
	for (int i = 0; i < outcount; i++)
		done(x, set, set->index[i], &set->status[i]);
}

static MPI_Status *one(struct set *set)
{
	return set->ignore ? MPI_STATUS_IGNORE : set->status;
}

static MPI_Status *each(struct set *set)
{
	return set->ignore ? MPI_STATUSES_IGNORE : set->status;
}

/* One call on the whole set. Returns how many it completed, or -1 where MPI says that all are inactive. */
static int call_once(struct exec *x, struct set *set, enum way way)
{
	int flag = 1, index = MPI_UNDEFINED, outcount = 0;

	switch (way) {
	case WAITALL:
		DO(MPI_Waitall(set->n, set->request, each(set)));
		all_done(x, set);
		return set->n;
	case TESTALL:
		DO(MPI_Testall(set->n, set->request, &flag, each(set)));
		if (flag)
			all_done(x, set);
		return flag ? set->n : 0;
	case WAITANY:
	case TESTANY:
		if (way == WAITANY)
			DO(MPI_Waitany(set->n, set->request, &index, one(set)));
		else
			DO(MPI_Testany(set->n, set->request, &index, &flag, one(set)));
		if (flag && index != MPI_UNDEFINED)
			done(x, set, index, &set->status[0]);
		return !flag ? 0 : index == MPI_UNDEFINED ? -1 : 1;
	default:
		if (way == WAITSOME)
			DO(MPI_Waitsome(set->n, set->request, &outcount, set->index, each(set)));
		else
			DO(MPI_Testsome(set->n, set->request, &outcount, set->index, each(set)));
		if (outcount == MPI_UNDEFINED)
			return -1;
		some_done(x, set, outcount);
		return outcount;
	}
}

/* One request by itself; false: not complete yet, by a call that does not wait. */
static bool call_single(struct exec *x, struct set *set, enum way way)
{
	int flag = 1;

	if (way == WAIT) {
		DO(MPI_Wait(&set->request[0], one(set)));
	} else if (way == TEST) {
		DO(MPI_Test(&set->request[0], &flag, one(set)));
	} else {
		DO(MPI_Request_get_status(set->request[0], &flag, one(set)));
		if (flag)
			DO(MPI_Wait(&set->request[0], one(set)));
	}
	if (flag)
		done(x, set, 0, &set->status[0]);
	return flag;
}

static void set_of_one(struct set *set, struct side *side)
{
	set->n = 0;
	set->ignore = side->kind != SIDE_RECV || side->m->ignore;
	add(set, side, *side_request(side));
}

static void truncated(struct exec *x, struct side *side)
{
	int rc;

	where.act = "MPI_Wait of a receive that is too short";
	rc = MPI_Wait(&side->own, MPI_STATUS_IGNORE);
	side_failed(x, side, rc);
}

static void wait_singly(struct exec *x, struct set *set, enum way way, struct side **sides, int n)
{
	int first = (int)rnd_below(&x->rnd, n);

	for (int i = 0; i < n; i++) {
		struct side *side = sides[(first + i) % n];
		if (side->state != PENDING)
			continue;
		set_of_one(set, side);
		while (!call_single(x, set, way))
			sched_yield();
	}
}

void exec_wait(struct exec *x, struct side **sides, int n, int all)
{
	static struct set set;
	enum way way = (enum way)rnd_below(&x->rnd, WAYS);

	for (int i = 0; i < n; i++)
		if (sides[i]->kind == SIDE_RECV && sides[i]->m->truncated)
			truncated(x, sides[i]);
	if (n && way <= GET_STATUS) {
		wait_singly(x, &set, way, sides, n);
		return;
	}
	while (still_pending(sides, n)) {
		int got;
		fill(x, &set, sides, way <= TESTALL ? n : all);
		got = call_once(x, &set, way);
		if (got < 0)
			fail("MPI says that no request of the array is active");
		if (got == 0 && (way == WAITANY || way == WAITSOME))
			fail("it waited for nothing");
		if (got == 0)
			sched_yield();
	}
}

void exec_poke(struct exec *x, struct side **sides, int all)
{
	static const enum way ways[] = { TEST, GET_STATUS, TESTALL, TESTANY, TESTSOME };
	static struct set set;
	enum way way = RND_PICK(&x->rnd, ways);

	if (way <= GET_STATUS && all) {
		set_of_one(&set, sides[rnd_below(&x->rnd, all)]);
		call_single(x, &set, way);
		return;
	}
	fill(x, &set, sides, all);
	call_once(x, &set, way <= GET_STATUS ? TESTANY : way);
}
