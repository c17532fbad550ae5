/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sender's half of the rendezvous; the receiver's is in rndv_pull.c. */
#include "rndv_internal.h"

#include "fault.h"

#include "giveback.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES ((size_t)64 << 10)	/* staged copies publish themselves in such steps */
#define SPAN_MOST 4	/* times the bytes of a message in place with gaps */
#define SHAPE_LEAST 4	/* part of the message that its strips may be */
#define LEAST_INTERIOR_BYTES (2 * VMO_PAGE_BYTES)	/* below, staging costs less than edges and a lookup */

static struct vmo_xfer *new_xfer(struct vmo_engine *e)
{
	struct vmo_xfer *xfer = e->spare;

	if (xfer)
		e->spare = xfer->next;
	else
		xfer = vmo_fault(xfer) ? NULL : malloc(sizeof *xfer);
	return xfer;
}

static void drop_pieces(struct vmo_xfer *xfer)
{
	for (uint32_t i = 0; i < xfer->pieces; i++)
		vmo_block_drop(xfer->piece[i].block);
	xfer->pieces = 0;
}

static char *piece_view(const struct vmo_piece *piece)
{
	return piece->block->view + piece->offset;
}

/* From a full pool, too: buffers that are sent no more leave it. */
static int take_pages(struct vmo_peer *peer, uint32_t pages, uint32_t least, struct vmo_block **block)
{
	int rc = vmo_pool_take(peer->pool, pages, least, block);

	for (int n = 0; vmo_unlikely(vmo_pool_full(rc)) && n < VMO_EVICT_MOST; n++) {
		if (!vmo_subst_evict(peer->engine->subst, peer->pool, pages))
			break;
		rc = vmo_pool_take(peer->pool, pages, least, block);
	}
	if (vmo_unlikely(vmo_pool_full(rc)))
		vmo_giveback_press(peer->engine, peer->pool);
	return rc;
}

/* Takes pool pages for `bytes` in at most `most` pieces. */
static int take_stage(struct vmo_xfer *xfer, size_t bytes, uint32_t most)
{
	uint32_t first = xfer->pieces;

	for (uint32_t left = most; bytes; left--) {
		uint32_t pages = (uint32_t)vmo_pages(bytes);
		struct vmo_block *block;
		int rc = left ? take_pages(xfer->peer, pages, (pages + left - 1) / left, &block) : -ENOBUFS;
		if (rc) {
			while (xfer->pieces > first)
				vmo_block_drop(xfer->piece[--xfer->pieces].block);
			return rc;
		}
		size_t room = (size_t)block->pages * VMO_PAGE_BYTES;
		uint32_t used = (uint32_t)(room < bytes ? room : bytes);
		xfer->piece[xfer->pieces++] = (struct vmo_piece){ .block = block, .bytes = used };
		bytes -= used;
	}
	return 0;
}

/* The partial first and last page share one small block: head at its start, tail behind it. */
static int take_edges(struct vmo_xfer *xfer, size_t head, size_t tail, struct vmo_piece edge[2])
{
	struct vmo_block *block;
	uint32_t pages = (uint32_t)vmo_pages(head + tail);
	int rc = take_pages(xfer->peer, pages, pages, &block);

	if (rc)
		return rc;
	edge[0] = (struct vmo_piece){ .block = block, .offset = 0, .bytes = (uint32_t)head };
	edge[1] = (struct vmo_piece){ .block = block, .offset = (uint32_t)head, .bytes = (uint32_t)tail };
	if (head && tail)
		vmo_block_hold(block);
	return 0;
}

static void copy_head(const struct vmo_xfer *xfer)
{
	if (xfer->head)
		memcpy(piece_view(&xfer->piece[0]), xfer->low, xfer->head);
}

/* Its piece is the last one. */
static void copy_tail(const struct vmo_xfer *xfer)
{
	if (xfer->tail)
		memcpy(piece_view(&xfer->piece[xfer->pieces - 1]), xfer->low + xfer->span - xfer->tail, xfer->tail);
}

