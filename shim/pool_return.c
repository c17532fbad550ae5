/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs that nobody uses: withdrawn, then given back, or rescued. */
#include "pool_internal.h"

#include "log.h"
#include "stats.h"

#define SPARSE 4	/* one page of so many is taken, at most */
#define QUIET 2		/* looks, between which nothing was taken */

/* Lock held. Is it to be withdrawn? A run whose mappers still have its pages in use has blocks. */
static bool is_idle(struct run *run, bool at_once)
{
	if (!run || run->withdrawn || run->free != run->pages)
		return false;
	return at_once || ++run->quiet >= QUIET;
}

uint32_t vmo_pool_withdraw(struct vmo_pool *pool, bool at_once)
{
	uint32_t number, count = 0;

	pthread_mutex_lock(&pool->grow_lock);
	number = pool->withdrawals + 1 ? pool->withdrawals + 1 : 1;	/* 0 means in service */
	pthread_mutex_lock(&pool->lock);
	for (uint32_t i = 0; i < pool->runs; i++)
		if (is_idle(pool->run[i], at_once)) {
			pool->run[i]->withdrawn = number;
			pool->directory->run[i].withdrawn = number;
			count++;
		}
	pthread_mutex_unlock(&pool->lock);
	if (count) {
		__atomic_store_n(&pool->withdrawals, number, __ATOMIC_RELAXED);
		__atomic_fetch_add(&pool->leaving, count, __ATOMIC_RELAXED);
		__atomic_store_n(&pool->directory->withdrawals, number, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&pool->grow_lock);
	return count;
}

uint32_t vmo_pool_sparse(struct vmo_pool *pool, uint32_t *number)
{
	uint32_t taken = 0;

	pthread_mutex_lock(&pool->lock);
	for (; *number < pool->runs; ++*number) {
		const struct run *run = pool->run[*number];

		taken = run && !run->withdrawn ? run->pages - run->free : 0;
		if (taken && taken <= run->pages / SPARSE)
			break;
		taken = 0;
	}
	pthread_mutex_unlock(&pool->lock);
	return taken;
}

uint32_t vmo_pool_withdrawals(const struct vmo_pool *pool)
{
	return __atomic_load_n(&pool->withdrawals, __ATOMIC_RELAXED);
}

uint32_t vmo_pool_leaving(const struct vmo_pool *pool)
{
	return __atomic_load_n(&pool->leaving, __ATOMIC_RELAXED);
}

/* A peer that unmapped it meanwhile maps it again when a message names it. */
bool vmo_pool_rescue(struct vmo_pool *pool, uint32_t least)
{
	bool rescued = false;

	if (!pool->leaving)
		return false;
	pthread_mutex_lock(&pool->lock);
	for (uint32_t i = 0; i < pool->runs && !rescued; i++) {
		struct run *run = pool->run[i];

		if (!run || !run->withdrawn || run->pages < least)
			continue;
		pool->directory->run[i].withdrawn = 0;
		run->withdrawn = run->quiet = 0;
		pool->hint_run = i;
		pool->additions++;
		rescued = true;
	}
	pthread_mutex_unlock(&pool->lock);
	__atomic_fetch_sub(&pool->leaving, rescued, __ATOMIC_RELAXED);
	return rescued;
}

/* Out of the pool, if this withdrawal, seen by all, took it. grow_lock held. */
static struct run *take_out(struct vmo_pool *pool, uint32_t number, uint32_t seen)
{
	struct run *run;

	pthread_mutex_lock(&pool->lock);
	run = pool->run[number];
	if (run && run->withdrawn && (int32_t)(seen - run->withdrawn) >= 0)
		pool->run[number] = NULL;
	else
		run = NULL;
	pthread_mutex_unlock(&pool->lock);
	return run;
}

uint32_t vmo_pool_give_back(struct vmo_pool *pool, uint32_t seen)
{
	uint32_t count = 0;

	if (!vmo_pool_leaving(pool))
		return 0;
	pthread_mutex_lock(&pool->grow_lock);
	for (uint32_t i = 0; i < pool->runs; i++) {
		struct run *run = take_out(pool, i, seen);

		if (!run)
			continue;
		vmo_pool_ungrant(pool, &run->grant, run->view);
		vmo_debug("run %u for domain %u: %u pages given back", i, pool->peer, run->pages);
		vmo_raw_free(run, vmo_run_bytes(run->pages));
		count++;
	}
	if (count)
		pool->refused_pages = 0;	/* the driver has room again */
	__atomic_fetch_sub(&pool->leaving, count, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&pool->grow_lock);
	vmo_count(returned_runs, count);
	return count;
}
