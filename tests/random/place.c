/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* place.c: see place.h. */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "place.h"
#include "verify.h"

#define ARENA_BYTES ((size_t)3 << 20)
#define MOST_TAKEN 256
#define PAGE ((size_t)4096)

static char static_memory[ARENA_BYTES] __attribute__((aligned(4096)));

static struct arena {
	char *memory;
	int taken;
	struct {
		size_t from, to;
	} part[MOST_TAKEN];
} arenas[3];

/* The block that realloc moves about, when no message has it. */
static void *spare;
static bool spare_taken;

static void *need(void *memory)
{
	if (!memory || memory == MAP_FAILED)
		fail("out of memory");
	return memory;
}

static void *map(void *at, size_t bytes, int more)
{
	return need(mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | more, -1, 0));
}

void places_setup(void)
{
	arenas[0].memory = map(NULL, ARENA_BYTES, 0);
	arenas[1].memory = need(malloc(ARENA_BYTES));
	arenas[2].memory = static_memory;
}

void places_cleanup(void)
{
	munmap(arenas[0].memory, ARENA_BYTES);
	free(arenas[1].memory);
	free(spare);
}

static bool is_free(const struct arena *a, size_t from, size_t to)
{
	for (int i = 0; i < a->taken; i++)
		if (from < a->part[i].to && to > a->part[i].from)
			return false;
	return true;
}

/* Where to try: one of a few that come again, right behind another message, or anywhere. */
static size_t candidate(const struct arena *a, struct rnd *r, size_t align)
{
	static const size_t favourites[] = { 0, 4096, 65536, 70000, 300008, 1 << 20, (1 << 20) + 520, 2 << 20 };
	long kind = rnd_below(r, 10);
	size_t at = (size_t)rnd_below(r, (long)ARENA_BYTES);

	if (kind < 5)
		at = RND_PICK(r, favourites);
	else if (kind < 8 && a->taken)
		at = a->part[rnd_below(r, a->taken)].to;
	return (at + align - 1) & ~(align - 1);
}

static bool from_arena(struct place *p, struct rnd *r, size_t bytes, size_t align)
{
	int which = (int)rnd_below(r, 3);
	struct arena *a = &arenas[which];

	for (int i = 0; i < 8 && a->taken < MOST_TAKEN; i++) {
		size_t at = candidate(a, r, align);
		if (at + bytes > ARENA_BYTES || !is_free(a, at, at + bytes))
			continue;
		a->part[a->taken].from = at, a->part[a->taken].to = at + bytes;
		a->taken++;
		*p = (struct place){ .kind = P_ARENA, .arena = which, .at = a->memory + at, .bytes = bytes };
		return true;
	}
	return false;
}

/* Somewhere in `all` bytes from base on, which leave some room. */
static void within(struct place *p, struct rnd *r, char *base, size_t all, size_t bytes, size_t align)
{
	uintptr_t at = (uintptr_t)base + (size_t)rnd_below(r, (long)(all - bytes - align + 1));

	p->base = base, p->all = all, p->bytes = bytes;
	p->at = (char *)((at + align - 1) & ~(uintptr_t)(align - 1));
}

static void from_realloc(struct place *p, struct rnd *r, size_t bytes, size_t align)
{
	size_t all = bytes + align + (size_t)rnd_below(r, 3000);

	spare = need(realloc(spare, all));
	spare_taken = true;
	p->kind = P_REALLOC;
	within(p, r, spare, all, bytes, align);
}

void place_take(struct place *p, struct rnd *r, size_t bytes, size_t align, char *stack)
{
	size_t all = bytes + align + (size_t)rnd_below(r, rnd_chance(r, 50) ? 100 : 5000);
	long kind = rnd_below(r, 100);

	*p = (struct place){ .kind = P_STACK };
	if (stack && kind < 25 && bytes + align <= STACK_BYTES) {
		within(p, r, stack, STACK_BYTES, bytes, align);
	} else if (kind < 75 && from_arena(p, r, bytes, align)) {
		return;
	} else if (kind < 80) {
		p->kind = P_MMAP;
		all = (all + PAGE - 1) & ~(PAGE - 1);
		within(p, r, map(NULL, all, 0), all, bytes, align);
	} else if (kind < 86 && !spare_taken) {
		from_realloc(p, r, bytes, align);
	} else if (kind < 92) {
		void *base = NULL;
		p->kind = P_ALIGNED;
		if (posix_memalign(&base, PAGE, all))
			fail("out of memory");
		within(p, r, base, all, bytes, align);
		if (rnd_chance(r, 50))
			p->at = base;
	} else {
		p->kind = P_MALLOC;
		within(p, r, need(rnd_chance(r, 20) ? calloc(all, 1) : malloc(all)), all, bytes, align);
	}
}

void place_give(struct place *p)
{
	struct arena *a = &arenas[p->arena];

	if (p->kind == P_MALLOC || p->kind == P_ALIGNED)
		free(p->base);
	if (p->kind == P_MMAP)
		munmap(p->base, p->all);
	if (p->kind == P_REALLOC)
		spare_taken = false;
	for (int i = 0; p->kind == P_ARENA && i < a->taken; i++)
		if (a->memory + a->part[i].from == p->at) {
			a->part[i] = a->part[--a->taken];
			break;
		}
	p->at = p->base = NULL;
}

/* Whole pages of the mapped arena that no message uses; from == to: none found. */
static void free_pages(struct rnd *r, size_t *from, size_t *to)
{
	*from = (size_t)rnd_below(r, (long)(ARENA_BYTES / PAGE)) * PAGE;
	*to = *from + PAGE * (size_t)rnd_range(r, 1, 40);
	if (*to > ARENA_BYTES || !is_free(&arenas[0], *from, *to))
		*to = *from;
}

void place_stir(struct rnd *r)
{
	size_t from, to;
	long kind = rnd_below(r, 10);

	free_pages(r, &from, &to);
	if (kind < 2) {
		malloc_trim(0);
	} else if (kind < 3 && !spare_taken) {
		free(spare);
		spare = NULL;
	} else if (to > from && kind < 6) {
		madvise(arenas[0].memory + from, to - from, MADV_DONTNEED);
	} else if (to > from && kind < 8) {
		map(arenas[0].memory + from, to - from, MAP_FIXED);
	} else if (to > from) {
		munmap(arenas[0].memory + from, to - from);
		map(arenas[0].memory + from, to - from, MAP_FIXED_NOREPLACE);
	}
}
