/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rndv.h: one transfer, from both sides. A pure state machine over shared memory; it knows no MPI.
 *
 *   sender                                            receiver
 *   vmo_rndv_offer   slot filled, RTS made
 *   (the caller sends the RTS)                 -->    vmo_rndv_accept  RTS checked, slot copied
 *   vmo_rndv_fill    staged: copy, publish            vmo_rndv_pull    the one copy
 *   vmo_rndv_state   PENDING ... DONE          <--    vmo_rndv_finish  FIN; or
 *                    ... REFUSED               <--    vmo_rndv_refuse
 *   vmo_rndv_release forget; the pages stay taken until DONE
 *
 * Detach (late receiver): vmo_rndv_detach puts private pages under the user's buffer; the transfer
 * then needs the buffer no more. A staged transfer never needs it after fill.
 *
 * Ordering: the sender writes all of a slot, then `sequence` (release); the receiver reads `sequence`
 * (acquire), then the rest. `filled` and `done` likewise. Payload is written before either.
 *
 * Threads: any; one lock for slots and lists, never held during a copy.
 * Errors: -errno; each falls through or refuses, with a reason.
 */
#ifndef VMO_RNDV_H
#define VMO_RNDV_H

#include "peer.h"

enum vmo_xfer_state { VMO_XFER_PENDING, VMO_XFER_DONE, VMO_XFER_REFUSED, VMO_XFER_LOST };

/*
 * What is to be sent: `bytes` in one piece from `from` on, or of this shape about `from`. from == NULL
 * without a shape: the caller will write all bytes at vmo_rndv_stage (one contiguous piece).
 */
struct vmo_source {
	const void *from;
	uint64_t bytes;
	const struct vmo_shape *shape;	/* NULL: one piece. Its strips must stay until vmo_rndv_fill returned */
	struct vmo_bounds bounds;	/* of the shape */
};

/* One transfer, as its sender keeps it. */
struct vmo_xfer {
	struct vmo_xfer *next;
	struct vmo_peer *peer;
	uint32_t slot;
	uint32_t pieces;
	uint32_t edges;			/* bytes of partial first and last pages */
	uint32_t head, tail;		/* of those, what vmo_rndv_fill copies: after the RTS, while that is under way */
	uint64_t sequence;
	uint64_t bytes;
	uint64_t sum;			/* as in wire.h */
	const char *from;		/* the user's buffer; NULL where the caller fills the stage */
	const char *low;		/* where the message begins in memory, and how far it reaches: */
	uint64_t span;
	struct vmo_shape shape;		/* the source's, to fill by; no strips: one piece, or in place */
	struct vmo_shape sent;		/* in place with gaps: offsets from low; strips in the last piece */
	bool staged;			/* two copies; else in place */
	bool detached;			/* no longer needs the user's buffer */
	bool late;			/* the caller detached it: two copies after all */
	void (*refused)(struct vmo_xfer *xfer);	/* a draining transfer turned out refused */
	void *owner;			/* of the caller */
	struct vmo_piece piece[VMO_SLOT_EXTENTS];
};

/*
 * Decides how the source goes to the peer, takes a slot and pages, and makes the RTS. In place or
 * staged; with gaps in place only where they are few and the program has one thread (substitute.h).
 * On failure *reason says why the message falls through; nothing is left taken.
 */
int vmo_rndv_offer_source(struct vmo_peer *peer, const struct vmo_source *source, struct vmo_xfer **out,
                          struct vmo_rts *rts, enum vmo_reason *reason);

/* The same for [from, from + bytes), or from == NULL. */
int vmo_rndv_offer(struct vmo_peer *peer, const void *from, size_t bytes, struct vmo_xfer **out,
                   struct vmo_rts *rts, enum vmo_reason *reason);

/* Staged transfers: copies the user's bytes in, publishing as it goes. Nothing to do for others. */
void vmo_rndv_fill(struct vmo_xfer *xfer);

