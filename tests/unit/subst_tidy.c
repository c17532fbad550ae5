/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmo_subst_tidy. What of a buffer was given up while it was being sent comes free once the message is over, not before,
 * and the rest stays in place. Buffers that are sent no more leave nearly empty runs, with their content; not what was
 * sent lately, is being sent, lies in one run with such, or in a pool that is well used; not too much at once, and never
 * while others may write: threads, the kernel for a device, processes with a window. Buffers that were not sent for long leave
 * such a pool, too. What they leave in the table of what is in place never fills it. And nobody's gaps are substituted
 * while others may write.
 */
#include "subst_setup.h"

#include "threadhook.h"

#include <pthread.h>

#define RUN (256 * PAGE)
#define SMALL (8 * PAGE)
#define RUNS 6

static uint32_t taken(const struct setup *s)
{
	return vmo_pool_usage(s->pool).pages_taken;
}

static unsigned tidy(struct setup *s)
{
	return vmo_subst_tidy(s->subst, &s->pool, 1);
}

static void reopen(struct setup *s)
{
	struct vmo_xen *xen = s->xen;

	done(s);
	vmo_subst_free(s->subst);
	vmo_pool_free(s->pool);
	setup_open(s, xen, true, 1, RUN);
}

/* In place, without more pages than before. */
static void is_in_place(struct setup *s, char *buffer, size_t bytes)
{
	uint32_t before = taken(s);

	CHECK(offer(s, buffer, bytes) > 0);
	CHECK_RC(taken(s), before);
	done(s);
}

static void cut_while_sent(struct setup *s, size_t from, size_t bytes)
{
	char *buffer = map_anonymous(MIB);
	size_t behind = from + bytes;

	reopen(s);
	start(s, buffer, MIB);
	CHECK(munmap(buffer + from, bytes) == 0);
	CHECK_RC(tidy(s), 0);
	CHECK_RC(taken(s), MIB / PAGE);
	CHECK(message_has(s, buffer, 1));
	done(s);
	CHECK_RC(taken(s), MIB / PAGE);
	CHECK_RC(tidy(s), 0);
	CHECK_RC(taken(s), (MIB - bytes) / PAGE);
	CHECK(pair_same(buffer, 0, from, 1) && pair_same(buffer + behind, behind, MIB - behind, 1));
	if (from)
		is_in_place(s, buffer, from);
	if (behind < MIB)
		is_in_place(s, buffer + behind, MIB - behind);
	CHECK_RC(tidy(s), 0);
	CHECK_RC(taken(s), (MIB - bytes) / PAGE);
	if (from && behind < MIB) {	/* each has a block of its own now */
		CHECK(munmap(buffer, from) == 0);
		CHECK_RC(taken(s), (MIB - behind) / PAGE);
	}
}

/* All of it at once: three parts with holes between and around them. */
static void cut_to_pieces(struct setup *s)
{
	char *buffer = map_anonymous(MIB);

	reopen(s);
	start(s, buffer, MIB);
	for (unsigned i = 0; i < 4; i++)
		CHECK(munmap(buffer + i * 256 * KIB, 64 * KIB) == 0);
	CHECK(munmap(buffer + MIB - 64 * KIB, 64 * KIB) == 0);
	done(s);
	CHECK_RC(tidy(s), 0);
	CHECK_RC(taken(s), 16 * (3 * 3 + 2));
	for (unsigned i = 0; i < 4; i++) {
		size_t at = i * 256 * KIB + 64 * KIB, bytes = i < 3 ? 192 * KIB : 128 * KIB;

		CHECK(pair_same(buffer + at, at, bytes, 1));
		is_in_place(s, buffer + at, bytes);
	}
}

static char *filled(struct setup *s, size_t bytes, unsigned seed)
{
	char *buffer = map_anonymous(bytes);

	pair_fill(buffer, bytes, seed);
	CHECK_RC(offer(s, buffer, bytes), 1);
	done(s);
	return buffer;
}

/* Each buffer in a run of its own; the rest of the runs is free. */
static void spread(struct setup *s, char **buffer, unsigned runs, size_t bytes)
{
	struct vmo_block *rest[32];

	CHECK(runs <= 32);
	for (unsigned i = 0; i < runs; i++) {
		uint32_t pages = (uint32_t)((RUN - bytes) / PAGE);

		CHECK_RC(vmo_pool_take(s->pool, pages, pages, &rest[i]), 0);
		buffer[i] = filled(s, bytes, i);
	}
	for (unsigned i = 0; i < runs; i++)
		vmo_block_drop(rest[i]);
	CHECK_RC(vmo_pool_usage(s->pool).runs, runs);
	CHECK_RC(taken(s), runs * bytes / PAGE);
}

