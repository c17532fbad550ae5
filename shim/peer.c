/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peer.h"

#include "fault.h"
#include "log.h"
#include "mistakes.h"
#include "peer_flow.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

/* The five rounds' messages. */
struct hello {
	uint32_t version;
	vmo_domid domid;		/* VMO_DOMID_NONE: not in a VM, or switched off */
	uint64_t digest;
	uint64_t vm_name;		/* ranks of one VM share its grant limit */
	uint8_t random[VMO_MAGIC_BYTES];
	uint64_t options;		/* digest of all that should not differ between ranks */
	uint32_t report;		/* enum vmo_report_level */
	uint32_t complains;		/* 1: this rank's environment has mistakes to tell */
};

struct proof {
	vmo_gref gref;			/* 0: none was granted */
	uint8_t nonce[16];
};

struct offer {
	uint32_t ok;
	vmo_gref channel[VMO_CHANNEL_PAGES];
	vmo_gref directory;
	uint32_t port;
};

/* What start-up needs until the pairs are decided: all of it there before the first round (vmo_engine_prepare). */
struct vmo_start {
	struct vmo_engine *engine;
	vmo_exchange_fn *exchange;
	void *context;
	struct hello *own, *hello;	/* [ranks] each, as all that follow */
	struct proof *mine, *theirs;
	struct vmo_grant *proof_page;	/* pages == 0: none */
	uint32_t *said, *heard;
	struct offer *offer, *offered;
};

static uint64_t name_of_this_vm(void)
{
	struct utsname name;
	uint64_t hash = 0xcbf29ce484222325u;

	if (uname(&name))
		return 0;
	for (const char *p = name.nodename; *p; p++)
		hash = (hash ^ (unsigned char)*p) * 0x100000001b3u;
	return hash;
}

static void fill_random(void *to, size_t bytes)
{
	uint64_t now = vmo_now_ns() ^ ((uint64_t)getpid() << 32);

	if (getrandom(to, bytes, 0) == (ssize_t)bytes)
		return;
	for (size_t i = 0; i < bytes; i++) {	/* no entropy at all: still unlike another job's */
		now = now * 6364136223846793005u + 1442695040888963407u;
		((uint8_t *)to)[i] = (uint8_t)(now >> 56);
	}
}

static bool candidates(const struct hello *a, const struct hello *b)
{
	return a->domid != VMO_DOMID_NONE && b->domid != VMO_DOMID_NONE && a->domid != b->domid &&
	       a->version == b->version && a->digest == b->digest;
}

static bool same_vm(const struct hello *a, const struct hello *b)
{
	return a->domid == b->domid && a->vm_name == b->vm_name;
}

/* What all ranks know of the environments of all. */
static void compare_environments(const struct vmo_start *s)
{
	struct vmo_engine *e = s->engine;

	e->report = s->hello[0].report;
	vmo_detailed = e->report >= VMO_REPORT_FULL;
	for (uint32_t r = e->ranks; r--;) {
		e->options_differ |= s->hello[r].options != s->hello[0].options;
		if (s->hello[r].complains)
			e->complains = r;
	}
}

/* Round 1. Afterwards every rank holds the same table. */
static int say_hello(struct vmo_start *s)
{
	struct vmo_engine *e = s->engine;
	struct hello *out = s->own;

	out[0].version = VMO_WIRE_VERSION;
	out[0].domid = e->xen ? vmo_xen_domid(e->xen) : VMO_DOMID_NONE;
	out[0].digest = vmo_config_digest(&e->config, true);
	out[0].vm_name = name_of_this_vm();
	out[0].options = vmo_config_digest(&e->config, false);
	out[0].report = vmo_report_level(e->config.report);
	out[0].complains = vmo_mistakes_any();
	fill_random(out[0].random, sizeof out[0].random);
	for (uint32_t r = 1; r < e->ranks; r++)
		out[r] = out[0];
	int rc = s->exchange(s->context, out, s->hello, sizeof *out);
	memcpy(e->magic, s->hello[0].random, sizeof e->magic);
	return rc;
}

