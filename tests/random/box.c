/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* box.c: a buffer with guards around, described by a random datatype. See exec.h. */
#include <stdlib.h>
#include <string.h>

#include "exec.h"

#define GUARD 16

/* Message data as it is and as it should be. */
static char data[2 << 20], wanted[2 << 20];

static int leader(const struct side *side)
{
	const struct msg *m = side->m;

	if (side->kind == SIDE_RECV)
		return m->r_chain;
	return m->shares != m->id ? m->shares : m->s_chain;
}

/* How many of this rank's sides use the box, and the one that has it already. */
static struct box *shared_box(struct exec *x, struct side *side, int *users)
{
	struct side *sides = side->kind == SIDE_SEND ? x->send : x->recv;
	struct box *box = x->boxes;

	*users = 0;
	for (int i = 0; i < x->plan->msgs; i++) {
		const struct msg *m = &x->plan->msg[i];
		if (!m->dropped && (side->kind == SIDE_SEND ? m->src : m->dst) == x->rank && leader(&sides[i]) == leader(side))
			++*users;
	}
	while (box && (box->kind != side->kind || box->leader != leader(side)))
		box = box->next;
	return box;
}

/* The same through absolute addresses. */
static void by_bottom(struct box *box)
{
	int one = (int)box->count;
	MPI_Aint at;

	DO(MPI_Get_address(box->buf, &at));
	DO(MPI_Type_create_hindexed(1, &one, &at, box->layout.type, &box->mpi_type));
	DO(MPI_Type_commit(&box->mpi_type));
	box->mpi_buf = MPI_BOTTOM;
	box->mpi_count = 1;
	box->bottom = true;
}

static struct box *box_make(struct exec *x, const struct msg *m, struct rnd *r, long units, bool more, char *stack)
{
	struct box *box = calloc(1, sizeof *box);
	struct layout *l;
	size_t bytes;

	if (!box)
		fail("out of memory");
	l = &box->layout;
	box->unit = m->unit;
	box->count = layout_random(l, r, m->unit, units, more);
	box->room_bytes = box->count * l->units * unit_bytes(m->unit);
	bytes = box->count ? (size_t)((box->count - 1) * l->extent + l->high - l->low) : 0;
	/* low bytes lie before the buffer's address: that is what has to be aligned */
	place_take(&box->place, r, bytes + 2 * GUARD + 16, 16, stack);
	box->buf = box->place.at + GUARD - l->low;
	box->buf += (size_t)(-(uintptr_t)box->buf) % (size_t)unit_align(m->unit);
	if (unit_align(m->unit) == 1)
		box->buf += rnd_below(r, 15);
	box->mpi_buf = units == 0 && rnd_chance(r, 30) ? NULL : box->buf;
	box->mpi_count = (int)box->count;
	box->mpi_type = l->type;
	box->persistent = MPI_REQUEST_NULL;
	if (rnd_chance(r, 10) && box->count)
		by_bottom(box);
	box->next = x->boxes;
	return x->boxes = box;
}

/* The type's shape in words, as far as there is room. */
static const char *shape(const struct box *box)
{
	static char text[300];
	const struct layout *l = &box->layout;
	size_t n = 0;

	n += (size_t)snprintf(text, sizeof text, "%ld items of extent %ld:", box->count, (long)l->extent);
	for (long i = 0; i < l->pieces && n < sizeof text - 60; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, " %ld+%ld", (long)l->piece[i].at, l->piece[i].bytes);
	return text;
}

struct box *box_for(struct exec *x, struct side *side, char *stack)
{
	const struct msg *m = side->m;
	bool recv = side->kind == SIDE_RECV;
	struct rnd r = rnd_for(x->plan->seed, 1000 + (uint64_t)leader(side), recv);
	struct box *box;
	int users;

	box = shared_box(x, side, &users);
	if (!box) {
		box = box_make(x, m, &r, recv ? m->room : m->units, recv && !m->truncated, users > 1 ? NULL : stack);
		box->kind = side->kind;
		box->leader = leader(side);
		box->refs = box->unsent = users;
		box->shared = !recv && users > 1 && !send_persists(m);
		box_poison(box);
		if (where.verbose)
			printf("rank %d: message %d's %s buffer: %s%s\n", x->rank, m->id, recv ? "receive" : "send", shape(box),
			       box->bottom ? ", through MPI_BOTTOM" : "");
	}
	return side->box = box;
}

void box_poison(struct box *box)
{
	memset(box->place.at, POISON, box->place.bytes);
}

void box_fill(struct box *box, uint64_t key, long bytes)
{
	payload(key, wanted, bytes);
	layout_put(&box->layout, box->buf, wanted, bytes);
}

bool box_holds(const struct box *box, uint64_t key, long bytes)
{
	if (bytes > box->room_bytes)
		return false;
	payload(key, wanted, bytes);
	layout_get(&box->layout, box->buf, data, bytes);
	return first_difference(data, wanted, bytes) < 0;
}

void box_check_untouched(struct box *box, const char *what)
{
	long at = first_touched(box->place.at, (long)box->place.bytes);

	if (at >= 0)
		fail("%s: byte %ld of %ld bytes around and between its data has changed (its data begin at %ld)", what, at,
		     (long)box->place.bytes, (long)(box->buf + box->layout.low - box->place.at));
}

void box_check(struct box *box, uint64_t key, long bytes, const char *what, uint64_t *hash)
{
	long at;

	payload(key, wanted, bytes);
	layout_get(&box->layout, box->buf, data, bytes);
	at = first_difference(data, wanted, bytes);
	if (at >= 0)
		fail("%s: byte %ld of %ld is %02x, not %02x; %s", what, at, bytes, data[at] & 255, wanted[at] & 255, shape(box));
	if (hash)
		*hash = hash_bytes(data, bytes);
	layout_set(&box->layout, box->buf, POISON, bytes);
	box_check_untouched(box, what);
}

void box_drop(struct exec *x, struct side *side)
{
	struct box *box = side->box, **at = &x->boxes;

	side->box = NULL;
	side->state = IDLE;
	if (--box->refs)
		return;
	if (box->persistent != MPI_REQUEST_NULL)
		DO(MPI_Request_free(&box->persistent));
	if (box->bottom)
		DO(MPI_Type_free(&box->mpi_type));
	layout_free(&box->layout);
	place_give(&box->place);
	while (*at != box)
		at = &(*at)->next;
	*at = box->next;
	free(box);
}