static int prepare(struct vmo_xfer *xfer, uintptr_t first, size_t bytes, struct vmo_piece *pieces, int most)
{
	struct vmo_subst *subst = xfer->peer->engine->subst;

	return xfer->shape.strips ? vmo_subst_prepare_spaced(subst, xfer->peer->pool, first, bytes, pieces, most - 1)
	                   : vmo_subst_prepare(subst, xfer->peer->pool, first, bytes, pieces, most);
}

/* In place: [head][interior pieces][tail]. 1 done, 0 not this way (nothing is taken then). */
static int offer_in_place(struct vmo_xfer *xfer)
{
	uintptr_t from = (uintptr_t)xfer->low, end = from + xfer->span;
	uintptr_t first = vmo_page_up(from), last = vmo_page_down(end);
	struct vmo_piece edge[2];

	if (first >= last || last - first < LEAST_INTERIOR_BYTES)
		return 0;
	size_t head = first - from, tail = end - last;
	struct vmo_piece *interior = xfer->piece + (head ? 1 : 0);
	int n = prepare(xfer, first, last - first, interior, VMO_SLOT_EXTENTS - 2);
	if (n <= 0)
		return 0;
	if ((head || tail) && take_edges(xfer, head, tail, edge)) {
		for (int i = 0; i < n; i++)
			vmo_block_drop(interior[i].block);
		return 0;
	}
	if (head)
		xfer->piece[0] = edge[0];
	if (tail)
		interior[n] = edge[1];
	xfer->pieces = (uint32_t)n + (head ? 1 : 0) + (tail ? 1 : 0);
	xfer->edges = (uint32_t)(head + tail < xfer->bytes ? head + tail : xfer->bytes);
	xfer->head = (uint32_t)head;
	xfer->tail = (uint32_t)tail;
	if (xfer->shape.strips) {	/* its receiver looks at the span as a whole: all must be there with the RTS */
		copy_head(xfer);
		copy_tail(xfer);
		xfer->head = xfer->tail = 0;
	}
	return 1;
}

/*
 * With gaps: granting what lies between costs memory, and the shape travels, so the message must be a
 * good part of its span, and its strips a small part of the message.
 */
static bool worth_spacing(const struct vmo_xfer *xfer)
{
	uint64_t shape_bytes = xfer->shape.strips * sizeof(struct vmo_strip);

	return vmo_subst_may_space(xfer->peer->engine->subst) && xfer->span <= UINT32_MAX &&
	       xfer->bytes >= xfer->span / SPAN_MOST && shape_bytes <= xfer->bytes / SHAPE_LEAST;
}

/* The strips become the last piece, their offsets counted from where the span begins. */
static int put_shape(struct vmo_xfer *xfer)
{
	uint32_t bytes = (uint32_t)(xfer->shape.strips * sizeof(struct vmo_strip));
	int64_t shift = (int64_t)(xfer->from - xfer->low);
	struct vmo_block *block;
	int rc = take_pages(xfer->peer, (uint32_t)vmo_pages(bytes), (uint32_t)vmo_pages(bytes), &block);

	if (rc)
		return rc;
	struct vmo_strip *strip = (struct vmo_strip *)(void *)block->view;
	memcpy(strip, xfer->shape.strip, bytes);
	for (uint32_t i = 0; i < xfer->shape.strips; i++)
		strip[i].at += shift;
	xfer->sent = xfer->shape;
	xfer->sent.strip = strip;
	xfer->piece[xfer->pieces++] = (struct vmo_piece){ .block = block, .bytes = bytes };
	return 0;
}

static bool choose_in_place(struct vmo_xfer *xfer)
{
	if (xfer->shape.strips ? !worth_spacing(xfer) : !xfer->from)
		return false;
	if (!offer_in_place(xfer))
		return false;
	if (xfer->shape.strips && put_shape(xfer)) {
		drop_pieces(xfer);
		return false;
	}
	return true;
}

/* Checked mode: may it go in place? */
static bool check(struct vmo_xfer *xfer)
{
	uintptr_t first = vmo_page_up((uintptr_t)xfer->low), last = vmo_page_down((uintptr_t)xfer->low + xfer->span);
	bool sound = first >= last || vmo_check_pages(xfer->peer->engine, first, last - first);

	xfer->sum = vmo_check_source(xfer);
	return sound;
}

