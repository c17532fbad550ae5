/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "subst_internal.h"

#include "fault.h"
#include "log.h"
#include "memarea.h"
#include "regcache.h"
#include "stats.h"
#include "underlay.h"

#include <errno.h>
#include <string.h>

/* The rest of the table is left for splitting what is there. */
#define TABLE_FULL (VMO_ASSOC_MOST / 4 * 3)

/* Pages to substitute: first the gaps of an interior, then each gap's blocks. */
struct fill {
	uintptr_t begin, end;
	struct vmo_block *block;
};

struct plan {
	int gaps, fills;
	int kept;		/* pieces that are in place already */
	bool foreign;		/* another domain has some of the pages */
	struct fill gap[VMO_SUBST_PIECES_MOST], fill[VMO_SUBST_PIECES_MOST];
};

static void add_gap(struct plan *plan, uintptr_t begin, uintptr_t end)
{
	if (begin < end && plan->gaps < VMO_SUBST_PIECES_MOST)
		plan->gap[plan->gaps++] = (struct fill){ begin, end, NULL };
}

static void survey(struct vmo_subst *s, const struct vmo_pool *pool, uintptr_t begin, uintptr_t end, struct plan *plan)
{
	struct vmo_assoc_table *t = &s->table;

	plan->gaps = plan->fills = plan->kept = 0;
	plan->foreign = false;
	for (uint32_t i = vmo_assoc_find(t, begin); i < t->count && t->at[i].begin < end; i++) {
		if (!t->at[i].block)
			continue;	/* a scar is a gap like any other */
		plan->foreign |= t->at[i].block->pool != pool;
		plan->kept++;
		add_gap(plan, begin, t->at[i].begin);
		begin = t->at[i].end;
	}
	add_gap(plan, begin, end);
}

/* Takes blocks for one gap, at most `most`. */
static int fill_gap(struct plan *plan, struct vmo_pool *pool, const struct fill *gap, int most)
{
	uintptr_t at = gap->begin;

	for (; at < gap->end; most--) {
		uint32_t pages = (uint32_t)((gap->end - at) >> VMO_PAGE_SHIFT);
		struct fill *fill = &plan->fill[plan->fills];
		int rc = most > 0 ? vmo_pool_take_lasting(pool, pages, (pages + (uint32_t)most - 1) / (uint32_t)most, &fill->block)
		                  : -ENOSPC;

		if (rc)
			return rc;
		fill->begin = at;
		fill->end = at += (size_t)fill->block->pages * VMO_PAGE_BYTES;
		plan->fills++;
	}
	return 0;
}

static void drop_fills(struct plan *plan, int from)
{
	for (int i = from; i < plan->fills; i++)
		vmo_block_drop(plan->fill[i].block);
}

static int take_blocks(struct plan *plan, struct vmo_pool *pool, int most)
{
	int rc = 0;

	plan->fills = 0;
	for (int i = 0; !rc && i < plan->gaps; i++)	/* each later gap needs a piece, too */
		rc = fill_gap(plan, pool, &plan->gap[i], most - plan->kept - plan->fills - (plan->gaps - 1 - i));
	if (rc)
		drop_fills(plan, 0);
	return rc;
}

/*
 * The same, and where the pool is full buffers leave it that were not sent for twice as long as it takes this
 * one to come again. So buffers in rotation, more than fit, do not drive each other out: those that are in place
 * stay, the others are staged.
 */
static int make_room(struct vmo_subst *s, struct plan *plan, struct vmo_pool *pool, uintptr_t begin, uintptr_t end,
                     int most)
{
	struct vmo_eviction wish = { .pool = pool, .begin = begin, .end = end };
	int rc = take_blocks(plan, pool, most);

	if (vmo_likely(!vmo_pool_full(rc)))
		return rc;
	wish.age = 2 * vmo_admission_interval(&s->admission, begin, end);
	for (int i = 0; i < plan->gaps; i++)
		wish.pages += (uint32_t)((plan->gap[i].end - plan->gap[i].begin) >> VMO_PAGE_SHIFT);
	for (int n = 0; vmo_pool_full(rc) && n < VMO_EVICT_MOST && vmo_subst_evict_one(s, &wish); n++)
		rc = take_blocks(plan, pool, most);
	return rc;
}

/*
 * The block's pages get the content, then the user's place. A MAP_FIXED that fails may have unmapped
 * the old pages already: the content comes back from the block.
 */
