/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "subst_internal.h"

#include "memarea.h"
#include "underlay.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* The first page of [page, end) whose soundness is not `sound`, or end. */
static uintptr_t skip(int pagemap, uintptr_t page, uintptr_t end, bool sound)
{
	while (page < end && (vmo_memarea_shared(pagemap, page) == 1) == sound)
		page += VMO_PAGE_BYTES;
	return page;
}

/* Entry i is stale throughout. */
static void forget(struct vmo_subst *s, uint32_t i)
{
	struct vmo_assoc a = s->table.at[i];
	const char *view = a.block->view + (size_t)a.first * VMO_PAGE_BYTES;

	/* A mapping of the pool without its pages (MADV_DONTNEED) would fault, or show other messages. */
	if (vmo_memarea_maps_shared(a.begin) && vmo_underlay_copy(a.begin, a.end - a.begin, view)) {
		vmo_subst_abandon(s, i);
		return;
	}
	vmo_assoc_remove(&s->table, i);
	vmo_block_drop(a.block);
}

/* Returns whether all of entry i is sound. */
static bool verify_one(struct vmo_subst *s, uint32_t i, int pagemap)
{
	struct vmo_assoc a = s->table.at[i];
	uintptr_t begin = skip(pagemap, a.begin, a.end, true), end;

	if (begin == a.end)
		return true;
	end = skip(pagemap, begin, a.end, false);
	if (vmo_subst_cut(s, begin) || vmo_subst_cut(s, end))
		vmo_subst_abandon(s, vmo_assoc_find(&s->table, begin));
	else
		forget(s, vmo_assoc_find(&s->table, begin));
	return false;
}

int vmo_subst_verify(struct vmo_subst *s, uintptr_t begin, uintptr_t end)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC), result = 1;
	uint32_t i = vmo_assoc_find(&s->table, begin);

	if (pagemap < 0)
		return -errno;
	while (i < s->table.count && s->table.at[i].begin < end) {
		bool sound = !s->table.at[i].block || verify_one(s, i, pagemap);

		i += sound;	/* what is left of an unsound one is looked at again */
		result &= sound;
	}
	close(pagemap);
	vmo_subst_watch(s);
	return result;
}
