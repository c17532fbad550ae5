/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs and their catalog: what is granted, within the budget, and how the peer learns of it. */
#include "pool_internal.h"

#include "fault.h"
#include "log.h"
#include "stats.h"

#include <errno.h>
#include <string.h>

#define REFUSED_NS 250000000ull		/* so long a refused size is not asked for again */

/* ---- granted memory ---- */

/* Pages within the budget, granted read-only, and seen at `fixed` or anywhere. */
static int grant_pages(struct vmo_pool *pool, uint32_t pages, void *fixed, struct vmo_grant *grant, vmo_gref *grefs,
                       void **view)
{
	int rc = vmo_budget_take(pool->budget, pages);

	if (rc)
		return rc;
	rc = vmo_xen_grant(pool->xen, pool->peer, pages, false, grant, grefs);
	if (rc)
		goto give;
	rc = vmo_xen_view(pool->xen, grant, 0, pages, fixed, true, view);
	if (rc)
		goto ungrant;
	vmo_count(granted_pages, pages);
	return 0;
ungrant:
	vmo_xen_ungrant(pool->xen, grant);
give:
	vmo_budget_give(pool->budget, pages);
	return rc;
}

void vmo_pool_ungrant(struct vmo_pool *pool, const struct vmo_grant *grant, void *view)
{
	int rc;

	if (view)
		vmo_xen_unview(pool->xen, view, grant->pages);
	rc = vmo_xen_ungrant(pool->xen, grant);
	if (rc)
		vmo_warn("cannot take back %u pages granted to domain %u: %s", grant->pages, pool->peer, strerror(-rc));
	vmo_budget_give(pool->budget, grant->pages);
}

/* ---- catalog ---- */

static uint32_t gref_pages_for(uint32_t pages)
{
	return (pages + (uint32_t)VMO_GREFS_PER_PAGE - 1) / (uint32_t)VMO_GREFS_PER_PAGE;
}

/* Gref pages enough for so many pool pages. Those that came before one failed stay, for the next try. */
static int extend_catalog(struct vmo_pool *pool, uint32_t pages)
{
	while (pool->gref_pages < gref_pages_for(pages)) {
		uint32_t n = pool->gref_pages;
		void *view;
		vmo_gref gref;
		int rc = grant_pages(pool, 1, pool->gref + n * VMO_GREFS_PER_PAGE, &pool->gref_grant[n], &gref, &view);

		if (rc)
			return rc;
		pool->directory->gref_page[n] = gref;
		pool->gref_pages = n + 1;
		__atomic_store_n(&pool->directory->gref_pages, n + 1, __ATOMIC_RELEASE);
	}
	return 0;
}

/* The entry first, then the count: a peer that sees the count sees the entry. */
static void publish(struct vmo_pool *pool, struct run *run, uint32_t first_page)
{
	struct vmo_directory_run *entry = &pool->directory->run[run->number];
	bool is_new = run->number == pool->runs;

	run->generation = entry->generation + 1;
	entry->first_page = first_page;
	entry->pages = run->pages;
	entry->generation = run->generation;
	entry->withdrawn = 0;
	if (is_new) {
		__atomic_store_n(&pool->directory->runs, run->number + 1, __ATOMIC_RELEASE);
		pool->place_pages[run->number] = run->pages;
		pool->next_page += run->pages;
	}
	pthread_mutex_lock(&pool->lock);
	pool->run[run->number] = run;
	pool->runs += is_new;
	pool->additions++;
	pool->hint_run = run->number;
	pthread_mutex_unlock(&pool->lock);
}

/* ---- growing, under grow_lock ---- */

static uint32_t new_place_pages(const struct vmo_pool *pool)
{
	return pool->runs == VMO_DIRECTORY_RUNS ? 0 : VMO_MAX_POOL_PAGES - pool->next_page;
}

/* The number of a run that was given back, with place for so many pages; else the next new one. */
static uint32_t find_number(const struct vmo_pool *pool, uint32_t pages)
{
	for (uint32_t i = 0; i < pool->runs; i++)
		if (!pool->run[i] && pool->place_pages[i] >= pages)
			return i;
	return pool->runs;
}

/* The longest run that the catalog has place for. */
static uint32_t most_pages(const struct vmo_pool *pool)
{
	uint32_t most = new_place_pages(pool);

	for (uint32_t i = 0; i < pool->runs; i++)
		if (!pool->run[i] && pool->place_pages[i] > most)
			most = pool->place_pages[i];
	return min_u32(most, VMO_XEN_MOST_PAGES);
}