static int place(struct vmo_subst *s, const struct fill *fill)
{
	size_t bytes = fill->end - fill->begin;
	int rc;

	memcpy(fill->block->view, (const void *)fill->begin, bytes);
	uint64_t began = vmo_now_ns();
	rc = vmo_block_place(fill->block, 0, fill->block->pages, (void *)fill->begin);
	if (vmo_likely(!rc))
		vmo_admission_mapped(&s->admission, bytes, vmo_now_ns() - began);
	vmo_regcache_tell(fill->begin, bytes);
	if (rc && vmo_underlay_copy(fill->begin, bytes, fill->block->view))
		vmo_error("memory at %#lx is lost: neither granted nor private pages could be mapped there",
		          (unsigned long)fill->begin);
	return rc;
}

static void forget_scars(struct vmo_subst *s, uintptr_t begin, uintptr_t end)
{
	uint32_t i;

	vmo_subst_cut(s, begin);
	vmo_subst_cut(s, end);
	for (i = vmo_assoc_find(&s->table, begin); i < s->table.count && s->table.at[i].begin < end;)
		vmo_assoc_remove(&s->table, i);
}

static void remember(struct vmo_subst *s, uintptr_t begin, uintptr_t end)
{
	if (!s->once_end || begin < s->once_begin)
		s->once_begin = begin;
	if (end > s->once_end)
		s->once_end = end;
}

/* All fills or none. */
static int place_fills(struct vmo_subst *s, struct plan *plan, uintptr_t begin, uintptr_t end)
{
	for (int i = 0; i < plan->fills; i++) {
		const struct fill *f = &plan->fill[i];
		struct vmo_assoc a = { f->begin, f->end, f->block, 0, 0, s->admission.now, begin, end };
		int ignored, rc;

		forget_scars(s, f->begin, f->end);
		rc = place(s, f);
		if (rc) {
			drop_fills(plan, i);
			for (int k = 0; k < i; k++)
				vmo_subst_release(s, plan->fill[k].begin, plan->fill[k].end, VMO_HOW_SWAP, VMO_WHY_ANEW, &ignored);
			vmo_subst_watch(s);
			return rc;
		}
		remember(s, f->begin, f->end);
		vmo_assoc_insert(&s->table, &a);	/* room was checked before the first one */
		vmo_subst_watch(s);
		vmo_count(substituted_pages, f->block->pages);
	}
	vmo_count(substitutions, 1);
	return 0;
}

static bool all_allowed(const struct plan *plan)
{
	for (int i = 0; i < plan->gaps; i++)
		if (!vmo_memarea_allows(plan->gap[i].begin, plan->gap[i].end))
			return false;
	return true;
}

/* Too many pieces: ends what is in place, so that the whole interior can be taken as one. */
static int consolidate(struct vmo_subst *s, const struct vmo_pool *pool, uintptr_t begin, uintptr_t end,
                       struct plan *plan)
{
	int rc = 0;

	vmo_subst_release(s, begin, end, VMO_HOW_SWAP, VMO_WHY_ANEW, &rc);
	survey(s, pool, begin, end, plan);
	return rc;
}

static int substitute(struct vmo_subst *s, struct plan *plan, struct vmo_pool *pool, uintptr_t begin, uintptr_t end,
                      int most)
{
	uint64_t began = vmo_time_begin();
	int rc = make_room(s, plan, pool, begin, end, most);

	if (rc)
		vmo_admission_no_room(&s->admission, begin, end);
	else
		rc = place_fills(s, plan, begin, end);
	vmo_time_end(began, VMO_C_substitute_ns);
	return rc;
}

int vmo_subst_fill(struct vmo_subst *s, struct vmo_pool *pool, uintptr_t begin, uintptr_t end, int most)
{
	struct plan plan;
	int rc;

	if (vmo_regcache_bars())
		return 0;
	survey(s, pool, begin, end, &plan);
	if (plan.foreign || !vmo_admission_sent(&s->admission, begin, end))
		return 0;
	if (s->table.count > TABLE_FULL || vmo_fault(assoc_room))
		return 0;
	if (s->gaps && !vmo_subst_undisturbed(s)) {
		vmo_admission_refused(&s->admission, begin, end);
		return 0;
	}
	if (plan.kept + plan.gaps > most) {
		rc = consolidate(s, pool, begin, end, &plan);
		if (rc)
			return rc;
	}
	if (!all_allowed(&plan)) {
		vmo_admission_refused(&s->admission, begin, end);
		return 0;
	}
	return substitute(s, &plan, pool, begin, end, most);
}