static void idle_ones_leave(struct setup *s)
{
	char *b[RUNS], *beside;
	struct setup message;

	reopen(s);
	spread(s, b, RUNS, SMALL);
	beside = filled(s, SMALL, 50);		/* in one run with b[0] */
	CHECK_RC(tidy(s), 0);			/* all were sent since ever */
	message = *s;
	CHECK_RC(offer(&message, b[1], SMALL), 1);
	CHECK_RC(offer(s, b[0], SMALL), 1);
	CHECK_RC(tidy(s), RUNS - 2);
	CHECK_RC((long)vmo_stats.counter[VMO_C_idle_buffers], RUNS - 2);
	CHECK_RC((long)vmo_stats.counter[VMO_C_evicted_buffers], 0);
	CHECK_RC(taken(s), 3 * SMALL / PAGE);
	CHECK_RC(s->piece[0].block->run, 0);
	done(s);
	CHECK_RC(vmo_pool_withdraw(s->pool, true), RUNS - 2);
	CHECK(message_has(&message, b[1], 1));
	done(&message);
	for (unsigned i = 0; i < RUNS; i++)
		CHECK(pair_same(b[i], 0, SMALL, i));
	CHECK(pair_same(beside, 0, SMALL, 50));
	is_in_place(s, b[0], SMALL);
	CHECK_RC(tidy(s), 1);			/* b[1] */
	for (unsigned i = 0; i < RUNS; i++)
		pair_fill(b[i], SMALL, 60 + i);
	CHECK_RC(offer_on(s, b[RUNS - 1], SMALL), 1);	/* may come again */
	CHECK(message_has(s, b[RUNS - 1], 60 + RUNS - 1));
	done(s);
}

static void not_from_a_used_pool(struct setup *s)
{
	char *b[RUNS];
	struct vmo_block *rest;

	reopen(s);
	spread(s, b, RUNS, SMALL);
	CHECK_RC(vmo_pool_take(s->pool, RUNS * RUN / PAGE, RUNS * RUN / PAGE, &rest), 0);
	CHECK_RC(tidy(s), 0);
	CHECK_RC(tidy(s), 0);
	vmo_block_drop(rest);
	CHECK_RC(tidy(s), RUNS);
}

static void a_few_at_a_time(struct setup *s)
{
	char *b[20];

	reopen(s);
	spread(s, b, 20, RUN / 4);
	CHECK_RC(tidy(s), 0);
	CHECK_RC(tidy(s), VMO_TIDY_PAGES / (RUN / 4 / PAGE));
	CHECK_RC(tidy(s), 20 - VMO_TIDY_PAGES / (RUN / 4 / PAGE));
	CHECK_RC(taken(s), 0);
	for (unsigned i = 0; i < 20; i++)
		CHECK(pair_same(b[i], 0, RUN / 4, i));
}

/* Sends b[i] before each look i; then b[3] is on its way, and the others are sent no more. */
static struct setup looks(struct setup *s, char **b)
{
	struct setup message;

	reopen(s);
	for (unsigned i = 0; i < RUNS; i++)
		b[i] = filled(s, RUN, i);		/* all runs are full */
	for (unsigned look = 0; look < VMO_TIDY_LOOKS; look++) {
		is_in_place(s, b[look], RUN);
		CHECK_RC(tidy(s), 0);
	}
	message = *s;
	CHECK_RC(offer(&message, b[3], RUN), 1);
	return message;
}

static void old_ones_leave(struct setup *s)
{
	uint64_t before = vmo_stats.counter[VMO_C_idle_buffers];
	char *b[RUNS];
	struct setup message = looks(s, b);

	CHECK_RC(tidy(s), RUNS - 3);			/* b[1] to b[3] were sent since the first look */
	CHECK_RC((long)(vmo_stats.counter[VMO_C_idle_buffers] - before), RUNS - 3);
	for (unsigned i = 1; i <= 3; i++)
		CHECK(pair_same(b[i], 0, RUN, i));
	is_in_place(s, b[2], RUN);
	CHECK_RC(tidy(s), 1);				/* b[1] */
	for (unsigned look = 0; look < VMO_TIDY_LOOKS; look++)
		(void)tidy(s);
	CHECK_RC(taken(s), RUN / PAGE);			/* b[3], on its way for long */
	CHECK(message_has(&message, b[3], 3));
	done(&message);
	CHECK_RC(tidy(s), 1);
	CHECK_RC(taken(s), 0);
	for (unsigned i = 0; i < RUNS; i++)
		CHECK(pair_same(b[i], 0, RUN, i));
	pair_fill(b[3], RUN, 70);
	CHECK_RC(offer_on(s, b[3], RUN), 1);		/* may come again */
	CHECK(message_has(s, b[3], 70));
	done(s);
}

