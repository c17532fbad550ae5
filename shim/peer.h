/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * peer.h: who is co-resident, proven, and what is shared with them. The engine of one process.
 *
 * Nothing goes between all pairs of a large job. First the ranks of one host find each other (mpi_host.c):
 *
 *   who                    what                                          afterwards
 *   all ranks              rank 0's terms: how to report, options        one word on each: thresholds, mistakes, domids.
 *                                                                        Is there but one domid, nobody is near anybody
 *   the ranks of one VM    a communicator; its lowest rank leads         the leader speaks for the VM
 *   leaders                prove each other (peer_host.h)                colour: the host's
 *   all ranks              a communicator for each colour                the ranks of this host, as far as anybody knows
 *
 * Then these rounds, among the ranks of one host alone:
 *
 *   round  every rank says to every other           afterwards
 *   1      hello: version, domid, digest, VM, rank  candidates: other domid, same digest
 *   2      gref and nonce of a page granted to      each maps the other's page and compares
 *          your domain
 *   3      "your nonce was there"                   both directions hold, or the pair is off
 *   4      grefs of my channel and pool to you      each joins
 *   5      "joined"                                 both said so, or the pair is off
 *
 * Small domids repeat from host to host and nothing inside a guest names its host, so a nonce read
 * through a grant is the only proof of co-residency. What the leaders found only chooses who takes part in the
 * rounds: a wrong colour makes messages go by MPI, and gives nobody a grant. Every rank of a host takes part in every
 * round whatever failed locally; the number of rounds follows from round 1, which is the same for all. So all memory of the
 * rounds is there before the first (prepare), and where some rank has none, none starts.
 *
 * A rank holds one page granted for each other domain of its host in round 2, its leader before that one for each
 * other domid of the job, a few at a time; memory grows with the ranks of the host.
 *
 * Threads: start and stop from one thread; peers are read-only in between.
 * Not handled: processes outside this MPI_COMM_WORLD (spawned, connected): they fall through.
 */
#ifndef VMO_PEER_H
#define VMO_PEER_H

#include <pthread.h>

#include "channel.h"
#include "config.h"
#include "mapcache.h"
#include "pool.h"
#include "report.h"
#include "stats.h"
#include "substitute.h"

struct vmo_start;
struct vmo_engine;
struct vmo_xfer;

struct vmo_peer {
	struct vmo_engine *engine;
	uint32_t rank;			/* in MPI_COMM_WORLD; VMO_NOBODY: not known */
	vmo_domid domid;
	bool on;
	enum vmo_reason reason;		/* while off: why */
	struct vmo_channel out, in;
	struct vmo_pool *pool;		/* shared by all peers of its domain */
	struct vmo_flow *flow;		/* to its VM; NULL unless vmo_detailed */
	struct vmo_remote_pool remote;
	uint32_t port;			/* event channel, or 0 */
	bool lost;			/* vmo_peer_lost was here */
	uint32_t withdrawals_seen;	/* of its pool's (giveback.h) */
};

#define VMO_NOBODY UINT32_MAX

struct vmo_engine {
	struct vmo_config config;
	uint8_t magic[VMO_MAGIC_BYTES];
	uint32_t rank, world;		/* in MPI_COMM_WORLD, and how many are there */
	uint32_t self, ranks;		/* in peer[]: this process, and how many: the ranks of this host by their rank */
	struct vmo_peer *peer;		/* [ranks] */
	struct vmo_peer elsewhere;	/* off; stands for all other ranks of MPI_COMM_WORLD */
	uint32_t peers_on;
	struct vmo_xen *xen;
	struct vmo_budget budget;
	struct vmo_ledger *maps;	/* of the VM; NULL: not counted */
	struct vmo_mapcache *cache;
	struct vmo_subst *subst;
	struct vmo_pool **pool;		/* one per peer domain */
	uint32_t pools;
	struct vmo_flow *flow;		/* [flows]: one per VM of this host, and one for the rest (peer_flow.c) */
	uint32_t flows;
	enum vmo_report_level report;	/* rank 0's, for all */
	bool options_differ;		/* between ranks; all of them know */
	uint32_t others;		/* VMO_OTHER_VM and so on: in the whole job as seen from this VM */
	uint32_t complains;		/* the lowest rank whose environment has mistakes; VMO_NOBODY: none */
	pthread_mutex_t lock;		/* slots, and the lists below (rndv.c) */
	struct vmo_xfer *draining;	/* transfers that their MPI call no longer waits for */
	struct vmo_xfer *spare;
	struct vmo_start *start;		/* between prepare and start */
	uint32_t turns;			/* the rest is giveback.h's; atomic */
	bool looking;
	uint64_t looked_ns, sweep_ns, pressed_ns;
	char why[256];			/* why nothing is on; "" if something is */
};

