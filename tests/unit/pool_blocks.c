/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Blocks never overlap, whatever is taken, held, split and dropped in whatever order (random; the seed is printed
 * on failure and taken from the first argument), and all pages come back.
 */
#include "xen_pair.h"

#include "pool.h"

#define MOST 200
#define ROUNDS 60000
#define OWNED_RUNS 64
#define OWNED_PAGES 4096

struct live {
	struct vmo_block *block;
	unsigned refs;
};

static unsigned seed = 1;
static uint16_t owner[OWNED_RUNS][OWNED_PAGES];	/* 1 + index of the live block, 0: free */

#define SEEDED(condition) \
	do { if (!(condition)) { fprintf(stderr, "seed %u\n", seed); CHECK(condition); } } while (0)

static void own(const struct vmo_block *block, uint16_t was, uint16_t is)
{
	SEEDED(block->run < OWNED_RUNS && block->first + block->pages <= OWNED_PAGES);
	for (uint32_t i = block->first; i < block->first + block->pages; i++) {
		SEEDED(owner[block->run][i] == was);
		owner[block->run][i] = is;
	}
}

/* The content tells who wrote it: an overlap, or a wrong view, shows as someone else's number. */
static void mark(const struct vmo_block *block, uint16_t number)
{
	for (uint32_t i = 0; i < block->pages; i++)
		*(volatile uint16_t *)(block->view + i * PAGE) = number;
}

static void check_marks(const struct vmo_block *block, uint16_t number)
{
	for (uint32_t i = 0; i < block->pages; i++)
		SEEDED(*(volatile uint16_t *)(block->view + i * PAGE) == number);
}

static void drop(struct live *live, uint16_t number)
{
	check_marks(live->block, number);
	if (--live->refs == 0)
		own(live->block, number, 0);
	vmo_block_drop(live->block);
}

static bool take(struct vmo_pool *pool, struct live *live, uint16_t number)
{
	uint32_t pages = rand() % 8 ? 1 + rand() % 4 : 1 + rand() % 100, least = 1 + rand() % pages;
	int rc = vmo_pool_take(pool, pages, least, &live->block);

	SEEDED(rc == 0 || rc == -ENOSPC);
	if (rc)
		return false;
	SEEDED(live->block->pages >= least && live->block->pages <= pages && live->block->pool == pool);
	live->refs = 1;
	own(live->block, 0, number);
	mark(live->block, number);
	return true;
}

/* A block that others hold too stays whole; else its references are shared out, and nobody is without one. */
static bool split(struct live *live, struct live *rest, uint16_t number)
{
	uint32_t pages = live->block->pages, page = pages > 1 ? 1 + rand() % (pages - 1) : 1;
	int mine = rand() % 2 ? (int)live->refs : 1, behind = 1 + rand() % mine;

	rest->block = vmo_block_split(live->block, page, (uint32_t)mine, (uint32_t)behind);
	SEEDED(!rest->block || ((int)live->refs == mine && pages > 1));
	if (!rest->block)
		return false;
	SEEDED(live->block->pages == page && rest->block->pages == pages - page && rest->block->pool == live->block->pool);
	rest->refs = behind;
	live->refs = mine > behind ? mine - behind : 1;
	own(rest->block, owner[rest->block->run][rest->block->first], number);
	mark(rest->block, number);
	return true;
}

static void alone(struct pair *pair)
{
	struct vmo_budget budget = { .pages = 600 };
	struct vmo_pool *pool;
	struct live live[MOST];
	unsigned refused = 0, splits = 0, pages_live = 0;

	memset(live, 0, sizeof live);
	srand(seed);
	CHECK_RC(vmo_pool_new(&pool, pair->xen, pair->peer, 64 * PAGE, &budget), 0);
	for (int i = 0; i < ROUNDS; i++) {
		uint16_t n = (uint16_t)(rand() % MOST);

		uint16_t m = (uint16_t)(rand() % MOST);

		if (!live[n].refs && live[m].refs && rand() % 2)
			splits += split(&live[m], &live[n], (uint16_t)(n + 1));
		else if (!live[n].refs)
			refused += !take(pool, &live[n], (uint16_t)(n + 1));
		else if (rand() % 3)
			drop(&live[n], (uint16_t)(n + 1));
		else
			vmo_block_hold(live[n].block), live[n].refs++;
		SEEDED(budget.used <= budget.pages);
	}
	for (uint16_t n = 0; n < MOST; n++)
		pages_live += live[n].refs ? live[n].block->pages : 0;
	SEEDED(vmo_pool_usage(pool).pages_taken == pages_live);
	SEEDED(refused > 0);		/* else the budget was never felt */
	SEEDED(splits > 1000);
	for (uint16_t n = 0; n < MOST; n++)
		while (live[n].refs)
			drop(&live[n], (uint16_t)(n + 1));
	SEEDED(vmo_pool_usage(pool).pages_taken == 0);
	vmo_pool_free(pool);
	SEEDED(budget.used == 0);
}

int main(int argc, char **argv)
{
	seed = argc > 1 ? (unsigned)atoi(argv[1]) : (unsigned)getpid();
	return pair_alone(60, alone);
}
