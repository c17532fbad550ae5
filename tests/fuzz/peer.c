/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The start of an engine as rank 1 of three, whose two others say what they like in the five rounds, and change the
 * pages that their records name at any load. Sound records first, then the input's changes to them.
 *
 * However it goes: the engine is usable or off, who is on is in another domain and whole, and nothing stays granted or
 * mapped at its end.
 */
#include "fakexen.h"
#include "fuzz.h"
#include "log.h"
#include "rndv.h"

#include <errno.h>

#define RANKS 3
#define SELF 1
#define WORLD 6		/* ranks of the job; the three are 0, 2 and 5 of them */
#define CHANGES 12
#define STORES 4

/* As in shim/peer_internal.h and peer_host.h; the sizes are checked. */
struct hello { uint64_t kernel, digest; uint32_t domid, version, rank, zero; };
struct proof { vmo_gref gref; uint8_t nonce[16]; };
struct offer { uint32_t ok; vmo_gref channel, directory; uint32_t port; };

struct input {
	uint8_t fails_at, rounds, zero[6];		/* the exchange itself fails in a round; 0: it does not */
	struct { uint8_t round, rank, at, add; uint32_t value; } change[CHANGES];
	struct { uint8_t rank, page; uint16_t word, when, zero; uint64_t value; } store[STORES];
};

static const uint32_t world_rank[RANKS] = { 0, 2, 5 };
static struct input in;
static struct other {
	struct vmo_xen *xen;
	struct vmo_grant grant[3];
	vmo_gref gref[3];	/* proof, directory, channel */
} other[RANKS];
static unsigned round_now, moment;

