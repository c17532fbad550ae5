/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Detaching without giving up: the message keeps its pages, the user's buffer gets others of the same
 * pool, with the same content. The sender goes on as after any detach, and its next send is in place
 * again; private pages would have to earn that anew, and cost page faults.
 */
#include "subst_internal.h"

#include "regcache.h"
#include "stats.h"

#include <string.h>

static int move_one(struct vmo_assoc *a)
{
	uint32_t pages = vmo_assoc_pages(a);
	struct vmo_block *fresh;
	int rc = vmo_pool_take_lasting(a->block->pool, pages, pages, &fresh);

	if (rc)
		return rc;
	memcpy(fresh->view, a->block->view + (size_t)a->first * VMO_PAGE_BYTES, (size_t)pages * VMO_PAGE_BYTES);
	rc = vmo_block_place(fresh, 0, pages, (void *)a->begin);
	vmo_regcache_tell(a->begin, a->end - a->begin);
	if (rc) {
		vmo_block_drop(fresh);
		return rc;
	}
	vmo_block_drop(a->block);
	a->block = fresh;
	a->first = 0;
	return 0;
}

int vmo_subst_move(struct vmo_subst *s, uintptr_t begin, uintptr_t end)
{
	int rc = vmo_subst_cut(s, begin);

	if (!rc)
		rc = vmo_subst_cut(s, end);
	for (uint32_t i = vmo_assoc_find(&s->table, begin); !rc && i < s->table.count && s->table.at[i].begin < end; i++)
		if (s->table.at[i].block)
			rc = move_one(&s->table.at[i]);
	if (!rc)
		vmo_count(moves, 1);
	return rc;
}
