/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peer_host.h"

#include "fault.h"
#include "fnv.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static uint64_t name_of_this_kernel(void)
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	struct utsname name;
	char text[64];
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text);

	if (fd >= 0)
		close(fd);
	if (n > 0)
		return vmo_fnv1a(VMO_FNV_BEGIN, text, (size_t)n);
	return uname(&name) ? 0 : vmo_fnv1a(VMO_FNV_BEGIN, name.nodename, strlen(name.nodename));
}

void vmo_vm_of(const struct vmo_engine *e, struct vmo_vm *out)
{
	out->kernel = name_of_this_kernel() ^ (e->xen ? vmo_xen_emulated_host(e->xen) : 0);
	out->digest = vmo_config_digest(&e->config, true);
	out->domid = e->xen ? vmo_xen_domid(e->xen) : VMO_DOMID_NONE;
	out->version = VMO_WIRE_VERSION;
}

int vmo_vm_bits(const struct vmo_vm *vm, int attempt)
{
	uint64_t hash = vmo_fnv1a(vmo_fnv1a(VMO_FNV_BEGIN, &attempt, sizeof attempt), vm, sizeof *vm);

	return vmo_fault(vm_bits) ? 0 : (int)(hash >> 33);
}

/* What a leader says in step 1. */
struct card {
	struct vmo_vm vm;
	uint32_t rank;			/* in MPI_COMM_WORLD */
	uint32_t zero;
};

struct vmo_leaders {
	uint32_t n, self, batch;
	struct vmo_xen *xen;
	vmo_gather_fn *gather;
	vmo_exchange_fn *exchange;
	void *context;
	struct card *card;		/* [n] each, as all that follow */
	struct vmo_proof *mine, *theirs;
	uint32_t *said, *heard;		/* in this batch */
	uint32_t *near;
	uint32_t *colour, *before;
	vmo_domid *domid;		/* the job's, each once, in their order */
	uint32_t domids;
	struct vmo_proof_pages pages;
	bool lacks_grants;
};

void vmo_leaders_free(struct vmo_leaders *l)
{
	if (!l)
		return;
	free(l->card);
	free(l->mine);
	free(l->said);
	free(l->pages.at);
	free(l);
}

struct vmo_leaders *vmo_leaders_new(uint32_t n, uint32_t batch)
{
	struct vmo_leaders *l = vmo_fault(leaders) ? NULL : calloc(1, sizeof *l);

	if (!l)
		return NULL;
	l->n = n;
	l->batch = batch;
	l->card = calloc(n, sizeof *l->card);
	l->mine = calloc(2 * (size_t)n, sizeof *l->mine);
	l->said = calloc(6 * (size_t)n, sizeof *l->said);
	if (!l->card || !l->mine || !l->said || vmo_proof_pages_new(&l->pages, batch)) {
		vmo_leaders_free(l);
		return NULL;
	}
	l->theirs = l->mine + n;
	l->heard = l->said + n;
	l->near = l->heard + n;
	l->colour = l->near + n;
	l->before = l->colour + n;
	l->domid = l->before + n;
	return l;
}

static int compare(const void *a, const void *b)
{
	vmo_domid x = *(const vmo_domid *)a, y = *(const vmo_domid *)b;

	return x < y ? -1 : x > y;
}

/* Alike on all leaders: so are the batches. */
static void list_domids(struct vmo_leaders *l)
{
	uint32_t all = 0;

	for (uint32_t r = 0; r < l->n; r++)
		if (l->card[r].vm.domid != VMO_DOMID_NONE)
			l->domid[all++] = l->card[r].vm.domid;
	qsort(l->domid, all, sizeof *l->domid, compare);
	l->domids = 0;
	for (uint32_t i = 0; i < all; i++)
		if (!i || l->domid[i] != l->domid[i - 1])
			l->domid[l->domids++] = l->domid[i];
}

static bool candidate(const struct vmo_leaders *l, uint32_t r)
{
	return vmo_vm_candidates(&l->card[r].vm, &l->card[l->self].vm);
}

/* Is its domid one of those that batch is about? */
static bool in_batch(const struct vmo_leaders *l, uint32_t r, uint32_t batch)
{
	const vmo_domid *first = &l->domid[batch * l->batch];
	uint32_t left = l->domids - batch * l->batch;
	vmo_domid last = first[(left < l->batch ? left : l->batch) - 1];

	return l->card[r].vm.domid >= *first && l->card[r].vm.domid <= last;
}

