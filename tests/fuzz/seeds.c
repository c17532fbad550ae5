/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * seeds DIRECTORY: the first corpus of pull and race, one file for each kind of message that the real sender makes:
 * in one piece, in place with edges, in many extents, staged, with gaps, large and small; each to be received in every
 * way. What it wrote into its pages is the image. (The other fuzzers begin with what a few lines here write.)
 */
#include "world.h"

#include "substitute.h"
#include "threadhook.h"

#include <sys/mman.h>
#include <sys/stat.h>

static const char *folder;
static char *memory;

#define MEMORY_BYTES (12 * VMO_PAGE_BYTES)

static bool yes(void)
{
	return true;
}

static struct vmo_threadhook threads;
static struct vmo_memhook hook = { .effective = yes, .threads = &threads };

static void save(const char *fuzzer, const char *name, const void *data, size_t bytes)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof path, "%s/%s", folder, fuzzer);
	mkdir(path, 0777);
	snprintf(path, sizeof path, "%s/%s/%s", folder, fuzzer, name);
	file = fopen(path, "w");
	FUZZ_CHECK(file && fwrite(data, bytes, 1, file) == 1 && !fclose(file));
}

/* Strips lie where the pool had room; the fuzzers write theirs at the start of run 2. */
static void move_strips(struct vmo_xfer *xfer, struct world_input *in)
{
	struct vmo_slot *slot = &in->image.slot;
	uint32_t last = slot->extents - 1;

	if (!slot->strips)
		return;
	memset(in->image.strip, 0, sizeof in->image.strip);
	FUZZ_CHECK(slot->strips <= WORLD_STRIPS);
	memcpy(in->image.strip, xfer->sent.strip, slot->strips * sizeof(struct vmo_strip));
	slot->extent[last].run = 2;
	slot->extent[last].offset = 0;
}

static void record(const char *name, const struct vmo_source *source)
{
	struct world_input in = { .fixes = 0, .budget_pages = 64 };
	struct vmo_xfer *xfer;
	struct vmo_rts rts;
	enum vmo_reason reason;
	char file[64];

	FUZZ_CHECK(!vmo_rndv_offer_source(&world.to, source, &xfer, &rts, &reason));
	vmo_rndv_fill(xfer);
	world_read(&in.image, &rts);
	move_strips(xfer, &in);
	FUZZ_CHECK(!source->shape == !in.image.slot.strips);
	in.capacity = (uint16_t)source->bytes;
	for (uint8_t way = 0; way < WORLD_WAYS; way++) {
		in.way = way;
		in.options = way == 1 ? 2 : way == 3 ? 1 : 0;
		world_write(&in.image);
		FUZZ_CHECK(world_receive(&in.image.rts, way, in.capacity) == !(way == 2 && in.image.slot.strips));
		snprintf(file, sizeof file, "%s-%u", name, way);
		save("pull", file, &in, sizeof in);
		if (way < 2)
			save("race", file, &in, sizeof in);
	}
	in.budget_pages = 0;		/* by grant copy */
	snprintf(file, sizeof file, "%s-copied", name);
	save("pull", file, &in, sizeof in);
	vmo_rndv_finish(&(struct vmo_incoming){ .peer = &world.from, .slot = xfer->slot, .sequence = xfer->sequence });
	vmo_rndv_release(xfer);
}

static void record_plain(const char *name, size_t at, size_t bytes)
{
	record(name, &(struct vmo_source){ .from = memory + at, .bytes = bytes });
}

static void record_shape(const char *name, struct vmo_strip *strip, uint32_t strips, uint64_t count, int64_t extent)
{
	struct vmo_shape shape = { strip, strips, count, extent };
	struct vmo_source source = { .from = memory + 64, .shape = &shape };

	FUZZ_CHECK(vmo_shape_bounds(&shape, &source.bounds));
	source.bytes = source.bounds.bytes;
	record(name, &source);
}

static void begin_sender(void)
{
	struct vmo_subst_options options = { .enable = true, .admission = 1, .hook = &hook };

	for (unsigned i = 0; i < WORLD_RUNS; i++)
		vmo_block_drop(world.block[i]);
	FUZZ_CHECK(!vmo_subst_new(&world.sender.subst, &options));
	memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	FUZZ_CHECK(memory != MAP_FAILED);
	for (size_t i = 0; i < MEMORY_BYTES; i++)
		memory[i] = (char)(i * 3);
}

/* Pages of which every other one is taken: a message in many extents. */
static void record_scattered(void)
{
	struct vmo_block *page[WORLD_RUNS * WORLD_RUN_PAGES];
	unsigned n = 0;

	while (n < WORLD_RUNS * WORLD_RUN_PAGES && !vmo_pool_take(world.to.pool, 1, 1, &page[n]))
		n++;
	for (unsigned i = 0; i < n; i += 2)
		vmo_block_drop(page[i]);
	vmo_subst_free(world.sender.subst);
	FUZZ_CHECK(!vmo_subst_new(&world.sender.subst, &(struct vmo_subst_options){ .hook = &hook }));
	record_plain("scattered", 100, 5 * VMO_PAGE_BYTES);
	for (unsigned i = 1; i < n; i += 2)
		vmo_block_drop(page[i]);
}

static void record_others(void)
{
	static const char config[] = "\1" "1M\0" "\2" "64\0" "\5" "emulated\0" "\3" "-1\0";
	static const struct vmo_strip shape[4] = { { 0, 24, 8, 100 }, { 4096, 0, 40, 1 }, { 5000, -32, 16, 8 } };
	uint8_t send[64], peer[1400];

	save("config", "sizes", config, sizeof config - 1);
	save("shape", "three", shape, sizeof shape);
	for (size_t i = 0; i < sizeof send; i++)
		send[i] = (uint8_t)(i * 37);
	save("send", "mixed", send, sizeof send);
	memset(peer, 0, sizeof peer);
	save("peer", "sound", peer, sizeof peer);
}

int main(int argc, char **argv)
{
	struct vmo_strip columns = { .at = 0, .stride = 64, .bytes = 32, .repeat = 400 };
	struct vmo_strip uneven[3] = { { 0, 512, 256, 20 }, { 12000, 0, 1000, 1 }, { 13000, 16, 8, 300 } };

	if (argc != 2)
		return 2;
	folder = argv[1];
	world_begin();
	begin_sender();
	record_plain("page", 0, 4 * VMO_PAGE_BYTES);
	record_plain("edges", 100, 6 * VMO_PAGE_BYTES + 333);
	record_plain("small", 5, 100);
	record_shape("columns", &columns, 1, 1, 0);
	record_shape("uneven", uneven, 3, 2, 20000);
	record_scattered();
	record_others();
	return 0;
}
