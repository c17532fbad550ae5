/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rnd.h: reproducible random numbers (splitmix64).
 *
 * Every decision comes from a stream named by (seed, a, b), so a decision of one kind does not move
 * another's: what a rank does with its memory never changes the plan that all ranks must agree on.
 */
#ifndef RND_H
#define RND_H

#include <stdbool.h>
#include <stdint.h>

struct rnd {
	uint64_t state;
};

static inline uint64_t rnd_mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static inline uint64_t rnd_next(struct rnd *r)
{
	return rnd_mix(r->state += 0x9e3779b97f4a7c15u);
}

static inline struct rnd rnd_for(uint64_t seed, uint64_t a, uint64_t b)
{
	return (struct rnd){ rnd_mix(rnd_mix(rnd_mix(seed + 1) ^ (a * 0x9e3779b97f4a7c15u)) ^ (b * 0xd1342543de82ef95u)) };
}

/* 0 <= result < n; n may be 0 or less: then 0. */
static inline long rnd_below(struct rnd *r, long n)
{
	return n > 0 ? (long)((rnd_next(r) >> 11) % (uint64_t)n) : 0;
}

/* least <= result <= most; least, where most is below it. */
static inline long rnd_range(struct rnd *r, long least, long most)
{
	return least + rnd_below(r, most - least + 1);
}

static inline bool rnd_chance(struct rnd *r, int percent)
{
	return rnd_below(r, 100) < percent;
}

/* One of those that the array lists. */
#define RND_PICK(r, array) ((array)[rnd_below(r, (long)(sizeof(array) / sizeof((array)[0])))])

#endif
