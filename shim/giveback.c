/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "giveback.h"

#include <stdatomic.h>

#define LOOK_NS 1000000ull	/* between two looks at what is shared */
#define PRESS_NS 100000000ull	/* between two pools' needs: granting anew costs more than some messages by MPI */

/* As a mapper: what peers want back is unmapped, then they are told. */
static void look_at_peers(struct vmo_engine *e)
{
	for (uint32_t r = 0; r < e->ranks; r++) {
		struct vmo_peer *peer = &e->peer[r];
		uint32_t wanted;

		if (!peer->on)
			continue;
		wanted = __atomic_load_n(&peer->remote.directory->withdrawals, __ATOMIC_ACQUIRE);
		if (wanted == peer->withdrawals_seen || !vmo_mapcache_withdraw(e->cache, &peer->remote))
			continue;
		peer->withdrawals_seen = wanted;
		atomic_store_explicit(&peer->in.page->head.withdrawals_seen, wanted, memory_order_release);
	}
}

/* As a granter: the newest withdrawal that all who may map this pool have seen. */
static uint32_t seen_by_all(const struct vmo_engine *e, const struct vmo_pool *pool)
{
	uint32_t least = vmo_pool_withdrawals(pool);

	for (uint32_t r = 0; r < e->ranks; r++) {
		const struct vmo_peer *peer = &e->peer[r];
		uint32_t seen;

		if (!peer->on || peer->pool != pool || !vmo_channel_alive(&peer->in))
			continue;
		seen = atomic_load_explicit(&peer->out.page->head.withdrawals_seen, memory_order_acquire);
		if ((int32_t)(seen - least) < 0)
			least = seen;
	}
	return least;
}

static void collect(struct vmo_engine *e)
{
	for (uint32_t i = 0; i < e->pools; i++)
		if (vmo_pool_leaving(e->pool[i]))
			vmo_pool_give_back(e->pool[i], seen_by_all(e, e->pool[i]));
}

/* Idle is a run of which nothing was taken between two of these, or a buffer that was not sent. */
static void sweep(struct vmo_engine *e, uint64_t now)
{
	uint64_t idle_ns = (uint64_t)e->config.idle_ms * 1000000;

	if (!idle_ns || now < e->sweep_ns)
		return;
	if (e->sweep_ns) {
		vmo_subst_tidy(e->subst, e->pool, e->pools);
		for (uint32_t i = 0; i < e->pools; i++)
			vmo_pool_withdraw(e->pool[i], false);
	}
	e->sweep_ns = now + idle_ns;
}

void vmo_giveback_look(struct vmo_engine *e)
{
	uint64_t now;

	if (!e->cache || !e->subst)	/* something failed at the start: nothing is granted, nothing mapped */
		return;
	now = vmo_now_ns();
	if (now - __atomic_load_n(&e->looked_ns, __ATOMIC_RELAXED) < LOOK_NS)
		return;
	if (__atomic_exchange_n(&e->looking, true, __ATOMIC_ACQUIRE))
		return;
	__atomic_store_n(&e->looked_ns, now, __ATOMIC_RELAXED);
	look_at_peers(e);
	sweep(e, now);
	collect(e);
	__atomic_store_n(&e->looking, false, __ATOMIC_RELEASE);
}

void vmo_giveback_press(struct vmo_engine *e, const struct vmo_pool *needy)
{
	uint64_t now = vmo_now_ns(), before = __atomic_load_n(&e->pressed_ns, __ATOMIC_RELAXED);

	if (e->pools < 2 || (before && now - before < PRESS_NS))
		return;
	__atomic_store_n(&e->pressed_ns, now, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < e->pools; i++)
		if (e->pool[i] != needy)
			vmo_pool_withdraw(e->pool[i], true);
	vmo_giveback_look(e);
}
