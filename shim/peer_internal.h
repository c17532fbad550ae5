/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * peer_internal.h: what the files of start-up share (peer.h says what happens in the rounds).
 *
 *   peer.c         channels: rounds 4 and 5; begin and end of an engine
 *   peer_prove.c   rounds 2 and 3
 *   peer_hello.c   terms; round 1, and what follows from it: who may be a peer, who shares this VM, why nothing is on
 *   peer_host.c    before the rounds: which VMs are on one host?
 *   peer_proof.c   one page granted to prove oneself to a domain, and the look at another's
 *   peer_flow.c    for detailed reports: which peer's messages count for which VM
 *
 * Threads: one.
 */
#ifndef VMO_PEER_INTERNAL_H
#define VMO_PEER_INTERNAL_H

#include "peer_host.h"

/* The five rounds' messages; of the second: struct vmo_proof. */
struct hello {
	struct vmo_vm vm;
	uint32_t rank;			/* in MPI_COMM_WORLD */
	uint32_t zero;
};

struct offer {
	uint32_t ok;
	vmo_gref channel;		/* its first page */
	vmo_gref directory;
	uint32_t port;
};

/* What start-up needs until the pairs are decided: all of it there before the first round (vmo_engine_prepare). */
struct vmo_start {
	struct vmo_engine *engine;
	vmo_exchange_fn *exchange;
	void *context;
	struct hello *own, *hello;	/* [ranks] each, as all that follow */
	struct vmo_proof *mine, *theirs;
	struct vmo_proof_pages pages;
	uint32_t *said, *heard;
	struct offer *offer, *offered;
};

/* A round of one bit for each pair: on stays on only where both say so. 0, or what the exchange says. */
int vmo_start_agree(struct vmo_start *start);

/* Rounds 2 and 3. Afterwards on are those whose proofs hold both ways. */
int vmo_start_prove(struct vmo_start *start);

/*
 * Round 1. Afterwards every rank holds the same table, and each peer a reason to be off. 0, what the exchange says, or
 * -EPROTO: ranks that are not in their order.
 */
int vmo_hello_say(struct vmo_start *start);

/* Among the ranks of this host: alike on all of them. Uses start->said. */
bool vmo_hello_any_candidates(struct vmo_start *start);

/* Ranks of this job in this VM; this one is one. */
uint64_t vmo_hello_ranks_here(const struct vmo_start *start);

/* No peer is on: engine->why gets the first cause that applies, as seen from this rank. */
void vmo_hello_explain(struct vmo_start *start);

/* For detailed reports, after the pairs are decided: each peer's flow. */
void vmo_hello_name_vms(struct vmo_start *start);

#endif
