/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peer_internal.h"

#include "fault.h"
#include "log.h"
#include "peer_flow.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* `asked` pages, if any were asked for, but not more than there are. */
static uint64_t pages_of(long asked_bytes, uint64_t there_are)
{
	uint64_t asked = (uint64_t)asked_bytes / VMO_PAGE_BYTES;

	return asked_bytes && asked < there_are ? asked : there_are;
}

/*
 * The VM's pages, and this process's part of them: an even share of its job's ranks here, or what an option says.
 * A quarter of what gntalloc allows stays for others.
 */
static void open_budget(const struct vmo_start *s)
{
	struct vmo_engine *e = s->engine;
	uint64_t vm = pages_of(e->config.vm_grant_budget, vmo_xen_grant_limit(e->xen) / 4 * 3);

	e->budget.pages = e->config.grant_budget ? pages_of(e->config.grant_budget, vm) : vm / vmo_hello_ranks_here(s);
	if (vmo_ledger_new(&e->budget.ledger, e->xen, VMO_LEDGER_GRANTS, vm))
		e->budget.ledger = NULL;
}

static int open_cache(const struct vmo_start *s)
{
	struct vmo_engine *e = s->engine;
	uint64_t vm = (uint64_t)e->config.vm_map_budget / VMO_PAGE_BYTES, share = vm / vmo_hello_ranks_here(s);
	uint64_t own = (uint64_t)e->config.map_budget / VMO_PAGE_BYTES;
	int rc = vmo_mapcache_new(&e->cache, e->xen, own < share ? own : share);

	if (!rc && !vmo_ledger_new(&e->maps, e->xen, VMO_LEDGER_MAPS, vm))
		vmo_mapcache_share(e->cache, e->maps);
	return rc;
}

/* The pool for a domain, made when its first peer needs it. NULL: no grants left. */
static struct vmo_pool *pool_for(struct vmo_engine *e, vmo_domid domid)
{
	for (uint32_t i = 0; i < e->pools; i++)
		if (vmo_pool_domid(e->pool[i]) == domid)
			return e->pool[i];
	if (vmo_pool_new(&e->pool[e->pools], e->xen, domid, (size_t)e->config.run_bytes, &e->budget))
		return NULL;
	return e->pool[e->pools++];
}

static void make_offer(struct vmo_engine *e, struct vmo_peer *peer, struct offer *offer)
{
	peer->pool = pool_for(e, peer->domid);
	peer->reason = peer->pool ? VMO_R_xen_error : VMO_R_no_pool;	/* if it goes wrong from here on */
	if (!peer->pool || vmo_channel_open(&peer->out, e->xen, peer->domid, e->rank, peer->rank))
		return;
	if (e->rank < peer->rank && vmo_xen_port_offer(e->xen, peer->domid, &peer->port))
		peer->port = 0;		/* events only shorten long waits */
	offer->channel = peer->out.gref;
	offer->directory = vmo_pool_directory_gref(peer->pool);
	offer->port = peer->port;
	offer->ok = 1;
}

static bool take_offer(struct vmo_engine *e, struct vmo_peer *peer, const struct offer *offer)
{
	void *directory;

	if (!offer->ok || !peer->out.page)
		return false;
	if (vmo_channel_join(&peer->in, e->xen, peer->domid, offer->channel, peer->rank, e->rank))
		return false;
	if (vmo_xen_map(e->xen, peer->domid, &offer->directory, 1, false, &directory))
		return false;
	peer->remote.owner = peer->domid;
	peer->remote.peer = peer->rank;
	peer->remote.directory = directory;
	if (e->rank > peer->rank && offer->port &&
	    vmo_xen_port_bind(e->xen, peer->domid, offer->port, &peer->port))
		peer->port = 0;
	return true;
}

static void close_directory(struct vmo_engine *e, struct vmo_peer *peer)
{
	if (peer->remote.directory)
		vmo_xen_unmap(e->xen, (void *)(uintptr_t)peer->remote.directory, 1);
	peer->remote.directory = NULL;
}

static void close_theirs(struct vmo_engine *e, struct vmo_peer *peer)
{
	close_directory(e, peer);
	vmo_channel_close(&peer->in, e->xen);
}

static void close_ours(struct vmo_engine *e, struct vmo_peer *peer)
{
	if (peer->port)
		vmo_xen_port_close(e->xen, peer->port);
	peer->port = 0;
	vmo_channel_close(&peer->out, e->xen);
}

/* Rounds 4 and 5. */
static int connect_pairs(struct vmo_start *s)
{
	struct vmo_engine *e = s->engine;

	for (uint32_t r = 0; r < e->ranks; r++)
		if (e->peer[r].on)
			make_offer(e, &e->peer[r], &s->offer[r]);
	int rc = s->exchange(s->context, s->offer, s->offered, sizeof *s->offer);
	for (uint32_t r = 0; !rc && r < e->ranks; r++)
		if (e->peer[r].on)
			e->peer[r].on = take_offer(e, &e->peer[r], &s->offered[r]);
	if (!rc)
		rc = vmo_start_agree(s);
	for (uint32_t r = 0; r < e->ranks; r++) {
		e->peers_on += e->peer[r].on;
		if (!e->peer[r].on) {
			close_theirs(e, &e->peer[r]);
			close_ours(e, &e->peer[r]);
		}
	}
	return rc;
}

static int open_rooms(struct vmo_start *s, struct vmo_memhook *hook)
{
	struct vmo_engine *e = s->engine;
	struct vmo_subst_options options = {
		.enable = e->config.substitute, .fork_hook = e->config.fork_hook,
		.admission = e->config.admission, .hook = hook,
	};

	open_budget(s);
	int rc = open_cache(s);
	return rc ? rc : vmo_subst_new(&e->subst, &options);
}

