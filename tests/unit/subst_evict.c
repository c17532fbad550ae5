/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A full pool: what was not sent for the longest time leaves it, with its content, and must earn its place again;
 * never what is being sent, nor anything in vain, nor anything while others may write; what is hot stays, and more
 * buffers in rotation than fit do not drive each other out.
 */
#include "subst_setup.h"

#include "threadhook.h"

#include <pthread.h>

#define BUF (64 * KIB)
#define PLACES 4
#define COUNTER(id) ((long)vmo_stats.counter[VMO_C_##id])

/* Room for PLACES buffers in a pool that cannot grow. */
static void reopen(struct setup *s, long admission)
{
	struct vmo_xen *xen = s->xen;
	struct vmo_block *room;

	done(s);
	vmo_subst_free(s->subst);
	setup_open(s, xen, true, admission, PLACES * BUF);
	CHECK_RC(vmo_pool_take(s->pool, 1, 1, &room), 0);
	vmo_block_drop(room);
	s->budget.pages = s->budget.used;
	CHECK_RC(vmo_pool_usage(s->pool).pages, PLACES * BUF / PAGE);
	vmo_stats = (struct vmo_stats){ 0 };
}

static char *filled(unsigned seed)
{
	char *buffer = map_anonymous(BUF);

	pair_fill(buffer, BUF, seed);
	return buffer;
}

/* Is the n-th of such buffers in place, and right? */
static bool sent_in_place(struct setup *s, char *buffer, unsigned seed)
{
	int n = offer(s, buffer, BUF);

	CHECK(n == 1 || n == 0 || n == -ENOSPC);
	if (n == 1)
		CHECK(message_has(s, buffer, seed));
	done(s);
	CHECK(pair_same(buffer, 0, BUF, seed));
	return n == 1;
}

static void the_oldest_leaves(struct setup *s)
{
	char *b[PLACES + 2];

	reopen(s, 1);
	for (unsigned i = 0; i < PLACES + 2; i++)
		b[i] = filled(i);
	for (unsigned i = 0; i < PLACES; i++)
		CHECK(sent_in_place(s, b[i], i));
	CHECK(sent_in_place(s, b[0], 0));		/* 1 is the oldest now */
	CHECK(sent_in_place(s, b[PLACES], PLACES));
	CHECK_RC(COUNTER(evicted_buffers), 1);
	CHECK_RC(vmo_subst_usage(s->subst).associations, PLACES);
	CHECK(pair_same(b[1], 0, BUF, 1));
	pair_fill(b[1], BUF, 77);			/* its own pages: nobody else's message changes */
	for (unsigned i = 0; i <= PLACES; i++)
		CHECK(pair_same(b[i], 0, BUF, i == 1 ? 77 : i));
	CHECK(!sent_in_place(s, b[1], 77));		/* two sends this time */
	CHECK(sent_in_place(s, b[1], 77));
	CHECK_RC(COUNTER(evicted_buffers), 2);
	for (unsigned i = 0; i < PLACES + 2; i++)
		CHECK(munmap(b[i], BUF) == 0);
	CHECK_RC(vmo_subst_usage(s->subst).associations, 0);
}

static void not_what_is_being_sent(struct setup *s)
{
	struct setup message[PLACES];
	char *b[PLACES + 1];

	reopen(s, 1);
	for (unsigned i = 0; i <= PLACES; i++)
		b[i] = filled(i);
	for (unsigned i = 0; i < PLACES; i++) {
		message[i] = *s;
		CHECK_RC(offer(&message[i], b[i], BUF), 1);
	}
	CHECK_RC(offer(s, b[PLACES], BUF), -ENOSPC);
	CHECK_RC(vmo_subst_evict(s->subst, s->pool, 1), 0);
	done(&message[2]);
	CHECK_RC(offer(s, b[PLACES], BUF), 1);
	CHECK_RC(COUNTER(evicted_buffers), 1);
	CHECK_RC(vmo_subst_evict(s->subst, s->pool, 1), 0);
	for (unsigned i = 0; i < PLACES; i++)
		CHECK(i == 2 || message_has(&message[i], b[i], i));
	for (unsigned i = 0; i < PLACES; i++)
		done(&message[i]);
	done(s);
}

static void not_in_vain(struct setup *s)
{
	char *b[PLACES];
	struct vmo_block *block;

	reopen(s, 1);
	for (unsigned i = 0; i < PLACES; i++)
		CHECK(sent_in_place(s, b[i] = filled(i), i));
	CHECK(sent_in_place(s, b[1], 1));
	CHECK(munmap(b[2] + BUF / 2, BUF / 2) == 0);	/* half of a block in use: the other half is free with it */
	CHECK_RC(vmo_subst_evict(s->subst, s->pool, PLACES * BUF / PAGE + 1), 0);
	CHECK_RC(COUNTER(evicted_buffers), 0);
	for (int left = PLACES - 1; left; left--)	/* all but the newest */
		CHECK_RC(vmo_subst_evict(s->subst, s->pool, 1), 1);
	CHECK_RC(vmo_subst_evict(s->subst, s->pool, 1), 0);
	CHECK(sent_in_place(s, b[1], 1));
	CHECK_RC(vmo_pool_usage(s->pool).pages_taken, BUF / PAGE);
	CHECK_RC(vmo_pool_take(s->pool, BUF / PAGE, 1, &block), 0);
	vmo_block_drop(block);
	CHECK(pair_same(b[2], 0, BUF / 2, 2) && pair_same(b[0], 0, BUF, 0));
}

