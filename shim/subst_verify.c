/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "subst_internal.h"

#include "fault.h"
#include "memarea.h"
#include "regcache.h"
#include "underlay.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* What is looked at while one association is verified. */
struct look {
	int pagemap;
	bool exact;			/* by /proc/self/maps, too */
	struct vmo_assoc a;
	uintptr_t known_end;		/* the answer of maps below it */
	bool alike;
};

static const char *view_at(const struct vmo_assoc *a, uintptr_t page)
{
	return a->block->view + (size_t)a->first * VMO_PAGE_BYTES + (page - a->begin);
}

/* The mapping of the block's pages itself; not to be told: no. */
static bool is_mapped(const struct vmo_assoc *a, uintptr_t page, size_t *bytes)
{
	return vmo_memarea_alike(page, (uintptr_t)view_at(a, page), bytes) == 1;
}

static bool sound(struct look *look, uintptr_t page)
{
	size_t bytes = look->a.end - page;

	if (vmo_memarea_shared(look->pagemap, page) != 1)
		return false;
	if (look->exact && page >= look->known_end) {
		look->alike = is_mapped(&look->a, page, &bytes);
		look->known_end = page + bytes;
	}
	return !look->exact || look->alike;
}

/* The first page of [page, end) whose soundness is not `as`, or end. */
static uintptr_t skip(struct look *look, uintptr_t page, bool as)
{
	while (page < look->a.end && sound(look, page) == as)
		page += VMO_PAGE_BYTES;
	return page;
}

/*
 * Entry i is stale throughout. Where the mapping is still the pool's, but without its pages (MADV_DONTNEED), it would
 * fault, or show other messages: private pages with the content take its place. All else there is the program's.
 */
static void forget(struct vmo_subst *s, uint32_t i)
{
	struct vmo_assoc a = s->table.at[i];
	bool lost = false;

	for (size_t done = 0, n; done < a.end - a.begin; done += n) {
		uintptr_t page = a.begin + done;
		n = a.end - page;
		if (!is_mapped(&a, page, &n))
			continue;
		lost |= vmo_underlay_copy(page, n, view_at(&a, page)) != 0;
		vmo_regcache_tell(page, n);
	}
	if (lost) {
		vmo_subst_abandon(s, i);
		return;
	}
	vmo_assoc_remove(&s->table, i);
	vmo_block_drop(a.block);
}

/* Returns whether all of entry i is sound. */
static bool verify_one(struct vmo_subst *s, uint32_t i, int pagemap, bool exact)
{
	struct look look = { .pagemap = pagemap, .exact = exact, .a = s->table.at[i] };
	uintptr_t begin = skip(&look, look.a.begin, true), end;

	if (begin == look.a.end)
		return true;
	end = skip(&look, begin, false);
	if (vmo_subst_cut(s, begin) || vmo_subst_cut(s, end))
		vmo_subst_abandon(s, vmo_assoc_find(&s->table, begin));
	else
		forget(s, vmo_assoc_find(&s->table, begin));
	return false;
}

int vmo_subst_verify(struct vmo_subst *s, uintptr_t begin, uintptr_t end, bool exact)
{
	int pagemap = vmo_fault(proc_pagemap) ? -1 : open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC), result = 1;
	uint32_t i = vmo_assoc_find(&s->table, begin);

	if (pagemap < 0)
		return -errno;
	while (i < s->table.count && s->table.at[i].begin < end) {
		bool is_sound = !s->table.at[i].block || verify_one(s, i, pagemap, exact);

		i += is_sound;	/* what is left of an unsound one is looked at again */
		result &= is_sound;
	}
	close(pagemap);
	vmo_subst_watch(s);
	return result;
}
