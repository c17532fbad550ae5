/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A pool with holes, after the program's memory was used now for this, now for that.
 *
 * Blocks that were cut while a message carried them: what was cut off is nobody's once that message is over, but is free
 * only with the rest. It is let go here.
 *
 *   block  [...#####..###.]   parts of it are under buffers (#)    becomes two blocks
 *
 * Buffers in place that hold single pages of many runs, none of which can go back:
 *
 *   run 0  [##########################..####]   full enough
 *   run 1  [..#.............................]   sparse, and its buffers are not sent: they leave, the run goes back
 *   run 2  [......##....................#...]   sparse, but one of its buffers is sent: all stay
 *
 * And buffers that are sent no more, wherever they lie: a program that goes from one place of its memory to the next
 * would hold pages for all that it ever sent.
 *
 * And scars, which a swap leaves in the table of what is in place: neighbours become one. A program that goes through its
 * memory, and frees none of it, would fill the table with them.
 *
 * As in subst_evict.c nobody else may be writing.
 */
#include "subst_internal.h"

#include "stats.h"

#include <string.h>

struct extent {
	struct vmo_block *block;
	uint32_t parts;		/* associations */
	uint32_t pages;		/* of theirs */
	struct vmo_assoc *low;	/* the first of them in the block */
};

static struct extent measure(struct vmo_subst *s, struct vmo_block *block)
{
	struct extent e = { block, 0, 0, NULL };

	for (struct vmo_assoc *a = s->table.at; a < s->table.at + s->table.count; a++) {
		if (a->block != block)
			continue;
		e.parts++;
		e.pages += vmo_assoc_pages(a);
		if (!e.low || a->first < e.low->first)
			e.low = a;
	}
	return e;
}

/* From page `page` on the block becomes one of its own, with `behind` references; NULL: not now. */
static struct vmo_block *part(struct vmo_subst *s, struct vmo_block *block, uint32_t page, uint32_t refs, uint32_t behind)
{
	struct vmo_block *rest = vmo_block_split(block, page, refs, behind);

	for (struct vmo_assoc *a = s->table.at; rest && a < s->table.at + s->table.count; a++)
		if (a->block == block && a->first >= page) {
			a->block = rest;
			a->first -= page;
		}
	return rest;
}

/* Does it begin with pages of nobody? True: they are free; the rest is looked at next. */
static bool trim_front(struct vmo_subst *s, struct extent *e)
{
	struct vmo_block *rest;

	if (!e->low->first)
		return true;
	rest = part(s, e->block, e->low->first, e->parts, e->parts);
	if (!rest)
		return false;
	vmo_block_drop(e->block);
	e->block = rest;
	return true;
}

/* Each part gets a block of its own; what lies between comes free. */
static void trim(struct vmo_subst *s, struct vmo_block *block)
{
	struct extent e = measure(s, block);

	while (e.pages < e.block->pages && trim_front(s, &e) && vmo_assoc_pages(e.low) < e.block->pages) {
		struct vmo_block *rest = part(s, e.block, vmo_assoc_pages(e.low), e.parts, e.parts > 1 ? e.parts - 1 : 1);

		if (rest && e.parts == 1)
			vmo_block_drop(rest);
		if (!rest || e.parts == 1)
			return;
		e = measure(s, rest);
	}
}

static void trim_all(struct vmo_subst *s)
{
	for (uint32_t i = 0; i < s->table.count; i++) {
		struct vmo_assoc *a = &s->table.at[i];

		if (a->block && vmo_assoc_pages(a) < a->block->pages && !vmo_subst_in_transfer(s, a->block))
			trim(s, a->block);
	}
}

static bool lies_in(const struct vmo_assoc *a, const struct vmo_pool *pool, uint32_t run)
{
	return a->block && a->block->pool == pool && a->block->run == run;
}

/* Parts of a block, when the block is counted already? Only where it has more than one reference. */
static bool counted(const struct vmo_subst *s, const struct vmo_assoc *a)
{
	for (const struct vmo_assoc *b = s->table.at; b < a; b++)
		if (b->block == a->block)
			return true;
	return false;
}

/* Is all that is taken of the run under buffers, none of which is being sent, or was since the last look? */
static bool is_idle(const struct vmo_subst *s, const struct vmo_pool *pool, uint32_t run, uint32_t taken)
{
	uint32_t pages = 0, age = s->admission.now - s->tidied[0];

	for (const struct vmo_assoc *a = s->table.at; a < s->table.at + s->table.count; a++) {
		if (!lies_in(a, pool, run) || (a->block->refs > 1 && counted(s, a)))
			continue;
		if (vmo_subst_age(s, a) < age || vmo_subst_in_transfer(s, a->block))
			return false;
		pages += a->block->pages;
	}
	return pages == taken;
}

static unsigned empty(struct vmo_subst *s, const struct vmo_pool *pool, uint32_t run)
{
	unsigned buffers = 0, left;

	for (uint32_t i = 0; i < s->table.count; i++) {
		if (!lies_in(&s->table.at[i], pool, run))
			continue;
		left = vmo_subst_evict_block(s, s->table.at[i].block);
		if (!left)
			break;
		buffers += left;
		i--;
	}
	return buffers;
}

/* Is no part of it being sent, or was in the last VMO_TIDY_LOOKS periods? */
static bool is_old(const struct vmo_subst *s, const struct vmo_block *block)
{
	uint32_t age = s->admission.now - s->tidied[VMO_TIDY_LOOKS - 1];

	for (const struct vmo_assoc *a = s->table.at; a < s->table.at + s->table.count; a++)
		if (a->block == block && vmo_subst_age(s, a) < age)
			return false;
	return !vmo_subst_in_transfer(s, block);
}

/* One large buffer may be more than is copied at one time, but not so large that its copy would be felt. */
static bool fits(uint32_t pages, uint32_t most)
{
	return pages <= most || (most == VMO_TIDY_PAGES && pages <= VMO_TIDY_LARGEST);
}

static unsigned leave_old(struct vmo_subst *s, uint32_t *most)
{
	unsigned buffers = 0, left;

	for (uint32_t i = 0; i < s->table.count; i++) {
		const struct vmo_assoc *a = &s->table.at[i];
		uint32_t pages = a->block ? a->block->pages : 0;

		if (!pages || !fits(pages, *most) || !is_old(s, a->block))
			continue;
		left = vmo_subst_evict_block(s, a->block);
		if (!left)
			break;
		buffers += left;
		*most -= pages < *most ? pages : *most;
		i--;
	}
	return buffers;
}

static unsigned tidy(struct vmo_subst *s, struct vmo_pool *pool, uint32_t *most)
{
	unsigned buffers = 0;
	uint32_t taken;

	for (uint32_t run = 0; (taken = vmo_pool_sparse(pool, &run)); run++)
		if (taken <= *most && is_idle(s, pool, run, taken)) {
			*most -= taken;
			buffers += empty(s, pool, run);
		}
	return buffers;
}

static unsigned leave_sparse(struct vmo_subst *s, struct vmo_pool *const *pool, uint32_t pools, uint32_t most)
{
	unsigned buffers = 0;

	for (uint32_t i = 0; i < pools && most; i++) {
		struct vmo_pool_usage usage = vmo_pool_usage(pool[i]);

		if (usage.pages_taken < usage.pages / 2)
			buffers += tidy(s, pool[i], &most);
	}
	return buffers;
}

static bool one_scar(const struct vmo_assoc *a, const struct vmo_assoc *b)
{
	return !a->block && !b->block && a->end == b->begin;
}

static void join_scars(struct vmo_subst *s)
{
	struct vmo_assoc *at = s->table.at;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < s->table.count; i++)
		if (kept && one_scar(&at[kept - 1], &at[i]))
			at[kept - 1].end = at[i].end;
		else
			at[kept++] = at[i];
	s->table.count = kept;
}

unsigned vmo_subst_tidy(struct vmo_subst *s, struct vmo_pool *const *pool, uint32_t pools)
{
	uint32_t most = VMO_TIDY_PAGES;
	unsigned buffers = 0;

	vmo_subst_lock();
	if (s->enabled) {
		join_scars(s);
		trim_all(s);
	}
	if (vmo_subst_undisturbed(s)) {
		buffers = leave_old(s, &most);
		buffers += leave_sparse(s, pool, pools, most);
	}
	vmo_count(idle_buffers, buffers);
	memmove(s->tidied + 1, s->tidied, sizeof s->tidied - sizeof s->tidied[0]);
	s->tidied[0] = s->admission.now;
	vmo_subst_unlock();
	return buffers;
}