static void meanwhile(void)
{
	unsigned now = ++moment;

	for (int i = 0; i < STORES; i++) {
		struct other *o = &other[in.store[i].rank % RANKS];
		if (in.store[i].when == now && o->xen)
			((uint64_t *)fake_page(o->gref[in.store[i].page % 3]))[in.store[i].word % 512] = in.store[i].value;
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	vmo_log_setup(VMO_LOG_NONE, -1);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t most, unsigned seed)
{
	return most < sizeof(struct input) ? bytes : fuzz_mutate_words(data, bytes, sizeof(struct input), seed);
}

static void begin_other(unsigned rank)
{
	struct other *o = &other[rank];

	FUZZ_CHECK(!vmo_xen_open(&o->xen, NULL, rank + 1, NULL, 0));
	FUZZ_CHECK(!vmo_xen_grant(o->xen, SELF + 1, 1, false, &o->grant[0], &o->gref[0]));
	FUZZ_CHECK(!vmo_xen_grant(o->xen, SELF + 1, 1, false, &o->grant[1], &o->gref[1]));
	FUZZ_CHECK(!vmo_xen_grant(o->xen, SELF + 1, 1, true, &o->grant[2], &o->gref[2]));
	struct vmo_channel_head *head = fake_page(o->gref[2]);
	head->version = VMO_WIRE_VERSION;
	head->sender = world_rank[rank];
	head->receiver = world_rank[SELF];
	head->alive = 1;
}

static void end_other(unsigned rank)
{
	for (int i = 0; i < 3; i++)
		vmo_xen_ungrant(other[rank].xen, &other[rank].grant[i]);
	vmo_xen_close(other[rank].xen);
	other[rank].xen = NULL;
}

static void sound_record(unsigned rank, const void *own, void *record, size_t bytes)
{
	struct other *o = &other[rank];
	struct offer offer = { .ok = 1, .directory = o->gref[1], .port = 1 };
	struct proof proof = { .gref = o->gref[0] };

	memcpy(record, own, bytes);
	switch (round_now) {
	case 0:
		FUZZ_CHECK(bytes == sizeof(struct hello));
		((struct hello *)record)->domid = rank + 1;
		((struct hello *)record)->rank = world_rank[rank];
		break;
	case 1:
		FUZZ_CHECK(bytes == sizeof proof);
		memcpy(record, &proof, bytes);
		break;
	case 3:
		FUZZ_CHECK(bytes == sizeof offer);
		offer.channel = o->gref[2];
		memcpy(record, &offer, bytes);
		break;
	default:
		memcpy(record, &(uint32_t){ 1 }, bytes);
	}
}

static void change(unsigned rank, char *record, size_t bytes)
{
	for (int i = 0; i < CHANGES; i++) {
		uint32_t old, *value = &in.change[i].value;
		size_t at = in.change[i].at % (bytes / 4) * 4;

		if (in.change[i].round % 8 != round_now + 1 || in.change[i].rank % RANKS != rank)
			continue;
		memcpy(&old, record + at, 4);
		old = in.change[i].add ? old + *value : *value;
		memcpy(record + at, &old, 4);
	}
}

static int exchange(void *context, const void *out, void *records, size_t bytes)
{
	if (in.fails_at % 8 == round_now + 1)
		return -EIO;
	for (unsigned r = 0; r < RANKS; r++) {
		char *record = (char *)records + r * bytes;
		const char *own = (const char *)out + r * bytes;
		if (r == SELF) {
			memcpy(record, own, bytes);
			continue;
		}
		sound_record(r, own, record, bytes);
		change(r, record, bytes);
	}
	round_now++;
	return 0;
}

static void check_peers(struct vmo_engine *e)
{
	uint32_t on = 0;

	for (unsigned r = 0; e->peer && r < RANKS; r++) {
		struct vmo_peer *peer = &e->peer[r];
		if (!peer->on)
			continue;
		on++;
		FUZZ_CHECK(r != SELF && peer->domid == r + 1 && peer->pool);
		FUZZ_CHECK(peer->rank < WORLD && (r < SELF ? peer->rank < world_rank[SELF] : peer->rank > world_rank[SELF]));
		FUZZ_CHECK(peer->in.page && peer->out.page && peer->remote.directory);
		FUZZ_CHECK(peer->remote.owner == peer->domid && peer->remote.peer == peer->rank);
	}
	FUZZ_CHECK(on == e->peers_on);
}

/* A first message to and from each. */
static void use_peers(struct vmo_engine *e)
{
	static const char text[100];

	for (unsigned r = 0; e->peer && r < RANKS; r++) {
		enum vmo_reason reason;
		struct vmo_incoming incoming;
		struct vmo_xfer *xfer;
		struct vmo_rts rts;
		if (!e->peer[r].on || vmo_rndv_offer(&e->peer[r], text, sizeof text, &xfer, &rts, &reason))
			continue;
		vmo_rndv_accept(&e->peer[r], &rts, &incoming);
		vmo_rndv_withdraw(xfer);
	}
}

static void free_spares(struct vmo_engine *e)
{
	while (e->spare) {
		struct vmo_xfer *next = e->spare->next;
		free(e->spare);
		e->spare = next;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct vmo_engine engine;
	struct vmo_config config;

	fuzz_take(&in, sizeof in, data, bytes);
	vmo_config_read(&config);
	config.domid = SELF + 1;
	config.run_bytes = 4 * VMO_PAGE_BYTES;
	round_now = moment = 0;
	fake_copy_left = FAKE_COPY_MOST;
	begin_other(0);
	begin_other(2);
	uint32_t granted = fake_granted, mapped = fake_mapped;
	fake_meanwhile = meanwhile;
	vmo_engine_open(&engine, &config, "fake", world_rank[SELF], WORLD);
	int rc = vmo_engine_prepare(&engine, SELF, RANKS);
	if (!rc)
		rc = vmo_engine_start(&engine, NULL, exchange, NULL);
	if (!rc) {
		check_peers(&engine);
		use_peers(&engine);
	}
	vmo_engine_leave(&engine);
	fake_meanwhile = NULL;
	vmo_engine_stop(&engine);
	free_spares(&engine);
	FUZZ_CHECK(fake_granted == granted && fake_mapped == mapped);
	end_other(0);
	end_other(2);
	return 0;
}