/* Two thirds of the room are there at once, in two pieces, the rest when somebody has left; then two others do. */
static void in_pieces(struct setup *s)
{
	char *b[PLACES], *large = map_anonymous(3 * BUF);
	struct vmo_block *other;

	reopen(s, 1);
	for (unsigned i = 0; i < PLACES; i++)
		CHECK(sent_in_place(s, b[i] = filled(i), i));
	CHECK(munmap(b[1], BUF) == 0 && munmap(b[3], BUF) == 0);
	pair_fill(large, 3 * BUF, 50);
	CHECK_RC(offer(s, large, 3 * BUF), 2);
	CHECK_RC(COUNTER(evicted_buffers), 1);
	CHECK_RC(vmo_subst_usage(s->subst).pages, PLACES * BUF / PAGE);
	CHECK_RC(vmo_pool_usage(s->pool).pages_taken, PLACES * BUF / PAGE);
	CHECK_RC(vmo_pool_take(s->pool, 1, 1, &other), -ENOSPC);
	CHECK(message_has(s, large, 50) && pair_same(large, 0, 3 * BUF, 50));
	pair_fill(large, 3 * BUF, 51);
	CHECK(message_has(s, large, 51));
	for (unsigned i = 0; i < 3; i += 2)
		CHECK(pair_same(b[i], 0, BUF, i));
	done(s);
}

/* 12 buffers in rotation, room for 4, one of which is sent before each of the others. */
static void hot_ones_stay(struct setup *s)
{
	char *hot = filled(99), *b[12];
	long in_place = 0, evicted = 0;

	reopen(s, 3);
	for (unsigned i = 0; i < 12; i++)
		b[i] = filled(i);
	for (int round = 0; round < 50; round++) {
		if (round == 10) {
			in_place = 0;
			evicted = COUNTER(evicted_buffers);
		}
		for (unsigned i = 0; i < 12; i++) {
			CHECK(sent_in_place(s, hot, 99) || round == 0);
			in_place += sent_in_place(s, b[i], i);
		}
	}
	CHECK_RC(in_place, 40 * (PLACES - 1));
	CHECK_RC(COUNTER(evicted_buffers), evicted);
	for (int round = 0; round < 20; round++)	/* another phase of the program: others are sent */
		for (unsigned i = 0; i < PLACES; i++)
			in_place = sent_in_place(s, b[11 - i], 11 - i);
	for (unsigned i = 0; i < PLACES; i++)
		CHECK(sent_in_place(s, b[11 - i], 11 - i));
}

static void not_while_others_write(struct setup *s)
{
	char *b[PLACES + 1];

	for (unsigned k = 0; k < DISTURBANCES; k++) {
		reopen(s, 1);
		for (unsigned i = 0; i < PLACES + 1; i++)
			b[i] = filled(i);
		for (unsigned i = 0; i < PLACES; i++)
			CHECK(sent_in_place(s, b[i], i));
		if (!disturbances[k](true))
			continue;
		CHECK(!sent_in_place(s, b[PLACES], PLACES));
		CHECK_RC(vmo_subst_evict(s->subst, s->pool, 1), 0);
		CHECK(disturbances[k](false));
		CHECK_RC(COUNTER(evicted_buffers), 0);
		CHECK_RC(vmo_subst_evict(s->subst, s->pool, 1), 1);
	}
}

static void *nothing(void *arg)
{
	return arg;
}

static void not_with_threads(struct setup *s)
{
	pthread_t thread;

	reopen(s, 1);
	for (unsigned i = 0; i < PLACES; i++)
		CHECK(sent_in_place(s, filled(i), i));
	CHECK(!pthread_create(&thread, NULL, nothing, NULL) && !pthread_join(thread, NULL));
	CHECK(!sent_in_place(s, filled(9), 9));
	CHECK_RC(vmo_subst_evict(s->subst, s->pool, 1), 0);
	CHECK_RC(COUNTER(evicted_buffers), 0);
}

static const char *scenario(struct setup *s)
{
	if (!s->hooks)
		return NULL;
	vmo_memhook_table.threads = &vmo_threadhook_table;
	the_oldest_leaves(s);
	not_what_is_being_sent(s);
	not_in_vain(s);
	in_pieces(s);
	hot_ones_stay(s);
	not_while_others_write(s);
	not_with_threads(s);
	return NULL;
}

int main(void)
{
	need_hooks();
	return subst_test(60, scenario);
}
