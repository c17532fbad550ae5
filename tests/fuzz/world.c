/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

#include "log.h"
#include "progress.h"

#include <stdatomic.h>

#define SLOT 1
#define RUN_BYTES (WORLD_RUN_PAGES * VMO_PAGE_BYTES)
#define WAITS_MOST 3		/* turns; then the sender is dead */
#define LATER_MOST 8

struct world world;

static vmo_gref true_gref[WORLD_RUNS * WORLD_RUN_PAGES];
static vmo_gref true_gref_page;
static struct later to_come[LATER_MOST];
static unsigned to_come_count, moment, waited;

/* ---- where things are shared ---- */

static union vmo_channel_page *channel(void)
{
	return fake_page(world.to.out.gref);
}

static struct vmo_directory *directory(void)
{
	return fake_page(vmo_pool_directory_gref(world.to.pool));
}

static vmo_gref *grefs(void)
{
	return fake_page(true_gref_page);
}

static char *run(unsigned number)
{
	return fake_page(true_gref[number * WORLD_RUN_PAGES]);
}

#define IN(member) (at >= offsetof(struct image, member) && \
                    at < offsetof(struct image, member) + sizeof ((struct image *)NULL)->member)
#define AT(base, member) ((uint64_t *)(void *)((char *)(base) + (at - offsetof(struct image, member))))

uint64_t *world_word(size_t at)
{
	if (IN(slot))
		return AT(&channel()->slot[SLOT], slot);
	if (IN(catalog.gref_page))
		return AT(directory()->gref_page, catalog.gref_page);
	if (IN(catalog.run))
		return AT(directory()->run, catalog.run);
	if (at == offsetof(struct image, catalog.gref_pages))	/* and whether the sender lives */
		return (uint64_t *)(void *)&channel()->head.alive;
	if (IN(catalog))
		return AT(directory(), catalog);
	if (IN(gref))
		return AT(grefs(), gref);
	if (IN(strip))
		return AT(run(2), strip);
	return NULL;
}

/* ---- the peer's stores meanwhile ---- */

static void meanwhile(void)
{
	unsigned now = ++moment;

	for (unsigned i = 0; i < to_come_count; i++) {
		uint64_t *word = world_word(to_come[i].at % sizeof(struct image) & ~(size_t)7);
		if (to_come[i].when % WORLD_MOMENTS == now && word)
			__atomic_store_n(word, to_come[i].value, __ATOMIC_RELAXED);
	}
}

void world_later(const struct later *later, unsigned count)
{
	to_come_count = 0;	/* no store while they are being copied */
	moment = waited = 0;
	for (unsigned i = 0; i < count; i++)
		to_come[i] = later[i];
	to_come_count = count;
}

/* Stands for progress.c: time passes by turns alone. */
enum vmo_wait_advice vmo_wait_turn(struct vmo_wait *wait)
{
	meanwhile();
	if (++waited > WAITS_MOST)
		atomic_store(&channel()->head.alive, 0);
	return VMO_WAIT_SPUN;
}

uint64_t vmo_waited_ns(const struct vmo_wait *wait)
{
	return 0;
}

/* ---- images ---- */

void world_write(const struct image *image)
{
	struct vmo_directory *d = directory();

	to_come_count = 0;
	memcpy(&channel()->slot[SLOT], &image->slot, sizeof image->slot);
	atomic_store(&channel()->head.alive, 1);
	d->version = image->catalog.version;
	d->runs = image->catalog.runs;
	d->gref_pages = image->catalog.gref_pages;
	memcpy(d->gref_page, image->catalog.gref_page, sizeof image->catalog.gref_page);
	memcpy(d->run, image->catalog.run, sizeof image->catalog.run);
	memcpy(grefs(), image->gref, sizeof image->gref);
	for (size_t at = 0; at < VMO_PAGE_BYTES; at += sizeof image->strip)
		memcpy(run(2) + at, image->strip, sizeof image->strip);
}

void world_read(struct image *image, const struct vmo_rts *rts)
{
	const struct vmo_directory *d = directory();

	memset(image, 0, sizeof *image);
	memcpy(&image->slot, &channel()->slot[SLOT], sizeof image->slot);
	image->rts = *rts;
	image->catalog.version = d->version;
	image->catalog.runs = d->runs;
	image->catalog.gref_pages = d->gref_pages;
	memcpy(image->catalog.gref_page, d->gref_page, sizeof image->catalog.gref_page);
	memcpy(image->catalog.run, d->run, sizeof image->catalog.run);
	memcpy(image->gref, grefs(), sizeof image->gref);
	memcpy(image->strip, run(2), sizeof image->strip);
}

