/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * As pull.c, but the peer is a thread that goes on storing while the receiver works: each word in turn gets another
 * value and its old one again. Real races, which no order of loads foresees; so not every run is like the last.
 */
#include "world.h"

#include <pthread.h>
#include <sched.h>

#define ROUNDS 40		/* for each time that the two wait for each other */

/* What the thread stores. `turn` odd: now. */
static struct {
	_Atomic(uint64_t *) word;
	_Atomic uint64_t one, other;
} flip[4];
static _Atomic unsigned turn, answered;

/* Both values are there equally long. */
static void a_moment(void)
{
	for (volatile int i = 0; i < 20; i++)
		;
}

static void flip_all(void)
{
	for (int i = 0; i < 4; i++) {
		uint64_t *word = flip[i].word;
		if (!word)
			continue;
		__atomic_store_n(word, flip[i].other, __ATOMIC_RELAXED);
		a_moment();
		__atomic_store_n(word, flip[i].one, __ATOMIC_RELAXED);
		a_moment();
	}
}

/* The n-th processor that this process may use: on one and the same there would be few races. */
static void stay_on(int n)
{
	cpu_set_t may, one;

	if (sched_getaffinity(0, sizeof may, &may))
		return;
	n %= CPU_COUNT(&may);
	CPU_ZERO(&one);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &may) && n-- == 0)
			CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof one, &one);
}

static void *scribbler(void *argument)
{
	stay_on(1);
	for (;;) {
		unsigned now = turn;

		if (now & 1)
			flip_all();
		else if (answered == now)
			sched_yield();
		answered = now;
	}
	return argument;
}

static void turn_to(unsigned next)
{
	turn = next;
	while (answered != next)
		sched_yield();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	pthread_t thread;

	world_begin();
	FUZZ_CHECK(!pthread_create(&thread, NULL, scribbler, NULL));
	stay_on(0);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t most, unsigned seed)
{
	return world_mutate(data, bytes, most, seed);
}

static void choose(const struct later *from)
{
	for (int i = 0; i < 4; i++) {
		uint64_t *word = from[i].when ? world_word(from[i].at % sizeof(struct image) & ~(size_t)7) : NULL;

		flip[i].word = word;
		flip[i].one = word ? *word : 0;
		flip[i].other = from[i].value;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct world_input in;

	fuzz_take(&in, sizeof in, data, bytes);
	world_fix(&in.image, ~(unsigned)in.fixes);
	world_renew(!(in.options & 1), in.budget_pages);
	world_write(&in.image);
	choose(in.later);
	turn_to(turn + 1);
	for (int i = 0; i < ROUNDS; i++) {
		world_later(NULL, 0);
		world_receive(&in.image.rts, in.way + (unsigned)i, in.capacity);
		if (i % 4 == 3)
			world_renew(!(in.options & 1), in.budget_pages);
	}
	turn_to(turn + 1);
	return 0;
}