static int choose_pages(struct vmo_xfer *xfer)
{
	bool sound = vmo_likely(!xfer->peer->engine->config.check) || !xfer->low || check(xfer);

	xfer->pieces = 0;
	xfer->staged = false;
	if (sound && choose_in_place(xfer)) {
		vmo_count_within(edge_bytes, xfer->edges);
		xfer->shape.strips = 0;	/* it needs no filling */
		return 0;
	}
	xfer->edges = xfer->head = xfer->tail = 0;
	xfer->staged = true;
	return take_stage(xfer, xfer->bytes, xfer->from || xfer->shape.strips ? VMO_SLOT_EXTENTS : 1);
}

static enum vmo_reason reason_of(int rc)
{
	return rc == -ENOBUFS || rc == -EMFILE ? VMO_R_fragmented
	     : rc == -ENOSPC ? VMO_R_no_pool : VMO_R_xen_error;
}

static void write_slot(struct vmo_xfer *xfer)
{
	struct vmo_slot *slot = vmo_channel_slot(&xfer->peer->out, xfer->slot);

	slot->bytes = xfer->bytes;
	slot->extents = xfer->pieces;
	slot->strips = xfer->sent.strips;
	slot->span = xfer->span;
	slot->count = xfer->sent.count;
	slot->stride = xfer->sent.extent;
	slot->sum = xfer->sum;
	for (uint32_t i = 0; i < xfer->pieces; i++) {
		const struct vmo_piece *piece = &xfer->piece[i];
		slot->extent[i] = (struct vmo_extent){
			.run = piece->block->run, .generation = piece->block->generation,
			.offset = piece->block->first * (uint32_t)VMO_PAGE_BYTES + piece->offset,
			.bytes = piece->bytes,
		};
	}
	atomic_store_explicit(&slot->filled, xfer->staged || xfer->head ? 0 : xfer->bytes - xfer->tail, memory_order_relaxed);
	atomic_store_explicit(&slot->sequence, xfer->sequence, memory_order_release);
}

static void make_rts(const struct vmo_xfer *xfer, struct vmo_rts *rts)
{
	const struct vmo_engine *e = xfer->peer->engine;

	memcpy(rts->magic, e->magic, sizeof rts->magic);
	rts->version = VMO_WIRE_VERSION;
	rts->slot = xfer->slot;
	rts->sequence = xfer->sequence;
	rts->bytes = xfer->bytes;
	rts->sender = e->rank;
	vmo_rts_seal(rts);
}

static struct vmo_xfer begin(struct vmo_peer *peer, const struct vmo_source *source, int slot, uint64_t sequence)
{
	struct vmo_xfer xfer = { .peer = peer, .slot = (uint32_t)slot, .sequence = sequence, .bytes = source->bytes,
	                         .from = source->from, .low = source->from, .span = source->bytes };

	if (source->shape) {
		xfer.shape = *source->shape;
		xfer.low = (const char *)((uintptr_t)source->from + (uintptr_t)source->bounds.low);
		xfer.span = (uint64_t)(source->bounds.high - source->bounds.low);
	}
	return xfer;
}

int vmo_rndv_offer(struct vmo_peer *peer, const void *from, size_t bytes, struct vmo_xfer **out,
                   struct vmo_rts *rts, enum vmo_reason *reason)
{
	struct vmo_source source = { .from = from, .bytes = bytes };

	return vmo_rndv_offer_source(peer, &source, out, rts, reason);
}

/* Model: offer. */
int vmo_rndv_offer_source(struct vmo_peer *peer, const struct vmo_source *source, struct vmo_xfer **out,
                          struct vmo_rts *rts, enum vmo_reason *reason)
{
	struct vmo_engine *e = peer->engine;
	struct vmo_xfer *xfer = NULL;
	int slot = -EAGAIN, rc = -ENOMEM;