/* Old as it is, a copy of it would be felt. */
static void large_ones_stay(struct setup *s)
{
	size_t fits = (size_t)VMO_TIDY_LARGEST * PAGE, large = fits + PAGE;

	for (int stays = 0; stays <= 1; stays++) {
		size_t bytes = stays ? large : fits;
		char *buffer;
		unsigned left = 0;

		reopen(s);
		buffer = filled(s, bytes, 80);
		for (unsigned look = 0; look <= VMO_TIDY_LOOKS; look++)
			left += tidy(s);
		CHECK_RC(left, !stays);
		CHECK_RC(taken(s), stays ? (long)(bytes / PAGE) : 0);
		CHECK(pair_same(buffer, 0, bytes, 80));
	}
}

/* Buffers one after the other through memory, none of them ever freed: they leave no more behind than one would. */
static void the_table_never_fills(struct setup *s)
{
	enum { TURNS = 3, TURN = 40 };
	char *buffer = map_anonymous((size_t)TURNS * TURN * SMALL);

	reopen(s);
	for (unsigned turn = 0; turn < TURNS; turn++) {
		for (unsigned i = turn * TURN; i < (turn + 1) * TURN; i++) {
			pair_fill(buffer + i * SMALL, SMALL, i);
			CHECK_RC(offer(s, buffer + i * SMALL, SMALL), 1);
			done(s);
		}
		for (unsigned look = 0; look <= VMO_TIDY_LOOKS + 1; look++)
			(void)tidy(s);
		CHECK_RC(vmo_subst_usage(s->subst).associations, 0);
		CHECK_RC(vmo_subst_usage(s->subst).scars, 1);
	}
	for (unsigned i = 0; i < TURNS * TURN; i++)
		CHECK(pair_same(buffer + i * SMALL, 0, SMALL, i));
	CHECK(munmap(buffer, (size_t)TURNS * TURN * SMALL) == 0);
	CHECK_RC(vmo_subst_usage(s->subst).scars, 0);
}

static void nothing_moves(struct setup *s, char *gaps)
{
	struct vmo_piece piece[4];

	for (unsigned look = 0; look <= VMO_TIDY_LOOKS; look++)
		CHECK_RC(tidy(s), 0);
	CHECK_RC(vmo_subst_prepare_spaced(s->subst, s->pool, (uintptr_t)gaps, RUN, piece, 4), 0);
}

static void not_while_others_write(struct setup *s)
{
	char *b[RUNS], *gaps;
	struct vmo_piece piece[4];

	for (unsigned i = 0; i < DISTURBANCES; i++) {
		reopen(s);
		spread(s, b, RUNS, SMALL);
		gaps = map_anonymous(RUN);
		if (!disturbances[i](true))
			continue;
		nothing_moves(s, gaps);
		CHECK(disturbances[i](false));
		CHECK_RC(tidy(s), RUNS);
		gaps = map_anonymous(RUN);		/* that one was refused */
		CHECK(vmo_subst_prepare_spaced(s->subst, s->pool, (uintptr_t)gaps, RUN, piece, 4) > 0);
		vmo_block_drop(piece[0].block);
	}
	reopen(s);
	spread(s, b, RUNS, SMALL);
	gaps = map_anonymous(RUN);
	vmo_subst_windows(s->subst);
	nothing_moves(s, gaps);
	CHECK_RC(offer_on(s, b[0], SMALL), 1);		/* messages do */
	done(s);
}

static void *nothing(void *arg)
{
	return arg;
}

static void not_with_threads(struct setup *s)
{
	char *b[RUNS];
	pthread_t thread;

	reopen(s);
	spread(s, b, RUNS, SMALL);
	CHECK(!pthread_create(&thread, NULL, nothing, NULL) && !pthread_join(thread, NULL));
	CHECK_RC(tidy(s), 0);
	CHECK_RC(tidy(s), 0);
	CHECK_RC(taken(s), RUNS * SMALL / PAGE);
}

static const char *scenario(struct setup *s)
{
	if (!s->hooks)
		return NULL;
	vmo_memhook_table.threads = &vmo_threadhook_table;
	cut_while_sent(s, 0, 128 * KIB);
	cut_while_sent(s, 64 * KIB, 128 * KIB);
	cut_while_sent(s, 512 * KIB, 512 * KIB);
	cut_to_pieces(s);
	idle_ones_leave(s);
	not_from_a_used_pool(s);
	a_few_at_a_time(s);
	old_ones_leave(s);
	large_ones_stay(s);
	the_table_never_fills(s);
	not_while_others_write(s);
	not_with_threads(s);
	return NULL;
}

int main(void)
{
	need_hooks();
	return subst_test(60, scenario);
}
