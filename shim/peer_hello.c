/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peer_internal.h"

#include "fnv.h"
#include "mistakes.h"
#include "peer_flow.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <unistd.h>

static uint64_t name_of_this_vm(void)
{
	struct utsname name;

	return uname(&name) ? 0 : vmo_fnv1a(VMO_FNV_BEGIN, name.nodename, strlen(name.nodename));
}

void vmo_fill_random(void *to, size_t bytes)
{
	uint64_t now = vmo_now_ns() ^ ((uint64_t)getpid() << 32);

	if (getrandom(to, bytes, 0) == (ssize_t)bytes)
		return;
	for (size_t i = 0; i < bytes; i++) {	/* no entropy at all: still unlike another job's */
		now = now * 6364136223846793005u + 1442695040888963407u;
		((uint8_t *)to)[i] = (uint8_t)(now >> 56);
	}
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

static void note_reasons(struct vmo_start *s)
{
	struct vmo_engine *e = s->engine;

	for (uint32_t r = 0; r < e->ranks; r++) {
		struct vmo_peer *peer = &e->peer[r];
		peer->engine = e;
		peer->rank = r;
		peer->domid = s->hello[r].domid;
		peer->reason = r == e->rank ? VMO_R_to_self
		             : peer->domid != VMO_DOMID_NONE && vmo_hello_same_vm(&s->hello[r], &s->hello[e->rank]) ? VMO_R_same_vm
		             : VMO_R_not_coresident;
	}
}

int vmo_hello_say(struct vmo_start *s)
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
	vmo_fill_random(out[0].random, sizeof out[0].random);
	for (uint32_t r = 1; r < e->ranks; r++)
		out[r] = out[0];
	int rc = s->exchange(s->context, out, s->hello, sizeof *out);
	memcpy(e->magic, s->hello[0].random, sizeof e->magic);
	if (rc)
		return rc;
	compare_environments(s);
	note_reasons(s);
	return 0;
}

bool vmo_hello_any_candidates(const struct vmo_start *s)
{
	for (uint32_t a = 0; a < s->engine->ranks; a++)
		for (uint32_t b = 0; b < a; b++)
			if (vmo_hello_candidates(&s->hello[a], &s->hello[b]))
				return true;
	return false;
}

uint64_t vmo_hello_ranks_here(const struct vmo_start *s)
{
	const struct vmo_engine *e = s->engine;
	uint64_t ranks_here = 0;

	for (uint32_t r = 0; r < e->ranks; r++)
		ranks_here += vmo_hello_same_vm(&s->hello[r], &s->hello[e->rank]);
	return ranks_here ? ranks_here : 1;
}

/* A pool's directory and one channel are the least that a peer costs. */
static bool lacks_grants(const struct vmo_engine *e)
{
	bool no_pool = vmo_xen_grant_limit(e->xen) < VMO_CHANNEL_PAGES + 1;

	for (uint32_t r = 0; r < e->ranks; r++)
		no_pool |= e->peer[r].reason == VMO_R_no_pool;
	return no_pool;
}

void vmo_hello_explain(struct vmo_start *s)
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

void vmo_hello_name_vms(struct vmo_start *s)
{
	struct vmo_engine *e = s->engine;

	if (e->report < VMO_REPORT_FULL)
		return;
	for (uint32_t r = 0; r < e->ranks; r++) {
		uint32_t vm = 0;
		if (!e->peer[r].on && !vmo_hello_same_vm(&s->hello[r], &s->hello[e->rank]))
			continue;
		while (!vmo_hello_same_vm(&s->hello[vm], &s->hello[r]))
			vm++;
		vmo_flow_for(e, &e->peer[r], vm);
	}
}