static void fix_strips(struct vmo_slot *slot, const struct vmo_strip *strip)
{
	uint64_t bytes = 0;

	if (slot->extents < 2 || slot->extents > VMO_SLOT_EXTENTS || !slot->strips)
		return;
	if (slot->strips <= WORLD_STRIPS)
		for (uint32_t i = 0; i < slot->strips; i++)
			bytes += strip[i].bytes * strip[i].repeat;
	slot->extent[slot->extents - 1].bytes = slot->strips * (uint32_t)sizeof *strip;
	if (bytes)
		slot->bytes = bytes * slot->count;
}

static void fix_sum(struct vmo_slot *slot)
{
	uint64_t sum = 0;

	if (slot->extents > VMO_SLOT_EXTENTS)
		return;
	for (uint32_t i = 0; i + (slot->strips ? 1 : 0) < slot->extents; i++)
		sum += slot->extent[i].bytes;
	if (slot->strips)
		slot->span = sum;
	else
		slot->bytes = sum;
}

void world_fix(struct image *image, unsigned fixes)
{
	if (fixes & WORLD_FIX_STRIPS)
		fix_strips(&image->slot, image->strip);
	if (fixes & WORLD_FIX_SUM)
		fix_sum(&image->slot);
	if (fixes & WORLD_FIX_OFFER) {
		image->rts.slot = SLOT;
		image->rts.sequence = image->slot.sequence;
		image->rts.bytes = image->slot.bytes;
	}
	if (fixes & WORLD_FIX_RTS) {
		image->rts.version = VMO_WIRE_VERSION;
		image->rts.sender = 0;
		vmo_rts_seal(&image->rts);
	}
	if (fixes & WORLD_FIX_CATALOG)
		image->catalog.version = VMO_DIRECTORY_VERSION;
}

/* ---- receiving ---- */

static void finish_receive(struct vmo_incoming *in, bool got)
{
	if (got)
		vmo_rndv_finish(in);
	else
		vmo_rndv_refuse(in);
}

static bool pull_plain(struct vmo_incoming *in, uint64_t want, uint32_t capacity)
{
	char *to = malloc(capacity);
	bool got = to && !vmo_rndv_pull(in, to, want);

	free(to);
	return got;
}

/* Into memory with gaps: blocks of 8 bytes, 24 apart, and a rest. */
static bool pull_shaped(struct vmo_incoming *in, uint64_t want, uint32_t capacity)
{
	struct vmo_strip strip[2] = { { .at = 0, .stride = 24, .bytes = 8, .repeat = capacity / 8 },
	                              { .at = capacity / 8 * 24, .bytes = capacity % 8 + 1, .repeat = 1 } };
	struct vmo_shape shape = { strip, 2, 1, 0 };
	struct vmo_sink sink = { .shaped = true, .walk = vmo_walk_from(&shape) };

	if (capacity < 8)
		return pull_plain(in, want, capacity);
	sink.base = malloc((size_t)strip[1].at + strip[1].bytes);
	char *base = sink.base;
	bool got = base && !vmo_rndv_pull_into(in, &sink, want);
	free(base);
	return got;
}

static unsigned touch(const char *from, uint64_t bytes)
{
	static volatile unsigned sum;

	for (uint64_t i = 0; i < bytes; i += 61)
		sum += (unsigned char)from[i];
	if (bytes)
		sum += (unsigned char)from[bytes - 1];
	return sum;
}

/* As an operand of a reduction, which is read where it lies. */
static bool look_through(struct vmo_incoming *in)
{
	struct vmo_mapping *mapping;
	const char *from;

	for (uint64_t at = 0; at < in->bytes;) {
		int64_t n = vmo_rndv_look(in, at, &from, &mapping);
		if (n <= 0)
			return false;
		FUZZ_CHECK((uint64_t)n <= in->bytes - at);
		touch(from, (uint64_t)n);
		vmo_rndv_unlook(in, mapping);
		at += (uint64_t)n;
	}
	return true;
}

