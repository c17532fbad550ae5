/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From one gref, the directory's, a peer finds every page of every run, also beyond the first gref page. */
#include "xen_pair.h"

#include "pool.h"

#define BLOCKS 9
#define PAGES 300	/* a run each: 2700 pages, so three gref pages, and runs that straddle them */

static void granter(struct pair *pair)
{
	struct vmo_budget budget = { .pages = 10000 };
	struct vmo_pool *pool;
	struct vmo_block *block[BLOCKS];
	vmo_gref gref;

	CHECK_RC(vmo_pool_new(&pool, pair->xen, pair->peer, 256 * PAGE, &budget), 0);
	gref = vmo_pool_directory_gref(pool);
	pair_tell(pair, &gref, sizeof gref);
	pair_meet(pair);		/* it has mapped the directory: the rest comes while it looks */
	for (unsigned i = 0; i < BLOCKS; i++) {
		CHECK_RC(vmo_pool_take(pool, PAGES, PAGES, &block[i]), 0);
		CHECK_RC(block[i]->run, i);
		pair_fill(block[i]->view, PAGES * PAGE, i);
		pair_tell(pair, &block[i]->generation, sizeof(uint32_t));
	}
	pair_meet(pair);
	for (unsigned i = 0; i < BLOCKS; i++)
		vmo_block_drop(block[i]);
	vmo_pool_free(pool);
	CHECK_RC(budget.used, 0);
}

static void check_run(struct pair *pair, const struct vmo_directory *directory, const vmo_gref *grefs, unsigned run,
                      uint32_t generation)
{
	const struct vmo_directory_run *entry = &directory->run[run];
	void *at;

	CHECK_RC(entry->pages, PAGES);
	CHECK_RC(entry->first_page, run * PAGES);
	CHECK_RC(entry->generation, generation);
	CHECK_RC(vmo_xen_map(pair->xen, pair->peer, grefs + entry->first_page, PAGES, false, &at), 0);
	CHECK(pair_same(at, 0, PAGES * PAGE, run));
	CHECK_RC(vmo_xen_unmap(pair->xen, at, PAGES), 0);
}

static void mapper(struct pair *pair)
{
	const struct vmo_directory *directory;
	uint32_t generation[BLOCKS];
	vmo_gref gref, grefs[3 * VMO_GREFS_PER_PAGE];
	void *at;

	pair_hear(pair, &gref, sizeof gref);
	CHECK_RC(vmo_xen_map(pair->xen, pair->peer, &gref, 1, false, &at), 0);
	CHECK_RC(vmo_xen_map(pair->xen, pair->peer, &gref, 1, true, &at), -EINVAL);	/* read-only */
	directory = at;
	CHECK_RC(directory->version, VMO_DIRECTORY_VERSION);
	CHECK(directory->runs == 0 && directory->gref_pages == 0);
	pair_meet(pair);
	for (unsigned i = 0; i < BLOCKS; i++) {
		pair_hear(pair, &generation[i], sizeof generation[i]);
		CHECK(__atomic_load_n(&directory->runs, __ATOMIC_ACQUIRE) > i);
	}
	CHECK_RC(directory->runs, BLOCKS);
	CHECK_RC(directory->gref_pages, 3);
	for (unsigned i = 0; i < 3; i++)
		CHECK_RC(vmo_xen_copy(pair->xen, pair->peer, &directory->gref_page[i], 0, PAGE,
		                      grefs + i * VMO_GREFS_PER_PAGE), 0);
	for (unsigned i = 0; i < BLOCKS; i++)
		check_run(pair, directory, grefs, i, generation[i]);
	pair_meet(pair);
}

int main(void)
{
	setenv("XENEMU_LIMIT", "8192", 1);
	return pair_test(30, granter, mapper);
}