static int add_run(struct vmo_pool *pool, uint32_t pages)
{
	uint32_t number = find_number(pool, pages);
	uint32_t first = number < pool->runs ? pool->directory->run[number].first_page : pool->next_page;
	struct run *run = vmo_fault(pool_run) ? NULL : vmo_raw_alloc(vmo_run_bytes(pages), PROT_READ | PROT_WRITE);
	void *view = NULL;
	int rc = run ? extend_catalog(pool, first + pages) : -ENOMEM;

	/* The grefs go straight to their place in the catalog; no peer looks there before publish. */
	if (!rc)
		rc = grant_pages(pool, pages, NULL, &run->grant, pool->gref + first, &view);
	if (rc) {
		vmo_raw_free(run, vmo_run_bytes(pages));
		return rc;
	}
	run->view = view;
	run->number = number;
	run->pages = run->free = pages;
	publish(pool, run, first);
	vmo_count(runs, 1);
	vmo_debug("run %u for domain %u: %u pages", run->number, pool->peer, pages);
	return 0;
}

/* The most that may be tried: what one call, the catalog and the budget have room for. */
static uint32_t fit(const struct vmo_pool *pool, uint32_t step)
{
	uint64_t room = vmo_budget_room(pool->budget);

	step = min_u32(step, most_pages(pool));
	return room < step ? (uint32_t)room : step;
}

/* A full driver is not asked again and again for the same: each refusal costs it a lot of work. */
static uint32_t avoid_refused(const struct vmo_pool *pool, uint32_t step, uint32_t least)
{
	uint32_t refused = pool->refused_pages;

	if (!refused || step < refused || vmo_now_ns() - pool->refused_ns > REFUSED_NS)
		return step;
	return refused / 2 > least ? refused / 2 : min_u32(least, refused - 1);
}

/* Where a whole step finds no room (its gref pages took the last, or gntalloc is full): less, down to `least`. */
static int add_some_run(struct vmo_pool *pool, uint32_t pages, uint32_t least)
{
	uint32_t step = pages > pool->run_pages ? pages : pool->run_pages;
	int rc;

	if (vmo_pool_rescue(pool, least))
		return 0;
	if (least > most_pages(pool))
		return -EMFILE;
	for (;;) {
		step = avoid_refused(pool, fit(pool, step), least);
		if (step < least)
			return -ENOSPC;
		rc = add_run(pool, step);
		if (rc != -ENOSPC)
			return rc;
		pool->refused_pages = step;
		pool->refused_ns = vmo_now_ns();
	}
}

int vmo_pool_grow(struct vmo_pool *pool, uint32_t pages, uint32_t least, uint32_t seen)
{
	int rc;

	pthread_mutex_lock(&pool->grow_lock);
	rc = pool->additions == seen ? add_some_run(pool, pages, least) : 0;
	pthread_mutex_unlock(&pool->grow_lock);
	return rc;
}


int vmo_pool_new_catalog(struct vmo_pool *pool)
{
	void *view;
	int rc;

	pool->gref = vmo_fault(pool_grefs) ? NULL : vmo_raw_alloc(VMO_MAX_POOL_PAGES * sizeof *pool->gref, PROT_NONE);
	if (!pool->gref)
		return -ENOMEM;
	rc = grant_pages(pool, 1, NULL, &pool->directory_grant, &pool->directory_gref, &view);
	if (rc) {
		vmo_raw_free(pool->gref, VMO_MAX_POOL_PAGES * sizeof *pool->gref);
		return rc;
	}
	pool->directory = view;
	pool->directory->version = VMO_DIRECTORY_VERSION;
	return 0;
}

/* The gref pages' views go in one piece: a hole among them might become someone else's memory. */
void vmo_pool_free_grants(struct vmo_pool *pool)
{
	for (uint32_t i = 0; i < pool->runs; i++) {
		struct run *run = pool->run[i];

		if (!run)
			continue;
		vmo_pool_ungrant(pool, &run->grant, run->view);
		vmo_raw_free(run, vmo_run_bytes(run->pages));
	}
	vmo_raw_free(pool->gref, VMO_MAX_POOL_PAGES * sizeof *pool->gref);
	for (uint32_t i = 0; i < pool->gref_pages; i++)
		vmo_pool_ungrant(pool, &pool->gref_grant[i], NULL);
	vmo_pool_ungrant(pool, &pool->directory_grant, pool->directory);
}