/* As the source of an MPI_Unpack: from the sender's pages, else by way of a buffer. */
static bool peek_or_pull(struct vmo_incoming *in, uint64_t want, uint32_t capacity)
{
	struct vmo_mapping *mapping;
	const char *from = vmo_rndv_peek(in, &mapping);

	if (!from)
		return pull_plain(in, want, capacity);
	touch(from, want);
	vmo_rndv_unpeek(in, mapping);
	return true;
}

bool world_receive(const struct vmo_rts *rts, unsigned way, uint32_t capacity)
{
	struct vmo_incoming in;
	bool got = false;

	if (vmo_rndv_accept(&world.from, rts, &in))
		return false;
	FUZZ_CHECK(in.bytes <= VMO_MESSAGE_MOST);	/* the MPI floor counts them in int */
	uint64_t want = in.bytes < capacity ? in.bytes : capacity;
	switch (way % WORLD_WAYS) {
	case 0: got = pull_plain(&in, want, capacity); break;
	case 1: got = pull_shaped(&in, want, capacity); break;
	case 2: got = look_through(&in); break;
	case 3: got = peek_or_pull(&in, want, capacity); break;
	default: got = pull_plain(&in, want, (uint32_t)want); break;	/* not a byte more than wanted */
	}
	finish_receive(&in, got);
	return got;
}

void world_renew(bool grant_copy, uint64_t budget_pages)
{
	vmo_mapcache_free(world.receiver.cache);
	FUZZ_CHECK(!vmo_mapcache_new(&world.receiver.cache, world.receiver.xen, budget_pages));
	world.receiver.config.grant_copy = grant_copy;
	fake_copy_left = FAKE_COPY_MOST;
}

/* ---- beginning ---- */

static void begin_engine(struct vmo_engine *e, uint32_t rank, struct vmo_peer *peer)
{
	vmo_config_read(&e->config);
	memset(e->magic, 0x5a, sizeof e->magic);
	e->rank = rank;
	e->ranks = 2;
	e->looking = true;	/* runs are not given back here: there is no table of peers */
	pthread_mutex_init(&e->lock, NULL);
	FUZZ_CHECK(!vmo_xen_open(&e->xen, NULL, rank + 1, NULL, 0));
	FUZZ_CHECK(!vmo_mapcache_new(&e->cache, e->xen, 64));
	*peer = (struct vmo_peer){ .engine = e, .rank = 1 - rank, .domid = 2 - rank, .on = true };
	FUZZ_CHECK(!vmo_channel_open(&peer->out, e->xen, peer->domid, rank, peer->rank));
}

static void join(struct vmo_peer *peer, const struct vmo_peer *other)
{
	FUZZ_CHECK(!vmo_channel_join(&peer->in, peer->engine->xen, peer->domid, other->out.gref, peer->rank,
	                             peer->engine->rank));
}

static void begin_pool(void)
{
	static struct vmo_budget budget = { .pages = 256 };
	struct vmo_peer *to = &world.to;

	FUZZ_CHECK(!vmo_pool_new(&to->pool, world.sender.xen, to->domid, RUN_BYTES, &budget));
	for (unsigned i = 0; i < WORLD_RUNS; i++)
		FUZZ_CHECK(!vmo_pool_take(to->pool, WORLD_RUN_PAGES, WORLD_RUN_PAGES, &world.block[i]));
	true_gref_page = directory()->gref_page[0];
	memcpy(true_gref, grefs(), sizeof true_gref);
	for (unsigned i = 0; i < WORLD_RUNS; i++)
		for (size_t at = 0; at < RUN_BYTES; at++)
			run(i)[at] = (char)(at * 7 + i);
}

void world_begin(void)
{
	void *at;

	vmo_log_setup(VMO_LOG_NONE, -1);
	begin_engine(&world.sender, 0, &world.to);
	begin_engine(&world.receiver, 1, &world.from);
	join(&world.to, &world.from);
	join(&world.from, &world.to);
	begin_pool();
	vmo_gref gref = vmo_pool_directory_gref(world.to.pool);
	FUZZ_CHECK(!vmo_xen_map(world.receiver.xen, 1, &gref, 1, false, &at));
	world.from.remote = (struct vmo_remote_pool){ 1, 0, at };
	world_renew(true, 64);
	fake_meanwhile = meanwhile;
}