	*reason = VMO_R_no_slot;
	if (!vmo_channel_alive(&peer->in)) {
		vmo_peer_lost(peer);
		*reason = VMO_R_peer_lost;
		return -EPIPE;
	}
	vmo_giveback_turn(e);
	vmo_rndv_reap(e);
	pthread_mutex_lock(&e->lock);
	uint64_t sequence = 0;
	xfer = new_xfer(e);
	if (xfer)
		slot = vmo_channel_take(&peer->out, e->xen, peer->domid, &sequence);
	pthread_mutex_unlock(&e->lock);
	if (slot < 0) {
		rc = slot;
		goto give_back;
	}
	*xfer = begin(peer, source, slot, sequence);
	rc = choose_pages(xfer);
	if (rc) {
		*reason = reason_of(rc);
		goto give_back;
	}
	write_slot(xfer);
	make_rts(xfer, rts);
	*out = xfer;
	return 0;
give_back:
	pthread_mutex_lock(&e->lock);
	if (slot > 0)
		vmo_channel_give(&peer->out, (uint32_t)slot);
	if (xfer) {
		xfer->next = e->spare;
		e->spare = xfer;
	}
	pthread_mutex_unlock(&e->lock);
	return rc;
}

/* In place: what the RTS did not wait for. */
static void fill_edges(struct vmo_xfer *xfer)
{
	copy_head(xfer);
	if (xfer->head)
		vmo_rndv_filled(xfer, xfer->bytes - xfer->tail);
	copy_tail(xfer);
	if (xfer->tail)
		vmo_rndv_filled(xfer, xfer->bytes);
}

/* Model: fill. */
void vmo_rndv_fill(struct vmo_xfer *xfer)
{
	const char *from = xfer->from;
	uint64_t filled = 0;

	if (!xfer->staged) {
		fill_edges(xfer);
		return;
	}
	if (!from && !xfer->shape.strips)
		return;
	uint64_t began = vmo_time_begin();
	struct vmo_walk walk = vmo_walk_from(&xfer->shape);
	for (uint32_t i = 0; i < xfer->pieces; i++)
		for (uint32_t at = 0, n; at < xfer->piece[i].bytes; at += n) {
			n = xfer->piece[i].bytes - at;
			n = n < CHUNK_BYTES ? n : (uint32_t)CHUNK_BYTES;
			if (xfer->shape.strips)
				vmo_gather(&walk, from, piece_view(&xfer->piece[i]) + at, n);
			else
				memcpy(piece_view(&xfer->piece[i]) + at, from + filled, n);
			filled += n;
			vmo_rndv_filled(xfer, filled);
		}
	vmo_time_end(began, VMO_C_stage_ns);
	xfer->shape.strips = 0;
	xfer->detached = true;
}

void vmo_rndv_read_back(const struct vmo_xfer *xfer, void *to)
{
	struct vmo_part part[VMO_SLOT_EXTENTS];
	struct vmo_sink sink = { .base = to };
	struct vmo_shape whole = { &(struct vmo_strip)VMO_ONE_PIECE(xfer->bytes), 1, 1, 0 };
	uint32_t parts = xfer->pieces - (xfer->sent.strips ? 1 : 0);
	uint64_t begin = 0;

	for (uint32_t i = 0; i < parts; i++) {
		part[i] = (struct vmo_part){ begin, begin + xfer->piece[i].bytes, piece_view(&xfer->piece[i]) };
		begin = part[i].end;
	}
	vmo_shape_copy(xfer->sent.strips ? &xfer->sent : &whole, part, parts, &sink, xfer->bytes);
}

char *vmo_rndv_stage(struct vmo_xfer *xfer)
{
	return piece_view(&xfer->piece[0]);
}

void vmo_rndv_filled(struct vmo_xfer *xfer, uint64_t bytes)
{
	struct vmo_slot *slot = vmo_channel_slot(&xfer->peer->out, xfer->slot);

	atomic_store_explicit(&slot->filled, bytes, memory_order_release);
}

enum vmo_xfer_state vmo_rndv_state(const struct vmo_xfer *xfer)
{
	struct vmo_slot *slot = vmo_channel_slot(&xfer->peer->out, xfer->slot);

