/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The sender's half: offers, fills, detaches, releases and withdrawals in any order that the MPI floor might come to,
 * while the receiver stores anything anywhere in the channel: its answers, at the right moment or not, or noise.
 *
 * At the end the receiver is dead, everything was released, and all slots and pages are free, each once.
 */
#include "world.h"

#include "substitute.h"
#include "threadhook.h"

#include <stdatomic.h>
#include <sys/mman.h>

#define LIVE 24		/* more than one page has slots */
#define MEMORY_BYTES (16 * VMO_PAGE_BYTES)
#define OPS_MOST 200

static bool yes(void)
{
	return true;
}

static struct vmo_threadhook threads;
static struct vmo_memhook hook = { .effective = yes, .threads = &threads };
static char *memory;
static struct vmo_xfer *live[LIVE];
static bool filled[LIVE];
static bool spoiled;		/* the peer wrote where it refuses slots: they may be gone for good */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct vmo_subst_options options = { .enable = true, .admission = 1, .hook = &hook };

	world_begin();
	for (unsigned i = 0; i < WORLD_RUNS; i++)
		vmo_block_drop(world.block[i]);
	memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	FUZZ_CHECK(memory != MAP_FAILED && !vmo_subst_new(&world.sender.subst, &options));
	fake_meanwhile = NULL;
	return 0;
}

/* As the MPI floor's, when it has no memory to send it again. */
static void refused(struct vmo_xfer *xfer)
{
	xfer->refused = NULL;
	vmo_rndv_release(xfer);
}

static void offer(struct fuzz_in *in, unsigned k)
{
	size_t at = fuzz_u8(in) * 16, bytes = 64 + (size_t)fuzz_u64(in) % (MEMORY_BYTES - at - 64);
	struct vmo_strip strip = { .at = 0, .stride = 40, .bytes = 16, .repeat = bytes / 40 + 1 };
	struct vmo_shape shape = { &strip, 1, 1, 0 };
	struct vmo_source source = { .from = memory + at, .bytes = bytes };
	enum vmo_reason reason;
	struct vmo_rts rts;

	if (bytes % 3 == 0 && at + bytes + 40 < MEMORY_BYTES) {
		source.shape = &shape;
		FUZZ_CHECK(vmo_shape_bounds(&shape, &source.bounds));
		source.bytes = source.bounds.bytes;
	}
	filled[k] = false;
	if (vmo_rndv_offer_source(&world.to, &source, &live[k], &rts, &reason)) {
		live[k] = NULL;
		return;
	}
	FUZZ_CHECK(vmo_rts_sound(&rts));
	live[k]->refused = refused;
	if (bytes & 1 || source.shape) {	/* the shape is ours only until then */
		vmo_rndv_fill(live[k]);
		filled[k] = true;
	}
}

static void use(struct fuzz_in *in, unsigned k, unsigned how)
{
	struct vmo_xfer *xfer = live[k];
	char *copy;

	switch (how) {
	case 0:
		vmo_rndv_fill(xfer);
		filled[k] = true;
		break;
	case 1:
		if (filled[k])
			live[k] = NULL, vmo_rndv_release(xfer);
		break;
	case 2:
		if (!filled[k])
			live[k] = NULL, vmo_rndv_withdraw(xfer);
		break;
	case 3:
		vmo_rndv_detach(xfer);
		break;
	case 4:
		copy = malloc(xfer->bytes);
		FUZZ_CHECK(copy);
		vmo_rndv_read_back(xfer, copy);
		free(copy);
		break;
	default:
		vmo_rndv_sleep(xfer, 1);
		FUZZ_CHECK(vmo_rndv_state(xfer) <= VMO_XFER_LOST);
	}
}

static void scribble(union vmo_channel_page *out, size_t word, uint64_t value)
{
	size_t at = word * sizeof value;

	spoiled |= at >= offsetof(struct vmo_channel_head, withdrawals_seen) && at < offsetof(struct vmo_channel_head, gref);
	((uint64_t *)out)[word] = value;
}

/* The receiver's stores. */
static void store(struct fuzz_in *in, unsigned k)
{
	union vmo_channel_page *out = world.from.in.page, *back = world.to.in.page;
	uint8_t how = fuzz_u8(in);

	if (how % 4 == 0 && live[k])
		atomic_store(&vmo_channel_slot(&world.to.out, live[k]->slot)->done, live[k]->sequence);
	else if (how % 4 == 1 && live[k])
		atomic_store(&vmo_channel_slot(&world.to.out, live[k]->slot)->refused, live[k]->sequence);
	else if (how % 8 == 2 && live[k])
		((uint64_t *)vmo_channel_slot(&world.to.out, live[k]->slot))[fuzz_u8(in) % (sizeof(struct vmo_slot) / 8)] = fuzz_u64(in);
	else if (how % 4 == 2)
		scribble(out, fuzz_u64(in) % (sizeof *out / 8), fuzz_u64(in));
	else
		atomic_store(&back->head.alive, fuzz_u8(in) & 1);
}

static void end(void)
{
	struct vmo_channel *channel = &world.to.out;
	bool seen[VMO_CHANNEL_SLOTS] = { false };

	for (unsigned k = 0; k < LIVE; k++)
		if (live[k])
			vmo_rndv_fill(live[k]), vmo_rndv_release(live[k]);
	memset(live, 0, sizeof live);
	atomic_store(&world.to.in.page->head.alive, 0);
	for (uint32_t slot = 1; vmo_channel_has(&world.to.out, slot); slot++)
		memset(vmo_channel_slot(&world.to.out, slot), 0, sizeof(struct vmo_slot));
	FUZZ_CHECK(vmo_rndv_reap(&world.sender) == 0);
	atomic_store(&world.to.in.page->head.alive, 1);
	vmo_subst_detach(world.sender.subst, (uintptr_t)memory, MEMORY_BYTES);
	hook.listener((uintptr_t)memory, MEMORY_BYTES, VMO_RELEASE_DISCARD);
	FUZZ_CHECK(channel->free_slots <= (channel->more ? VMO_CHANNEL_SLOTS : VMO_PAGE_SLOTS) - 1);
	FUZZ_CHECK(channel->free_slots >= VMO_PAGE_SLOTS - 1);
	FUZZ_CHECK(spoiled || channel->free_slots == (channel->more ? VMO_CHANNEL_SLOTS : VMO_PAGE_SLOTS) - 1);
	for (uint32_t i = 0; i < channel->free_slots; i++) {
		FUZZ_CHECK(channel->free_slot[i] > 0 && channel->free_slot[i] < VMO_CHANNEL_SLOTS && !seen[channel->free_slot[i]]);
		seen[channel->free_slot[i]] = true;
	}
	FUZZ_CHECK(vmo_pool_usage(world.to.pool).pages_taken == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_in in = { data, bytes };

	for (int i = 0; in.left && i < OPS_MOST; i++) {
		uint8_t op = fuzz_u8(&in);
		unsigned k = op / 8 % LIVE;

		if (op % 8 == 7)
			vmo_rndv_reap(&world.sender);
		else if (op % 8 == 6)
			store(&in, k);
		else if (!live[k])
			offer(&in, k);
		else
			use(&in, k, op % 8);
	}
	end();
	return 0;
}
