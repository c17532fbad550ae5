/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * peer_host.h: which VMs of the job are on one host? Asked before the rounds of peer.h, by one process of each VM, the
 * leader, so that a large job exchanges as much as it has VMs, not ranks, and grants a page for each domid.
 *
 *   1  all leaders gather their VMs: domid, digest, ...   candidates: other domid, same digest
 *   2  for each batch of the job's domids, in their order:
 *        a page with a nonce is granted to each candidate domid of the batch; gref and nonce go to its leaders
 *        leaders in the batch map what they were told of, and compare
 *        "your nonce was there"                            then the pages are taken back
 *   3  near are those whose proofs hold both ways; colour: the lowest rank that is near, or near to one that is, ...
 *
 * A VM is known by its domid and its kernel's random boot_id: domids repeat from host to host, names of VMs from image to
 * image. Two leaders of one VM (containers, boot_id hidden) are two VMs here: both find the same others.
 *
 * The number of exchanges follows from 1, which all leaders hold alike. Memory comes first (vmo_leaders_new): a leader
 * without any must say so before the first exchange.
 * Threads: one.
 * Not handled: leaders that lie. They spoil a colour, which costs messages their quick way; no grant follows from it.
 */
#ifndef VMO_PEER_HOST_H
#define VMO_PEER_HOST_H

#include "peer.h"

#define VMO_HOST_BATCH 128u		/* domids: so many pages are granted at one time, far below gntalloc's limit */

/* What all ranks of a VM say alike. */
struct vmo_vm {
	uint64_t kernel;		/* hash of the boot_id, or where there is none, of the host name; and of an emulated host */
	uint64_t digest;		/* of the options that must agree */
	vmo_domid domid;		/* VMO_DOMID_NONE: not in a VM, or switched off */
	uint32_t version;		/* of the protocol */
};

/* This process's. */
void vmo_vm_of(const struct vmo_engine *engine, struct vmo_vm *out);

static inline bool vmo_vm_same(const struct vmo_vm *a, const struct vmo_vm *b)
{
	return a->domid == b->domid && a->kernel == b->kernel;
}

static inline bool vmo_vm_agree(const struct vmo_vm *a, const struct vmo_vm *b)
{
	return a->version == b->version && a->digest == b->digest;
}

/* May processes of these two be peers? They still must prove it. */
static inline bool vmo_vm_candidates(const struct vmo_vm *a, const struct vmo_vm *b)
{
	return a->domid != VMO_DOMID_NONE && b->domid != VMO_DOMID_NONE && a->domid != b->domid && vmo_vm_agree(a, b);
}

/* 31 bits of the VM's hash, others at each try: two VMs that share one do not share the next. */
int vmo_vm_bits(const struct vmo_vm *vm, int attempt);

/* ---- a page that proves: peer_proof.c ---- */

void vmo_fill_random(void *to, size_t bytes);

struct vmo_proof {
	vmo_gref gref;			/* 0: none was granted */
	uint8_t nonce[16];
};

/* Pages granted at present, one for each domain. */
struct vmo_proof_pages {
	struct {
		vmo_domid domid;
		struct vmo_grant grant;		/* pages == 0: none */
		struct vmo_proof proof;
	} *at;
	uint32_t n, room;
};

/* Room for so many domains, or -ENOMEM. */
int vmo_proof_pages_new(struct vmo_proof_pages *pages, uint32_t room);

/* What processes of that domain are to be told: of a page granted now, or before. Without a page: an empty proof. */
struct vmo_proof vmo_proof_for(struct vmo_proof_pages *pages, struct vmo_xen *xen, vmo_domid domid);

/* Takes all pages back. */
void vmo_proof_pages_back(struct vmo_proof_pages *pages, struct vmo_xen *xen);

/* Is the nonce where that domain says? Read both ways: runs are mapped, but what they consist of is copied (mapcache.c). */
bool vmo_proof_holds(struct vmo_xen *xen, vmo_domid domid, const struct vmo_proof *proof);

/* ---- the leaders ---- */

/* Gives all leaders the `bytes` bytes of `out` and gets theirs, in their order: MPI_Allgather. 0 or -errno. */
typedef int vmo_gather_fn(void *context, const void *out, void *in, size_t bytes);

struct vmo_leaders;

/* All memory for so many leaders, and domids in a batch; NULL: there is none, and no leader may go on. */
struct vmo_leaders *vmo_leaders_new(uint32_t leaders, uint32_t batch);
void vmo_leaders_free(struct vmo_leaders *leaders);

struct vmo_found {
	uint32_t colour;		/* rank in MPI_COMM_WORLD: alike in all VMs of a host */
	uint32_t others;		/* VMO_OTHER_VM and so on */
};

/*
 * The three steps above. self: this leader among them; the order is alike on all. exchange: among the leaders.
 * 0, or what an exchange says: nothing is granted any more then either.
 */
int vmo_leaders_find(struct vmo_leaders *leaders, const struct vmo_engine *engine, uint32_t self, vmo_gather_fn *gather,
                     vmo_exchange_fn *exchange, void *context, struct vmo_found *out);

#endif