	if (vmo_likely(atomic_load_explicit(&slot->done, memory_order_acquire) == xfer->sequence))
		return VMO_XFER_DONE;
	if (vmo_unlikely(atomic_load_explicit(&slot->refused, memory_order_acquire) == xfer->sequence ||
	                 vmo_channel_refused(&xfer->peer->out, xfer->slot)))
		return VMO_XFER_REFUSED;
	return vmo_likely(vmo_channel_alive(&xfer->peer->in)) ? VMO_XFER_PENDING : VMO_XFER_LOST;
}

/* Model: detach. */
int vmo_rndv_detach(struct vmo_xfer *xfer)
{
	if (xfer->detached)
		return 0;
	struct vmo_subst *subst = xfer->peer->engine->subst;
	uint64_t began = vmo_time_begin();
	int rc = xfer->sent.strips ? vmo_subst_detach_spaced(subst, (uintptr_t)xfer->low, xfer->span)
	                           : vmo_subst_detach(subst, (uintptr_t)xfer->low, xfer->span);
	vmo_time_end(began, VMO_C_stage_ns);
	if (!rc)
		xfer->detached = true;
	return rc;
}

/* Model: reuse. Only here do a slot and its pages become free. Lock held. */
static void recycle(struct vmo_xfer *xfer)
{
	struct vmo_engine *e = xfer->peer->engine;

	drop_pieces(xfer);
	vmo_channel_give(&xfer->peer->out, xfer->slot);
	xfer->next = e->spare;
	e->spare = xfer;
}

void vmo_rndv_release(struct vmo_xfer *xfer)
{
	struct vmo_engine *e = xfer->peer->engine;
	enum vmo_xfer_state state = vmo_rndv_state(xfer);

	if (vmo_unlikely(state == VMO_XFER_LOST))
		vmo_peer_lost(xfer->peer);
	pthread_mutex_lock(&e->lock);
	if (state == VMO_XFER_PENDING || (state == VMO_XFER_REFUSED && xfer->refused)) {
		xfer->next = e->draining;
		__atomic_store_n(&e->draining, xfer, __ATOMIC_RELAXED);
	} else {
		recycle(xfer);
	}
	pthread_mutex_unlock(&e->lock);
}

void vmo_rndv_withdraw(struct vmo_xfer *xfer)
{
	struct vmo_engine *e = xfer->peer->engine;

	pthread_mutex_lock(&e->lock);
	recycle(xfer);
	pthread_mutex_unlock(&e->lock);
}

uint32_t vmo_rndv_reap(struct vmo_engine *e)
{
	struct vmo_xfer *refused = NULL;
	uint32_t left = 0;

	if (vmo_likely(!__atomic_load_n(&e->draining, __ATOMIC_RELAXED)))
		return 0;
	pthread_mutex_lock(&e->lock);
	for (struct vmo_xfer **link = &e->draining, *xfer; (xfer = *link);) {
		enum vmo_xfer_state state = vmo_rndv_state(xfer);
		if (state == VMO_XFER_PENDING) {
			link = &xfer->next;
			left++;
			continue;
		}
		__atomic_store_n(link, xfer->next, __ATOMIC_RELAXED);
		if (state == VMO_XFER_REFUSED && xfer->refused) {
			xfer->next = refused;
			refused = xfer;
		} else {
			recycle(xfer);
		}
	}
	pthread_mutex_unlock(&e->lock);
	while (refused) {	/* the caller's function sends it by MPI, then releases it */
		struct vmo_xfer *xfer = refused;
		refused = xfer->next;
		left++;
		xfer->refused(xfer);
	}
	return left;
}

/* Model: sleep. */
void vmo_rndv_sleep(struct vmo_xfer *xfer, uint64_t timeout_ns)
{
	struct vmo_peer *peer = xfer->peer;

	if (!peer->port)
		return;
	atomic_store(&peer->out.page->head.sender_sleeps, 1);	/* ask first, then look again */
	if (vmo_rndv_state(xfer) == VMO_XFER_PENDING)
		vmo_xen_port_wait(peer->engine->xen, timeout_ns);
	atomic_store(&peer->out.page->head.sender_sleeps, 0);
}
