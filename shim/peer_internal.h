/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * peer_internal.h: what the files of start-up share (peer.h says what happens in the rounds).
 *
 *   peer.c         proofs, offers, channels: rounds 2 to 5; begin and end of an engine
 *   peer_hello.c   round 1, and what follows from it: who may be a peer, who shares this VM, why nothing is on
 *   peer_flow.c    for detailed reports: which peer's messages count for which VM
 *
 * Threads: one.
 */
#ifndef VMO_PEER_INTERNAL_H
#define VMO_PEER_INTERNAL_H

#include "peer.h"

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

static inline bool vmo_hello_same_vm(const struct hello *a, const struct hello *b)
{
	return a->domid == b->domid && a->vm_name == b->vm_name;
}

/* May these two be peers? They still must prove it. */
static inline bool vmo_hello_candidates(const struct hello *a, const struct hello *b)
{
	return a->domid != VMO_DOMID_NONE && b->domid != VMO_DOMID_NONE && a->domid != b->domid &&
	       a->version == b->version && a->digest == b->digest;
}

/* Round 1. Afterwards every rank holds the same table, and each peer a reason to be off. 0, or what the exchange says. */
int vmo_hello_say(struct vmo_start *start);

/* In the whole job: alike on all ranks. */
bool vmo_hello_any_candidates(const struct vmo_start *start);

/* Ranks of this job in this VM; this one is one. */
uint64_t vmo_hello_ranks_here(const struct vmo_start *start);

/* No peer is on: engine->why gets the first cause that applies, as seen from this rank. */
void vmo_hello_explain(struct vmo_start *start);

/* For detailed reports, after the pairs are decided: each peer's flow. */
void vmo_hello_name_vms(struct vmo_start *start);

void vmo_fill_random(void *to, size_t bytes);

#endif
