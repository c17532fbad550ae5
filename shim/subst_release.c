/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "subst_internal.h"

#include "log.h"
#include "regcache.h"
#include "underlay.h"

#include <string.h>
#include <sys/single_threaded.h>

/* How one call of vmo_subst_release ends what it finds. */
struct ending {
	enum vmo_subst_how how;
	enum vmo_subst_why why;
	bool settle;	/* other threads may be writing */
	bool whole;	/* no room to split entries: all of an entry ends, whatever the range */
	int *error;
};

void vmo_subst_watch(struct vmo_subst *s)
{
	struct vmo_assoc_table *t = &s->table;
	uintptr_t begin = t->count ? t->at[0].begin : 0, end = t->count ? t->at[t->count - 1].end : 0;

	/* Old and new values both hold every page that stays associated, so no order is wrong. */
	__atomic_store_n(&s->hook->begin, begin, __ATOMIC_RELAXED);
	__atomic_store_n(&s->hook->end, end, __ATOMIC_RELAXED);
}

static size_t bytes_of(const struct vmo_assoc *a)
{
	return a->end - a->begin;
}

static const char *view_of(const struct vmo_assoc *a)
{
	return a->block->view + (size_t)a->first * VMO_PAGE_BYTES;
}

static int put_private_pages(const struct vmo_assoc *a, const struct ending *e)
{
	switch (e->how) {
	case VMO_HOW_ZERO:
		return vmo_underlay_zero(a->begin, bytes_of(a));
	case VMO_HOW_COPY:
		return vmo_underlay_copy(a->begin, bytes_of(a), view_of(a));
	default:
		return vmo_underlay_swap(a->begin, bytes_of(a), view_of(a), e->settle);
	}
}

static void account(struct vmo_subst *s, const struct vmo_assoc *a, enum vmo_subst_why why)
{
	if (why == VMO_WHY_FORK)
		vmo_admission_interrupted(&s->admission, a->origin_begin, a->origin_end);
	else if (why == VMO_WHY_LATE || why == VMO_WHY_HOOK || why == VMO_WHY_ROOM)
		vmo_admission_ended(&s->admission, a->origin_begin, a->origin_end, a->uses);
}

void vmo_subst_abandon(struct vmo_subst *s, uint32_t i)
{
	static bool warned;

	if (!__atomic_exchange_n(&warned, true, __ATOMIC_RELAXED))
		vmo_warn("%zu granted bytes stay unused: memory that the program gave up could not be detached",
		         bytes_of(&s->table.at[i]));
	vmo_assoc_remove(&s->table, i);
}

/* Returns whether the association ended. */
static bool end_association(struct vmo_subst *s, uint32_t i, const struct ending *e)
{
	struct vmo_assoc a = s->table.at[i];
	bool swap = e->how == VMO_HOW_SWAP;
	int rc = put_private_pages(&a, e);

	vmo_regcache_tell(a.begin, bytes_of(&a));
	if (rc)
		*e->error = rc;
	if (rc && (swap && !e->whole))
		return false;
	if (rc)
		vmo_subst_abandon(s, i);
	else if (swap && !e->whole)
		s->table.at[i].block = NULL;	/* a scar */
	else
		vmo_assoc_remove(&s->table, i);
	if (!rc)
		vmo_block_drop(a.block);
	account(s, &a, e->why);
	return true;
}

/* A scar that cannot be mended only makes an mremap of the program's fail. */
static void end_scar(struct vmo_subst *s, uint32_t i, const struct ending *e)
{
	struct vmo_assoc *a = &s->table.at[i];

	if (e->how == VMO_HOW_COPY) {
		vmo_underlay_mend(a->begin, bytes_of(a));
		vmo_regcache_tell(a->begin, bytes_of(a));
	}
	if (e->how != VMO_HOW_SWAP)
		vmo_assoc_remove(&s->table, i);
}

int vmo_subst_cut(struct vmo_subst *s, uintptr_t address)
{
	int rc = vmo_assoc_cut(&s->table, address);
	struct vmo_block *rest;
	struct vmo_assoc *a;

	if (rc <= 0)
		return rc;
	a = &s->table.at[vmo_assoc_find(&s->table, address)];
	if (!a->block)
		return 0;
	rest = vmo_block_split(a->block, a->first, 1, 1);
	if (rest) {
		a->block = rest;
		a->first = 0;
	} else {
		vmo_block_hold(a->block);	/* both come free with the last of its users */
	}
	return 0;
}

static struct ending plan_ending(struct vmo_subst *s, uintptr_t begin, uintptr_t end, enum vmo_subst_how how,
                                 enum vmo_subst_why why, int *error)
{
	struct ending e = { how, why, (why == VMO_WHY_FORK || why == VMO_WHY_END) && !__libc_single_threaded, false, error };

	e.settle |= why == VMO_WHY_ROOM;

	if (!vmo_subst_cut(s, begin) && !vmo_subst_cut(s, end))
		return e;
	e.whole = e.settle = true;
	e.how = VMO_HOW_SWAP;	/* others may use the rest */
	return e;
}

unsigned vmo_subst_release(struct vmo_subst *s, uintptr_t begin, uintptr_t end, enum vmo_subst_how how,
                           enum vmo_subst_why why, int *error)
{
	struct ending e = plan_ending(s, begin, end, how, why, error);
	uintptr_t origin = 0;
	unsigned buffers = 0;
	uint32_t i = vmo_assoc_find(&s->table, begin);

	while (i < s->table.count && s->table.at[i].begin < end) {
		struct vmo_assoc a = s->table.at[i];
		uint32_t before = s->table.count;

		if (!a.block) {
			end_scar(s, i, &e);
		} else if (end_association(s, i, &e)) {
			buffers += a.origin_begin != origin;
			origin = a.origin_begin;
		}
		i += s->table.count == before;
	}
	vmo_subst_watch(s);
	return buffers;
}