#define VMO_OTHER_VM      1u		/* other domids */
#define VMO_OTHER_OPTIONS 2u		/* with another version, or options that must agree */
#define VMO_LACKS_GRANTS  4u		/* this VM: its leader could not grant a page to prove itself to each of them */

/* Rank 0's word on what holds for the whole job. */
struct vmo_terms {
	uint8_t magic[VMO_MAGIC_BYTES];
	uint64_t options;		/* digest of all that should not differ between ranks */
	uint32_t report;		/* enum vmo_report_level */
	uint32_t zero;
};

/*
 * Gives each of `ranks` processes `bytes` bytes of `out` (rank r gets out[r * bytes]) and gets
 * theirs: MPI_Alltoall. 0 or -errno; after an error nothing more is exchanged.
 */
typedef int vmo_exchange_fn(void *context, const void *out, void *in, size_t bytes);

/*
 * Begins an engine and opens Xen: engine->xen is NULL if there is none, or the options forbid it, and engine->why tells
 * the cause. Local; always succeeds. library: libxenemu.so's path, used with the option xen=emulated. rank, world: of
 * MPI_COMM_WORLD.
 */
void vmo_engine_open(struct vmo_engine *engine, const struct vmo_config *config, const char *library, uint32_t rank,
                     uint32_t world);

/* On rank 0: its terms. Then on all ranks. */
void vmo_engine_propose(const struct vmo_engine *engine, struct vmo_terms *terms);
void vmo_engine_accept(struct vmo_engine *engine, const struct vmo_terms *terms);
bool vmo_engine_differs(const struct vmo_engine *engine, const struct vmo_terms *terms);

/*
 * All memory that the rounds need; self, ranks: this process among those of its host, in the order of their ranks.
 * Local. 0 or -ENOMEM: then no rank may start; the engine may be left and stopped all the same.
 */
int vmo_engine_prepare(struct vmo_engine *engine, uint32_t self, uint32_t ranks);

/*
 * Proves peers, opens channels. Collective among the ranks of a host, after every rank has prepared. Always ends in a
 * usable engine: with no peer on, engine->why tells the cause. hook: NULL leaves substitution off. -EPROTO: others say
 * what cannot be. Or what the exchange says.
 */
int vmo_engine_start(struct vmo_engine *engine, struct vmo_memhook *hook, vmo_exchange_fn *exchange, void *context);

/* Counts bytes of a message from this peer that had to be copied once more here. */
static inline void vmo_peer_bounced(struct vmo_peer *peer, uint64_t bytes)
{
	vmo_count(bounced_bytes, bytes);
	if (vmo_unlikely(vmo_detailed) && peer->flow)
		__atomic_fetch_add(&peer->flow->bounced, bytes, __ATOMIC_RELAXED);
}

/*
 * The peer's process is found dead: what is mapped of its runs goes, or its VM would not get that memory back while this
 * process lives. Its messages that nobody has received yet go with them. Any thread, often.
 */
void vmo_peer_lost(struct vmo_peer *peer);

/* The first peer that was on and is dead, or NULL. After vmo_engine_withdraw always NULL. */
struct vmo_peer *vmo_engine_dead_peer(struct vmo_engine *engine);

/*
 * The end, in three steps. vmo_engine_leave ends substitution and unmaps what peers granted, but for the pages that tell
 * whether they live. After a barrier, vmo_engine_withdraw takes back what others mapped in the first step, and unmaps the
 * rest. After another (MPI's own MPI_Finalize), vmo_engine_stop takes back all; to others the rank is dead from then on. A
 * rank that found another dead stops at once, for those who wait for it in a barrier. vmo_engine_stop does the second step
 * where it was not done; what others still map, the kernel takes back later.
 */
void vmo_engine_leave(struct vmo_engine *engine);
void vmo_engine_withdraw(struct vmo_engine *engine);
void vmo_engine_stop(struct vmo_engine *engine);

#endif
