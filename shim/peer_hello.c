/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peer_internal.h"

#include "mistakes.h"
#include "peer_flow.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void vmo_engine_propose(const struct vmo_engine *e, struct vmo_terms *terms)
{
	memset(terms, 0, sizeof *terms);
	vmo_fill_random(terms->magic, sizeof terms->magic);
	terms->options = vmo_config_digest(&e->config, false);
	terms->report = vmo_report_level(e->config.report);
}

void vmo_engine_accept(struct vmo_engine *e, const struct vmo_terms *terms)
{
	memcpy(e->magic, terms->magic, sizeof e->magic);
	e->report = terms->report;
	vmo_detailed = e->report >= VMO_REPORT_FULL;
}

bool vmo_engine_differs(const struct vmo_engine *e, const struct vmo_terms *terms)
{
	return vmo_config_digest(&e->config, false) != terms->options;
}

/* Peers are known by these ranks: each once, in their order, and one's own where it is. */
static bool in_order(const struct vmo_start *s)
{
	const struct vmo_engine *e = s->engine;

	for (uint32_t r = 0; r < e->ranks; r++)
		if (s->hello[r].rank >= e->world || (r && s->hello[r].rank <= s->hello[r - 1].rank))
			return false;
	return s->hello[e->self].rank == e->rank;
}

static void note_reasons(struct vmo_start *s)
{
	struct vmo_engine *e = s->engine;

	for (uint32_t r = 0; r < e->ranks; r++) {
		struct vmo_peer *peer = &e->peer[r];
		peer->rank = s->hello[r].rank;
		peer->domid = s->hello[r].vm.domid;
		peer->reason = r == e->self ? VMO_R_to_self
		             : peer->domid != VMO_DOMID_NONE && vmo_vm_same(&s->hello[r].vm, &s->hello[e->self].vm) ? VMO_R_same_vm
		             : VMO_R_not_coresident;
	}
}

int vmo_hello_say(struct vmo_start *s)
{
	struct vmo_engine *e = s->engine;
	struct hello *out = s->own;

	vmo_vm_of(e, &out[0].vm);
	out[0].rank = e->rank;
	for (uint32_t r = 1; r < e->ranks; r++)
		out[r] = out[0];
	int rc = s->exchange(s->context, out, s->hello, sizeof *out);
	if (!rc && !in_order(s))
		rc = -EPROTO;
	if (!rc)
		note_reasons(s);
	return rc;
}

static int by_kind(const void *a, const void *b, void *hellos)
{
	const struct vmo_vm *x = &((const struct hello *)hellos)[*(const uint32_t *)a].vm;
	const struct vmo_vm *y = &((const struct hello *)hellos)[*(const uint32_t *)b].vm;

	if (x->version != y->version)
		return x->version < y->version ? -1 : 1;
	if (x->digest != y->digest)
		return x->digest < y->digest ? -1 : 1;
	return x->domid < y->domid ? -1 : x->domid > y->domid;
}

bool vmo_hello_any_candidates(struct vmo_start *s)
{
	uint32_t *order = s->said, n = s->engine->ranks;

	for (uint32_t r = 0; r < n; r++)
		order[r] = r;
	qsort_r(order, n, sizeof *order, by_kind, s->hello);
	for (uint32_t i = 1; i < n; i++)	/* who agree are side by side, by domid */
		if (vmo_vm_candidates(&s->hello[order[i - 1]].vm, &s->hello[order[i]].vm))
			return true;
	return false;
}

uint64_t vmo_hello_ranks_here(const struct vmo_start *s)
{
	const struct vmo_engine *e = s->engine;
	uint64_t ranks_here = 0;

	for (uint32_t r = 0; r < e->ranks; r++)
		ranks_here += vmo_vm_same(&s->hello[r].vm, &s->hello[e->self].vm);
	return ranks_here ? ranks_here : 1;
}

/* A pool's directory and one page of a channel are the least that a peer costs. */
static bool lacks_grants(const struct vmo_engine *e)
{
	bool no_pool = vmo_xen_grant_limit(e->xen) < 2 || (e->others & VMO_LACKS_GRANTS);

	for (uint32_t r = 0; r < e->ranks; r++)
		no_pool |= e->peer[r].reason == VMO_R_no_pool;
	return no_pool;
}

void vmo_hello_explain(struct vmo_start *s)
{
	struct vmo_engine *e = s->engine;
	bool other_vm = e->others & VMO_OTHER_VM;

	if (e->why[0])
		return;
	if (e->world == 1)
		snprintf(e->why, sizeof e->why, "the job has only one rank");
	else if (e->others & VMO_OTHER_OPTIONS)
		snprintf(e->why, sizeof e->why, "ranks differ in VMONECOPY_XEN or in the version of libvmonecopy; set them alike on all");
	else if (other_vm && e->xen && lacks_grants(e))
		snprintf(e->why, sizeof e->why, "too few grants: gntalloc's limit is %zu pages for this whole VM%s",
		         vmo_xen_grant_limit(e->xen), e->budget.pages && !vmo_ledger_free_pages(e->budget.ledger)
		         ? "; other jobs have all of the library's part" : "");
	else if (other_vm)
		snprintf(e->why, sizeof e->why, "no other VM of this job is on this host");
	else
		snprintf(e->why, sizeof e->why, "all ranks that run on Xen are in one VM (domain %u)",
		         s->hello[e->self].vm.domid);
}

void vmo_hello_name_vms(struct vmo_start *s)
{
	struct vmo_engine *e = s->engine;

	if (e->report < VMO_REPORT_FULL)
		return;
	for (uint32_t r = 0; r < e->ranks; r++) {
		uint32_t vm = 0;
		if (!e->peer[r].on && !vmo_vm_same(&s->hello[r].vm, &s->hello[e->self].vm))
			continue;
		while (!vmo_vm_same(&s->hello[vm].vm, &s->hello[r].vm))
			vm++;
		vmo_flow_for(e, &e->peer[r], e->peer[vm].rank);
	}
}