/* Where the caller of from == NULL writes, and how it says how far it got. */
char *vmo_rndv_stage(struct vmo_xfer *xfer);
void vmo_rndv_filled(struct vmo_xfer *xfer, uint64_t bytes);

/* Copies the message out of its pages, whatever became of the user's buffer (after a refusal). */
void vmo_rndv_read_back(const struct vmo_xfer *xfer, void *to);

enum vmo_xfer_state vmo_rndv_state(const struct vmo_xfer *xfer);

/* Puts private pages under the user's buffer. 0, or -errno: go on waiting. */
int vmo_rndv_detach(struct vmo_xfer *xfer);

/* The caller forgets the transfer; what is still pending drains by itself. */
void vmo_rndv_release(struct vmo_xfer *xfer);

/* Takes an offer back whose RTS was never sent. */
void vmo_rndv_withdraw(struct vmo_xfer *xfer);

/* Frees drained transfers; returns how many are still draining. Cheap when there are none. */
uint32_t vmo_rndv_reap(struct vmo_engine *engine);

/* Sleeps until an event, a FIN or the timeout. */
void vmo_rndv_sleep(struct vmo_xfer *xfer, uint64_t timeout_ns);

/* An incoming transfer: all of it copied out of shared memory and checked. */
struct vmo_incoming {
	struct vmo_peer *peer;
	uint32_t slot;
	uint32_t extents;		/* 0: its slot cannot be seen; it can only be refused */
	uint64_t sequence;
	uint64_t bytes;
	uint64_t span;			/* strips != 0: extents but the last cover so much, with gaps */
	uint64_t count;
	int64_t stride;
	uint32_t strips;
	uint64_t sum;			/* as in wire.h; the message is compared with it (rndv_check.c) */
	uint64_t summed, so_far;	/* bytes that vmo_rndv_look has shown, and their sum */
	struct vmo_extent extent[VMO_SLOT_EXTENTS];
};

/*
 * Does this message of VMO_RTS_BYTES bytes from that peer begin with the job's magic?
 * It then is an RTS (or forged by a program that copies its own receive buffers about).
 */
bool vmo_rndv_is_rts(const struct vmo_engine *engine, const void *message);

/* Checks the RTS and its slot. 0, or -EPROTO: no such offer; the sender is out of step. */
int vmo_rndv_accept(struct vmo_peer *peer, const void *rts, struct vmo_incoming *out);

/*
 * Copies the first `bytes` (<= in->bytes) of the message to the sink. 0, or -errno: nothing may be
 * assumed of the buffer; then refuse. -EPIPE: the sender died while filling.
 */
int vmo_rndv_pull_into(struct vmo_incoming *in, struct vmo_sink *sink, uint64_t bytes);

/* The same to `to`, in one piece. */
int vmo_rndv_pull(struct vmo_incoming *in, void *to, uint64_t bytes);

/* The message in the sender's pages themselves, if it lies there in one piece. NULL: it does not. */
struct vmo_mapping;
const char *vmo_rndv_peek(struct vmo_incoming *in, struct vmo_mapping **mapping);
void vmo_rndv_unpeek(struct vmo_incoming *in, struct vmo_mapping *mapping);

/*
 * Where byte `at` of the message lies in the sender's pages, and how many are readable there in one piece (at least one;
 * waits for a sender that is filling). 0: `at` is its end. -errno: cannot be mapped, or has gaps; nothing is lost; -EPIPE: the sender
 * died. Give the mapping back before the transfer is finished.
 */
int64_t vmo_rndv_look(struct vmo_incoming *in, uint64_t at, const char **from, struct vmo_mapping **mapping);
void vmo_rndv_unlook(struct vmo_incoming *in, struct vmo_mapping *mapping);

void vmo_rndv_finish(struct vmo_incoming *in);
void vmo_rndv_refuse(struct vmo_incoming *in);

#endif
