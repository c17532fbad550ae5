/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rounds of peer.h among the ranks of a host, three in each of three VMs. A rank grants one page to prove itself to a
 * domain, however many ranks are there: where a VM may grant just these, all proofs hold, and it is only the channels for
 * which there are too few grants. Peers are known by their rank in MPI_COMM_WORLD, of which this host has every third.
 */
#include "host_many.h"

#include "log.h"

#define VMS 3
#define RANKS 9
#define WORLD 100

static uint32_t world_rank(int i)
{
	return 2 + 3 * (uint32_t)i;
}

static bool same_vm(int i, int k)
{
	return i % VMS == k % VMS;
}

#define MOST_LIMITED 5		/* peers, by a limit of six pages */
static const char *limit;

static const struct many_place *where(int i)
{
	static struct many_place place;

	place.domid = (vmo_domid)(5 + i % VMS);
	place.limit = limit;
	return &place;
}

static void check_peer(const struct vmo_engine *e, int i, int k)
{
	const struct vmo_peer *peer = &e->peer[k];
	bool there = i != k && !same_vm(i, k);

	CHECK_RC(peer->rank, world_rank(k));
	CHECK_RC(peer->domid, 5 + k % VMS);
	CHECK(limit ? there || !peer->on : peer->on == there);
	if (i == k || same_vm(i, k))
		CHECK_RC(peer->reason, i == k ? VMO_R_to_self : VMO_R_same_vm);
	else if (!peer->on)
		CHECK(peer->reason == VMO_R_no_pool || peer->reason == VMO_R_xen_error);
}

static void start(struct vmo_engine *e, int i, uint32_t ranks)
{
	struct vmo_config config;

	vmo_log_setup(VMO_LOG_NONE, -1);
	vmo_config_read(&config);
	vmo_engine_open(e, &config, pair_emulation(), world_rank(i), WORLD);
	e->others = VMO_OTHER_VM;
	CHECK_RC(vmo_engine_prepare(e, (uint32_t)i, ranks), 0);
}

static void stop(struct vmo_engine *e)
{
	vmo_engine_leave(e);
	many_meet();
	vmo_engine_withdraw(e);
	many_meet();
	vmo_engine_stop(e);
}

static void play(int i)
{
	struct vmo_engine engine;

	start(&engine, i, RANKS);
	CHECK_RC(vmo_engine_start(&engine, NULL, many_exchange, NULL), 0);
	for (int k = 0; k < RANKS; k++)
		check_peer(&engine, i, k);
	if (limit)	/* who came first has its directory and a channel's page; no pages for any message */
		CHECK(engine.peers_on <= MOST_LIMITED);
	else
		CHECK_RC(engine.peers_on, RANKS / VMS * (VMS - 1));
	CHECK(!engine.peers_on == !!strstr(engine.why, "too few grants"));
	CHECK(!engine.elsewhere.on && engine.elsewhere.reason == VMO_R_not_coresident);
	stop(&engine);
}

/* Ranks are what peers are known by: nobody starts where they cannot be right. The last says 0 to all. */
static void play_disorder(int i)
{
	static char zeros[2][RANKS * MANY_RECORD];
	struct vmo_engine engine;

	start(&engine, i, RANKS);
	if (i == RANKS - 1) {
		many_exchange(NULL, zeros[0], zeros[1], sizeof(struct vmo_vm) + 8);
	} else {
		CHECK_RC(vmo_engine_start(&engine, NULL, many_exchange, NULL), -EPROTO);
		for (int k = 0; k < RANKS; k++)
			CHECK(!engine.peer[k].on && engine.peer[k].rank == VMO_NOBODY);
	}
	stop(&engine);
}

/* Alone on its host as far as its leader found: why, as the job's end tells it. */
static void play_alone(int i)
{
	static const struct { uint32_t others; const char *why; } causes[] = {
		{ 0, "all ranks that run on Xen are in one VM (domain 5)" },
		{ VMO_OTHER_VM, "no other VM of this job is on this host" },
		{ VMO_OTHER_VM | VMO_LACKS_GRANTS, "too few grants: gntalloc's limit is 4096 pages for this whole VM" },
		{ VMO_OTHER_VM | VMO_OTHER_OPTIONS,
		  "ranks differ in VMONECOPY_XEN or in the version of libvmonecopy; set them alike on all" },
	};

	for (size_t c = 0; c < sizeof causes / sizeof *causes; c++) {
		struct vmo_engine engine;

		start(&engine, i, 1);
		engine.others = causes[c].others;
		CHECK_RC(vmo_engine_start(&engine, NULL, many_exchange, NULL), 0);
		CHECK(!engine.peers_on && !strcmp(engine.why, causes[c].why));
		stop(&engine);
	}
}

int main(void)
{
	int failed;

	many_begin();
	failed = many_run("three VMs of three ranks", RANKS, 60, where, play);
	limit = "6";		/* a page of each of three ranks for each of two domains */
	failed |= many_run("grants for the proofs alone", RANKS, 60, where, play);
	limit = NULL;
	failed |= many_run("a rank alone", 1, 60, where, play_alone);
	return failed | many_run("a rank that is not in its order", RANKS, 60, where, play_disorder);
}