static bool any_candidates(const struct vmo_start *s)
{
	for (uint32_t a = 0; a < s->engine->ranks; a++)
		for (uint32_t b = 0; b < a; b++)
			if (candidates(&s->hello[a], &s->hello[b]))
				return true;
	return false;
}

static uint64_t ranks_in_this_vm(const struct vmo_start *s)
{
	const struct vmo_engine *e = s->engine;
	uint64_t ranks_here = 0;

	for (uint32_t r = 0; r < e->ranks; r++)
		ranks_here += same_vm(&s->hello[r], &s->hello[e->rank]);
	return ranks_here ? ranks_here : 1;
}

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

	e->budget.pages = e->config.grant_budget ? pages_of(e->config.grant_budget, vm) : vm / ranks_in_this_vm(s);
	if (vmo_ledger_new(&e->budget.ledger, e->xen, VMO_LEDGER_GRANTS, vm))
		e->budget.ledger = NULL;
}

static int open_cache(const struct vmo_start *s)
{
	struct vmo_engine *e = s->engine;
	uint64_t vm = (uint64_t)e->config.vm_map_budget / VMO_PAGE_BYTES, share = vm / ranks_in_this_vm(s);
	uint64_t own = (uint64_t)e->config.map_budget / VMO_PAGE_BYTES;
	int rc = vmo_mapcache_new(&e->cache, e->xen, own < share ? own : share);

	if (!rc && !vmo_ledger_new(&e->maps, e->xen, VMO_LEDGER_MAPS, vm))
		vmo_mapcache_share(e->cache, e->maps);
	return rc;
}

static void note_reasons(struct vmo_start *s)
{
	struct vmo_engine *e = s->engine;

	for (uint32_t r = 0; r < e->ranks; r++) {
		struct vmo_peer *peer = &e->peer[r];
		peer->engine = e;
		peer->rank = r;
		peer->domid = s->hello[r].domid;
		peer->reason = r == e->rank ? VMO_R_to_self
		             : peer->domid != VMO_DOMID_NONE && same_vm(&s->hello[r], &s->hello[e->rank]) ? VMO_R_same_vm
		             : VMO_R_not_coresident;
	}
}

/* One page with a nonce, granted to the peer's domain. On failure the proof stays empty. */
static void grant_proof(struct vmo_start *s, uint32_t r)
{
	struct vmo_xen *xen = s->engine->xen;
	struct vmo_grant grant;
	struct proof *proof = &s->mine[r];
	void *page;

	if (vmo_xen_grant(xen, s->hello[r].domid, 1, false, &grant, &proof->gref))
		return;
	s->proof_page[r] = grant;
	if (vmo_xen_view(xen, &grant, 0, 1, NULL, true, &page)) {
		proof->gref = 0;
		return;
	}
	fill_random(proof->nonce, sizeof proof->nonce);
	memcpy(page, proof->nonce, sizeof proof->nonce);
	syscall(SYS_munmap, page, VMO_PAGE_BYTES);
}

/* Read both ways: runs are mapped, but what they consist of is copied (mapcache.c). */
static bool proven(struct vmo_start *s, uint32_t r)
{
	struct vmo_xen *xen = s->engine->xen;
	const struct proof *proof = &s->theirs[r];
	uint8_t copied[sizeof proof->nonce];
	void *page;

	if (!proof->gref || vmo_xen_map(xen, s->hello[r].domid, &proof->gref, 1, false, &page))
		return false;
	bool same = !memcmp(page, proof->nonce, sizeof proof->nonce);
	vmo_xen_unmap(xen, page, 1);
	return same && !vmo_xen_copy(xen, s->hello[r].domid, &proof->gref, 0, sizeof copied, copied) &&
	       !memcmp(copied, proof->nonce, sizeof copied);
}

