/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * wire.h: what two processes in two domains see of each other. ABI: frozen per VMO_WIRE_VERSION.
 *
 * In band, one MPI message in place of the user's: the RTS.
 *
 *   0        16        20     24        32      40       44      48      64
 *   | magic  | version | slot | sequence| bytes | sender | check | zero  |
 *
 * In the channel, pages that the sender grants to the receiver's domain, writable:
 *
 *   first page    record 0        struct vmo_channel_head
 *                 record 1..15    struct vmo_slot: one transfer each
 *   seven more    record 16..127  likewise; granted when more transfers are under way than the first page has slots.
 *                                 The sender writes their grefs, then `more`; the receiver maps them when an RTS names
 *                                 the first of these slots. If it cannot, it sets `no_more` and refuses such transfers
 *                                 one by one, by their slots' bits of `refused`; the sender uses these slots no more.
 *
 *                       sender                              receiver
 *   free      sequence == 0
 *   offered   bytes, extents, then sequence = s     -->     RTS names (slot, s)
 *   filling   filled = bytes that are readable      -->     copies up to there
 *   pulled                                          <--     done = s            (FIN)
 *   refused                                         <--     refused = s
 *
 * A message with gaps that is sent in place (strips != 0): its extents but the last add up to `span`
 * bytes of the sender's memory, gaps included; the last extent holds `strips` records of shape.h, offsets
 * in the span, and `count` and `stride` complete the shape. All other messages are their extents' bytes.
 *
 * With VMONECOPY_CHECK the sender also gives `sum`, a checksum of its buffer's bytes in the order of the message
 * (rndv_check.c); 0: none. A receiver that knows nothing of it loses nothing.
 *
 * Sequences grow by one per channel and are never used twice, so a late store can't be taken for
 * another transfer's. A process decides nothing by a word that its peer may have changed: the sender
 * reads back `done`, `refused`, `withdrawals_seen` and `no_more` alone, the receiver copies a slot before it
 * checks it. 0 means dead, free or not yet in every field.
 */
#ifndef VMO_WIRE_H
#define VMO_WIRE_H

#include "shape.h"
#include "xen.h"

#define VMO_WIRE_VERSION 4

#define VMO_MAGIC_BYTES 16

struct vmo_rts {
	uint8_t magic[VMO_MAGIC_BYTES];	/* random, of this job */
	uint32_t version;
	uint32_t slot;
	uint64_t sequence;
	uint64_t bytes;			/* of the user's message: VMO_MESSAGE_MOST at most */
	uint32_t sender;		/* rank in MPI_COMM_WORLD */
	uint32_t check;			/* of all the above; against programming errors, not attackers */
	uint8_t zero[16];
};

#define VMO_RTS_BYTES 64
#define VMO_MESSAGE_MOST ((uint64_t)INT32_MAX)	/* a count of MPI's, should it have to be refused */
_Static_assert(sizeof(struct vmo_rts) == VMO_RTS_BYTES, "the RTS has one fixed size");

#define VMO_SLOT_EXTENTS 8

struct vmo_extent {
	uint32_t run;
	uint32_t generation;
	uint32_t offset;		/* bytes from the start of the run */
	uint32_t bytes;
};

struct vmo_slot {
	/* the sender's line */
	_Alignas(64) _Atomic uint64_t sequence;
	uint64_t bytes;
	uint32_t extents;
	uint32_t strips;
	_Atomic uint64_t filled;
	uint64_t span;
	uint64_t count;
	int64_t stride;
	uint64_t sum;
	/* the receiver's line */
	_Atomic uint64_t done;
	_Atomic uint64_t refused;
	uint64_t reserved2[6];
	struct vmo_extent extent[VMO_SLOT_EXTENTS];
};
_Static_assert(sizeof(struct vmo_slot) == 256, "a slot is four cache lines");

#define VMO_CHANNEL_MORE 7		/* pages */
#define VMO_PAGE_SLOTS (4096 / 256)	/* slot 0 is the head's place */
#define VMO_CHANNEL_SLOTS ((1 + VMO_CHANNEL_MORE) * VMO_PAGE_SLOTS)

struct vmo_channel_head {
	_Alignas(256) _Atomic uint8_t alive;	/* byte 0: 1; cleared by Xen when the sender dies */
	uint8_t reserved0[3];
	uint32_t version;
	uint32_t sender, receiver;		/* ranks in MPI_COMM_WORLD */
	_Atomic uint32_t sender_sleeps;		/* 1: wants an event with its FIN */
	_Atomic uint32_t more;			/* VMO_CHANNEL_MORE: their grefs are below */
	_Alignas(64) _Atomic uint32_t withdrawals_seen;	/* receiver's: it has unmapped what was withdrawn so far */
	_Atomic uint32_t no_more;		/* receiver's: it cannot map `more`, */
	_Atomic uint32_t refused[VMO_CHANNEL_SLOTS / 32];	/* and refuses the transfers in these slots */
	_Alignas(64) vmo_gref gref[VMO_CHANNEL_MORE];
};
_Static_assert(sizeof(struct vmo_channel_head) == 256, "the head is one record");

union vmo_channel_page {
	struct vmo_channel_head head;
	struct vmo_slot slot[VMO_PAGE_SLOTS];
};
_Static_assert(sizeof(union vmo_channel_page) == VMO_PAGE_BYTES, "a whole page");

/* Fills the RTS's check word, and tells whether it is right. */
void vmo_rts_seal(struct vmo_rts *rts);
bool vmo_rts_sound(const struct vmo_rts *rts);

#endif