static int meet(struct vmo_start *s, struct vmo_memhook *hook)
{
	int rc = vmo_hello_say(s);

	if (rc)
		return rc;
	if (!vmo_hello_any_candidates(s)) {
		vmo_hello_explain(s);
		return 0;
	}
	/* From here on every rank of this host takes part in four more rounds, with or without a Xen of its own. */
	rc = s->engine->xen ? open_rooms(s, hook) : 0;
	if (rc) {
		vmo_warn("cannot start: %s; messages fall through", strerror(-rc));
		s->hello[s->engine->self].vm.domid = VMO_DOMID_NONE;
	}
	rc = vmo_start_prove(s);
	if (!rc)
		rc = connect_pairs(s);
	if (!s->engine->peers_on)
		vmo_hello_explain(s);
	else
		vmo_hello_name_vms(s);
	return rc;
}

static void free_start(struct vmo_start *s)
{
	if (!s)
		return;
	free(s->own);
	free(s->mine);
	free(s->pages.at);
	free(s->said);
	free(s->offer);
	free(s);
}

static struct vmo_start *new_start(uint32_t ranks)
{
	struct vmo_start *s = calloc(1, sizeof *s);
	size_t twice = 2 * (size_t)ranks;

	if (!s)
		return NULL;
	s->own = vmo_fault(hello) ? NULL : calloc(twice, sizeof *s->own);
	s->mine = vmo_fault(proofs) ? NULL : calloc(twice, sizeof *s->mine);
	s->said = vmo_fault(agree) ? NULL : calloc(twice, sizeof *s->said);
	s->offer = vmo_fault(offers) ? NULL : calloc(twice, sizeof *s->offer);
	if (!s->own || !s->mine || !s->said || !s->offer || vmo_proof_pages_new(&s->pages, ranks)) {
		free_start(s);
		return NULL;
	}
	s->hello = s->own + ranks;
	s->theirs = s->mine + ranks;
	s->heard = s->said + ranks;
	s->offered = s->offer + ranks;
	return s;
}

void vmo_engine_open(struct vmo_engine *e, const struct vmo_config *config, const char *library, uint32_t rank,
                     uint32_t world)
{
	memset(e, 0, sizeof *e);
	e->config = *config;
	e->rank = rank;
	e->world = world;
	e->complains = VMO_NOBODY;
	e->elsewhere = (struct vmo_peer){
		.engine = e, .rank = VMO_NOBODY, .domid = VMO_DOMID_NONE, .reason = VMO_R_not_coresident,
	};
	pthread_mutex_init(&e->lock, NULL);
	if (!config->enable)
		snprintf(e->why, sizeof e->why, "switched off by VMONECOPY=0");
	else if (vmo_xen_open(&e->xen, library, config->domid, e->why, sizeof e->why))
		e->xen = NULL;
}

int vmo_engine_prepare(struct vmo_engine *e, uint32_t self, uint32_t ranks)
{
	e->self = self;
	e->ranks = ranks;
	e->peer = vmo_fault(engine) ? NULL : calloc(ranks, sizeof *e->peer);
	e->pool = vmo_fault(pools) ? NULL : calloc(ranks, sizeof *e->pool);
	e->start = new_start(ranks);
	for (uint32_t r = 0; e->peer && r < ranks; r++)
		e->peer[r] = e->elsewhere;
	if (e->peer && e->pool && e->start)
		return 0;
	vmo_engine_stop(e);
	return -ENOMEM;
}

int vmo_engine_start(struct vmo_engine *e, struct vmo_memhook *hook, vmo_exchange_fn *exchange, void *context)
{
	e->start->engine = e;
	e->start->exchange = exchange;
	e->start->context = context;
	int rc = meet(e->start, hook);
	free_start(e->start);
	e->start = NULL;
	return rc;
}

void vmo_peer_lost(struct vmo_peer *peer)
{
	if (__atomic_exchange_n(&peer->lost, true, __ATOMIC_RELAXED))
		return;
	vmo_info("rank %u died; what is mapped of its memory is unmapped", peer->rank);
	vmo_mapcache_forget(peer->engine->cache, peer->rank);
}

struct vmo_peer *vmo_engine_dead_peer(struct vmo_engine *e)
{
	for (uint32_t r = 0; e->peer && r < e->ranks; r++)
		if (e->peer[r].on && !vmo_channel_alive(&e->peer[r].in))
			return &e->peer[r];
	return NULL;
}

void vmo_engine_leave(struct vmo_engine *e)
{
	vmo_subst_free(e->subst);
	e->subst = NULL;
	vmo_mapcache_free(e->cache);
	e->cache = NULL;
	for (uint32_t r = 0; e->peer && r < e->ranks; r++)
		close_directory(e, &e->peer[r]);
}

void vmo_engine_withdraw(struct vmo_engine *e)
{
	for (uint32_t r = 0; e->peer && r < e->ranks; r++) {
		close_theirs(e, &e->peer[r]);
		e->peer[r].on = false;
	}
	for (uint32_t i = 0; i < e->pools; i++)
		vmo_pool_free(e->pool[i]);
	e->pools = e->peers_on = 0;
}

void vmo_engine_stop(struct vmo_engine *e)
{
	vmo_engine_withdraw(e);
	for (uint32_t r = 0; e->peer && r < e->ranks; r++)
		close_ours(e, &e->peer[r]);
	vmo_ledger_free(e->budget.ledger);
	vmo_ledger_free(e->maps);
	free_start(e->start);
	vmo_flow_stop(e);
	free(e->pool);
	free(e->peer);
	e->start = NULL;
	e->budget.ledger = e->maps = NULL;
	e->pool = NULL;
	e->peer = NULL;
	vmo_xen_close(e->xen);
	e->xen = NULL;
}