/* A round of one bit for each pair: on stays on only where both say so. */
static int agree(struct vmo_start *s)
{
	struct vmo_engine *e = s->engine;

	for (uint32_t r = 0; r < e->ranks; r++)
		s->said[r] = e->peer[r].on;
	int rc = s->exchange(s->context, s->said, s->heard, sizeof *s->said);
	for (uint32_t r = 0; r < e->ranks; r++)
		e->peer[r].on = !rc && e->peer[r].on && s->heard[r] == 1;
	return rc;
}

/* Rounds 2 and 3. */
static int prove(struct vmo_start *s)
{
	struct vmo_engine *e = s->engine;

	for (uint32_t r = 0; r < e->ranks; r++)
		if (candidates(&s->hello[r], &s->hello[e->rank]))
			grant_proof(s, r);
	int rc = s->exchange(s->context, s->mine, s->theirs, sizeof *s->mine);
	for (uint32_t r = 0; !rc && r < e->ranks; r++)
		e->peer[r].on = candidates(&s->hello[r], &s->hello[e->rank]) && proven(s, r);
	if (!rc)
		rc = agree(s);
	for (uint32_t r = 0; r < e->ranks; r++)
		if (s->proof_page[r].pages)
			vmo_xen_ungrant(e->xen, &s->proof_page[r]);
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
	memcpy(offer->channel, peer->out.gref, sizeof offer->channel);
	offer->directory = vmo_pool_directory_gref(peer->pool);
	offer->port = peer->port;
	offer->ok = 1;
}