/* Step 2 for one batch. */
static int prove_batch(struct vmo_leaders *l, uint32_t batch)
{
	bool asked = in_batch(l, l->self, batch);

	memset(l->mine, 0, l->n * sizeof *l->mine);
	for (uint32_t r = 0; r < l->n; r++) {
		if (!candidate(l, r) || !in_batch(l, r, batch))
			continue;
		l->mine[r] = vmo_proof_for(&l->pages, l->xen, l->card[r].vm.domid);
		l->lacks_grants |= !l->mine[r].gref;
	}
	int rc = l->exchange(l->context, l->mine, l->theirs, sizeof *l->mine);
	for (uint32_t r = 0; r < l->n; r++)
		l->said[r] = !rc && asked && candidate(l, r) && vmo_proof_holds(l->xen, l->card[r].vm.domid, &l->theirs[r]);
	if (!rc)
		rc = l->exchange(l->context, l->said, l->heard, sizeof *l->said);
	vmo_proof_pages_back(&l->pages, l->xen);
	return rc;
}

enum { I_SAW = 1, SEEN = 2, NEAR = 3 };

static int prove(struct vmo_leaders *l)
{
	int rc = 0;

	memset(l->near, 0, l->n * sizeof *l->near);
	for (uint32_t batch = 0; !rc && batch * l->batch < l->domids; batch++) {
		rc = prove_batch(l, batch);
		for (uint32_t r = 0; !rc && r < l->n; r++)
			l->near[r] |= (l->said[r] ? I_SAW : 0u) | (l->heard[r] == 1 ? SEEN : 0u);
	}
	return rc;
}

/*
 * Step 3: the lowest rank wanders from each to those that are near, until nothing changes. Mostly that is at once; a VM
 * without grants for all its neighbours is reached by a third.
 */
static int choose_colour(struct vmo_leaders *l, uint32_t *out)
{
	uint32_t own = l->card[l->self].rank;

	for (uint32_t r = 0; r < l->n; r++) {
		l->before[r] = UINT32_MAX;
		if (candidate(l, r) && l->near[r] == NEAR && l->card[r].rank < own)
			own = l->card[r].rank;
	}
	for (uint32_t turn = 0; turn <= l->n; turn++) {
		int rc = l->gather(l->context, &own, l->colour, sizeof own);
		if (rc)
			return rc;
		if (!memcmp(l->colour, l->before, l->n * sizeof own))	/* alike on all leaders */
			break;
		memcpy(l->before, l->colour, l->n * sizeof own);
		for (uint32_t r = 0; r < l->n; r++)
			if (candidate(l, r) && l->near[r] == NEAR && l->colour[r] < own)
				own = l->colour[r];
	}
	*out = own;
	return 0;
}

static uint32_t others_than(const struct vmo_leaders *l)
{
	const struct vmo_vm *own = &l->card[l->self].vm;
	uint32_t others = 0;

	for (uint32_t r = 0; r < l->n; r++) {
		const struct vmo_vm *vm = &l->card[r].vm;
		if (vm->domid == VMO_DOMID_NONE || vm->domid == own->domid)
			continue;
		others |= VMO_OTHER_VM | (vmo_vm_agree(vm, own) ? 0 : VMO_OTHER_OPTIONS);
	}
	return others;
}

int vmo_leaders_find(struct vmo_leaders *l, const struct vmo_engine *e, uint32_t self, vmo_gather_fn *gather,
                     vmo_exchange_fn *exchange, void *context, struct vmo_found *out)
{
	struct card own = { .rank = e->rank };
	struct vmo_found found;

	l->self = self;
	l->xen = e->xen;
	l->gather = gather;
	l->exchange = exchange;
	l->context = context;
	vmo_vm_of(e, &own.vm);
	int rc = gather(context, &own, l->card, sizeof own);
	if (rc)
		return rc;
	list_domids(l);
	rc = prove(l);
	found.others = others_than(l) | (l->lacks_grants ? VMO_LACKS_GRANTS : 0);
	if (!rc)
		rc = choose_colour(l, &found.colour);
	if (!rc)
		*out = found;
	return rc;
}
