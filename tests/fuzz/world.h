/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * world.h: a sender (rank 0, domain 1) and a receiver (rank 1, domain 2), and all that the sender's side may write.
 *
 *   arena   | channel 0 -> 1 | channel 1 -> 0 | directory | gref page | run 0 | run 1 | run 2 |
 *             slot                              catalog     gref        patterns       strips
 *
 * The image is what a hostile sender writes there. It is written over the real sender's, whose pool and channel made
 * these pages, so seeds.c can read an image back from real traffic. Strips lie at the start of run 2, again and again.
 *
 * `later` are the peer's stores while the receiver works: the when-th time that the receiver's code reads shared memory
 * (clang's trace-loads tells of every load), or maps, copies or waits.
 *
 * Not handled: what the receiver writes where it may, in its own channel and in the slot's second line.
 */
#ifndef WORLD_H
#define WORLD_H

#include "fakexen.h"
#include "fuzz.h"
#include "rndv.h"

#define WORLD_RUNS 3
#define WORLD_RUN_PAGES 16
#define WORLD_STRIPS 8

struct image {
	struct vmo_slot slot;
	struct vmo_rts rts;
	struct {
		uint32_t version, runs, gref_pages, alive;
		vmo_gref gref_page[4];
		struct vmo_directory_run run[4];
	} catalog;
	vmo_gref gref[WORLD_RUNS * WORLD_RUN_PAGES];
	struct vmo_strip strip[WORLD_STRIPS];
};

#define WORLD_MOMENTS 64
struct later {
	uint16_t at;	/* byte of the image, rounded down to eight */
	uint16_t when;	/* modulo WORLD_MOMENTS; 0: never */
	uint32_t zero;
	uint64_t value;
};

struct world {
	struct vmo_engine sender, receiver;	/* filled by hand: peer.c has a fuzzer of its own */
	struct vmo_peer to, from;		/* the sender's view of the receiver, and the other way round */
	struct vmo_block *block[WORLD_RUNS];
};

extern struct world world;

void world_begin(void);

/* What makes an image a sound offer again, bit by bit; the fuzzer leaves any out. */
#define WORLD_FIX_RTS 1		/* version, sender, check */
#define WORLD_FIX_OFFER 2	/* slot, sequence and bytes of the RTS are the slot's */
#define WORLD_FIX_SUM 4		/* the extents add up */
#define WORLD_FIX_STRIPS 8	/* the last extent holds the strips, which make the message */
#define WORLD_FIX_CATALOG 16	/* its version: what was kept outlives a change of it */
void world_fix(struct image *image, unsigned fixes);

void world_write(const struct image *image);
void world_read(struct image *image, const struct vmo_rts *rts);

/* Where byte `at` (a multiple of 8) of the image is shared, or NULL: the RTS, which is a message. */
uint64_t *world_word(size_t at);

/* The stores that happen from now on. */
void world_later(const struct later *later, unsigned count);

/* One message that this RTS speaks of, received in one of the ways of the MPI floor. True: all of it came. */
#define WORLD_WAYS 5
bool world_receive(const struct vmo_rts *rts, unsigned way, uint32_t capacity_bytes);

/* What pull.c and race.c take. */
struct world_input {
	uint8_t fixes, way, options, budget_pages;
	uint16_t capacity, zero;
	struct later later[4];
	struct image image;
};

/* LLVMFuzzerCustomMutator of both (words.c). */
size_t world_mutate(uint8_t *data, size_t bytes, size_t most, unsigned seed);

/* A new mapping cache for the receiver, and the end of the old one. */
void world_renew(bool grant_copy, uint64_t budget_pages);

#endif