static bool take_offer(struct vmo_engine *e, struct vmo_peer *peer, const struct offer *offer)
{
	void *directory;

	if (!offer->ok || !peer->out.pages)
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

static void close_peer(struct vmo_engine *e, struct vmo_peer *peer, bool mine)
{
	if (!mine) {
		if (peer->remote.directory)
			vmo_xen_unmap(e->xen, (void *)(uintptr_t)peer->remote.directory, 1);
		peer->remote.directory = NULL;
		vmo_channel_close(&peer->in, e->xen);
		return;
	}
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
		rc = agree(s);
	for (uint32_t r = 0; r < e->ranks; r++) {
		e->peers_on += e->peer[r].on;
		if (!e->peer[r].on) {
			close_peer(e, &e->peer[r], false);
			close_peer(e, &e->peer[r], true);
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

/* A pool's directory and one channel are the least that a peer costs. */
static bool lacks_grants(const struct vmo_engine *e)
{
	bool no_pool = vmo_xen_grant_limit(e->xen) < VMO_CHANNEL_PAGES + 1;

	for (uint32_t r = 0; r < e->ranks; r++)
		no_pool |= e->peer[r].reason == VMO_R_no_pool;
	return no_pool;
}

/* Why is no peer on? The first cause that applies, as seen from this rank. */
static void explain(struct vmo_start *s)
{
	struct vmo_engine *e = s->engine;
	const struct hello *self = &s->hello[e->rank];
	uint32_t other_vm = 0, other_options = 0;

	if (e->why[0])
		return;
	for (uint32_t r = 0; r < e->ranks; r++) {
		bool vm = s->hello[r].domid != VMO_DOMID_NONE && s->hello[r].domid != self->domid;
		other_vm += vm;
		other_options += vm && (s->hello[r].digest != self->digest || s->hello[r].version != self->version);
	}
	if (e->ranks == 1)
		snprintf(e->why, sizeof e->why, "the job has only one rank");
	else if (other_options)
		snprintf(e->why, sizeof e->why, "ranks differ in VMONECOPY_XEN or in the version of libvmonecopy; set them alike on all");
	else if (other_vm && e->xen && lacks_grants(e))
		snprintf(e->why, sizeof e->why, "too few grants: gntalloc's limit is %zu pages for this whole VM%s",
		         vmo_xen_grant_limit(e->xen), e->budget.pages && !vmo_ledger_free_pages(e->budget.ledger)
		         ? "; other jobs have all of the library's part" : "");
	else if (other_vm)
		snprintf(e->why, sizeof e->why, "no other VM of this job is on this host");
	else
		snprintf(e->why, sizeof e->why, "all ranks that run on Xen are in one VM (domain %u)", self->domid);
}

/* For the matrix of who sent to whom. */
static void name_vms(struct vmo_start *s)
{
	struct vmo_engine *e = s->engine;

	if (e->report < VMO_REPORT_FULL)
		return;
	for (uint32_t r = 0; r < e->ranks; r++) {
		uint32_t vm = 0;
		if (!e->peer[r].on && !same_vm(&s->hello[r], &s->hello[e->rank]))
			continue;
		while (!same_vm(&s->hello[vm], &s->hello[r]))
			vm++;
		vmo_flow_for(e, &e->peer[r], vm);
	}
}

static int meet(struct vmo_start *s, struct vmo_memhook *hook)
{
	int rc = say_hello(s);

	if (rc)
		return rc;
	compare_environments(s);
	note_reasons(s);
	if (!any_candidates(s)) {
		explain(s);
		return 0;
	}
	/* From here on every rank takes part in four more rounds, with or without a Xen of its own. */
	rc = s->engine->xen ? open_rooms(s, hook) : 0;
	if (rc) {
		vmo_warn("cannot start: %s; messages fall through", strerror(-rc));
		s->hello[s->engine->rank].domid = VMO_DOMID_NONE;
	}
	rc = prove(s);
	if (!rc)
		rc = connect_pairs(s);
	if (!s->engine->peers_on)
		explain(s);
	else
		name_vms(s);
	return rc;
}

static void free_start(struct vmo_start *s)
{
	if (!s)
		return;
	free(s->own);
	free(s->mine);
	free(s->proof_page);
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
	s->proof_page = calloc(ranks, sizeof *s->proof_page);
	s->said = vmo_fault(agree) ? NULL : calloc(twice, sizeof *s->said);
	s->offer = vmo_fault(offers) ? NULL : calloc(twice, sizeof *s->offer);
	if (!s->own || !s->mine || !s->proof_page || !s->said || !s->offer) {
		free_start(s);
		return NULL;
	}
	s->hello = s->own + ranks;
	s->theirs = s->mine + ranks;
	s->heard = s->said + ranks;
	s->offered = s->offer + ranks;
	return s;
}

int vmo_engine_prepare(struct vmo_engine *e, const struct vmo_config *config, uint32_t rank, uint32_t ranks)
{
	memset(e, 0, sizeof *e);
	e->config = *config;
	e->rank = rank;
	e->ranks = ranks;
	e->complains = VMO_NOBODY;
	pthread_mutex_init(&e->lock, NULL);
	e->peer = vmo_fault(engine) ? NULL : calloc(ranks, sizeof *e->peer);
	e->pool = vmo_fault(pools) ? NULL : calloc(ranks, sizeof *e->pool);
	e->start = new_start(ranks);
	if (e->peer && e->pool && e->start)
		return 0;
	vmo_engine_stop(e);
	return -ENOMEM;
}

int vmo_engine_start(struct vmo_engine *e, const char *library, struct vmo_memhook *hook, vmo_exchange_fn *exchange,
                     void *context)
{
	e->start->engine = e;
	e->start->exchange = exchange;
	e->start->context = context;
	if (!e->config.enable)
		snprintf(e->why, sizeof e->why, "switched off by VMONECOPY=0");
	else if (vmo_xen_open(&e->xen, library, e->config.domid, e->why, sizeof e->why))
		e->xen = NULL;
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
		close_peer(e, &e->peer[r], false);
}

void vmo_engine_stop(struct vmo_engine *e)
{
	for (uint32_t r = 0; e->peer && r < e->ranks; r++)
		close_peer(e, &e->peer[r], true);
	for (uint32_t i = 0; i < e->pools; i++)
		vmo_pool_free(e->pool[i]);
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
	e->pools = e->peers_on = 0;
	vmo_xen_close(e->xen);
	e->xen = NULL;
}
