/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sender's half of the rendezvous; the receiver's is in rndv_pull.c. */
#include "rndv.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES ((size_t)64 << 10)	/* staged copies publish themselves in such steps */
#define LEAST_INTERIOR_BYTES (2 * VMO_PAGE_BYTES)	/* below, staging costs less than edges and a lookup */

static struct vmo_xfer *new_xfer(struct vmo_engine *e)
{
	struct vmo_xfer *xfer = e->spare;

	if (xfer)
		e->spare = xfer->next;
	else
		xfer = malloc(sizeof *xfer);
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

/* Takes pool pages for `bytes` in at most `most` pieces. */
static int take_stage(struct vmo_xfer *xfer, size_t bytes, uint32_t most)
{
	uint32_t first = xfer->pieces;

	for (uint32_t left = most; bytes; left--) {
		uint32_t pages = (uint32_t)vmo_pages(bytes);
		struct vmo_block *block;
		int rc = left ? vmo_pool_take(xfer->peer->pool, pages, (pages + left - 1) / left, &block) : -ENOBUFS;
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
static int copy_edges(struct vmo_xfer *xfer, size_t head, size_t tail, struct vmo_piece edge[2])
{
	struct vmo_block *block;
	uint32_t pages = (uint32_t)vmo_pages(head + tail);
	int rc = vmo_pool_take(xfer->peer->pool, pages, pages, &block);

	if (rc)
		return rc;
	memcpy(block->view, xfer->from, head);
	memcpy(block->view + head, xfer->from + xfer->bytes - tail, tail);
	edge[0] = (struct vmo_piece){ .block = block, .offset = 0, .bytes = (uint32_t)head };
	edge[1] = (struct vmo_piece){ .block = block, .offset = (uint32_t)head, .bytes = (uint32_t)tail };
	if (head && tail)
		vmo_block_hold(block);
	return 0;
}

/* In place: [head][interior pieces][tail]. 1 done, 0 not this way (nothing is taken then). */
static int offer_in_place(struct vmo_xfer *xfer)
{
	uintptr_t from = (uintptr_t)xfer->from, end = from + xfer->bytes;
	uintptr_t first = vmo_page_up(from), last = vmo_page_down(end);
	struct vmo_piece edge[2];

	if (first >= last || last - first < LEAST_INTERIOR_BYTES)
		return 0;
	size_t head = first - from, tail = end - last;
	struct vmo_piece *interior = xfer->piece + (head ? 1 : 0);
	int n = vmo_subst_prepare(xfer->peer->engine->subst, xfer->peer->pool, first, last - first,
	                          interior, VMO_SLOT_EXTENTS - 2);
	if (n <= 0)
		return 0;
	if ((head || tail) && copy_edges(xfer, head, tail, edge)) {
		for (int i = 0; i < n; i++)
			vmo_block_drop(interior[i].block);
		return 0;
	}
	if (head)
		xfer->piece[0] = edge[0];
	if (tail)
		interior[n] = edge[1];
	xfer->pieces = (uint32_t)n + (head ? 1 : 0) + (tail ? 1 : 0);
	vmo_count(edge_bytes, head + tail);
	return 1;
}

static int choose_pages(struct vmo_xfer *xfer)
{
	xfer->pieces = 0;
	xfer->staged = false;
	if (xfer->from && offer_in_place(xfer))
		return 0;
	xfer->staged = true;
	return take_stage(xfer, xfer->bytes, xfer->from ? VMO_SLOT_EXTENTS : 1);
}

static enum vmo_reason reason_of(int rc)
{
	return rc == -ENOBUFS || rc == -EMFILE ? VMO_R_fragmented
	     : rc == -ENOSPC ? VMO_R_no_pool : VMO_R_xen_error;
}

static void write_slot(struct vmo_xfer *xfer)
{
	struct vmo_slot *slot = &xfer->peer->out.pages->slot[xfer->slot];

	slot->bytes = xfer->bytes;
	slot->extents = xfer->pieces;
	for (uint32_t i = 0; i < xfer->pieces; i++) {
		const struct vmo_piece *piece = &xfer->piece[i];
		slot->extent[i] = (struct vmo_extent){
			.run = piece->block->run, .generation = piece->block->generation,
			.offset = piece->block->first * (uint32_t)VMO_PAGE_BYTES + piece->offset,
			.bytes = piece->bytes,
		};
	}
	atomic_store_explicit(&slot->filled, xfer->staged ? 0 : xfer->bytes, memory_order_relaxed);
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

/* Model: offer. */
int vmo_rndv_offer(struct vmo_peer *peer, const void *from, size_t bytes, struct vmo_xfer **out,
                   struct vmo_rts *rts, enum vmo_reason *reason)
{
	struct vmo_engine *e = peer->engine;
	struct vmo_xfer *xfer = NULL;
	int slot = -EAGAIN, rc = -ENOMEM;

	*reason = VMO_R_no_slot;
	if (!vmo_channel_alive(&peer->in)) {
		*reason = VMO_R_peer_lost;
		return -EPIPE;
	}
	vmo_rndv_reap(e);
	pthread_mutex_lock(&e->lock);
	uint64_t sequence = 0;
	xfer = new_xfer(e);
	if (xfer)
		slot = vmo_channel_take(&peer->out, &sequence);
	pthread_mutex_unlock(&e->lock);
	if (slot < 0) {
		rc = slot;
		goto give_back;
	}
	*xfer = (struct vmo_xfer){ .peer = peer, .slot = (uint32_t)slot, .sequence = sequence,
	                           .bytes = bytes, .from = from };
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

/* Model: fill. */
void vmo_rndv_fill(struct vmo_xfer *xfer)
{
	const char *from = xfer->from;
	uint64_t filled = 0;

	if (!xfer->staged || !from)
		return;
	for (uint32_t i = 0; i < xfer->pieces; i++)
		for (uint32_t at = 0, n; at < xfer->piece[i].bytes; at += n) {
			n = xfer->piece[i].bytes - at;
			n = n < CHUNK_BYTES ? n : (uint32_t)CHUNK_BYTES;
			memcpy(piece_view(&xfer->piece[i]) + at, from, n);
			from += n;
			filled += n;
			vmo_rndv_filled(xfer, filled);
		}
	xfer->detached = true;
}

char *vmo_rndv_stage(struct vmo_xfer *xfer)
{
	return piece_view(&xfer->piece[0]);
}

void vmo_rndv_filled(struct vmo_xfer *xfer, uint64_t bytes)
{
	struct vmo_slot *slot = &xfer->peer->out.pages->slot[xfer->slot];

	atomic_store_explicit(&slot->filled, bytes, memory_order_release);
}

enum vmo_xfer_state vmo_rndv_state(const struct vmo_xfer *xfer)
{
	struct vmo_slot *slot = &xfer->peer->out.pages->slot[xfer->slot];

	if (vmo_likely(atomic_load_explicit(&slot->done, memory_order_acquire) == xfer->sequence))
		return VMO_XFER_DONE;
	if (vmo_unlikely(atomic_load_explicit(&slot->refused, memory_order_acquire) == xfer->sequence))
		return VMO_XFER_REFUSED;
	return vmo_likely(vmo_channel_alive(&xfer->peer->in)) ? VMO_XFER_PENDING : VMO_XFER_LOST;
}

/* Model: detach. */
int vmo_rndv_detach(struct vmo_xfer *xfer)
{
	if (xfer->detached)
		return 0;
	int rc = vmo_subst_detach(xfer->peer->engine->subst, (uintptr_t)xfer->from, xfer->bytes);
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

	pthread_mutex_lock(&e->lock);
	if (state == VMO_XFER_PENDING || (state == VMO_XFER_REFUSED && xfer->refused)) {
		xfer->next = e->draining;
		e->draining = xfer;
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
		*link = xfer->next;
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

void vmo_rndv_sleep(struct vmo_xfer *xfer, uint64_t timeout_ns)
{
	struct vmo_peer *peer = xfer->peer;

	if (!peer->port)
		return;
	atomic_store(&peer->out.pages->head.sender_sleeps, 1);	/* ask first, then look again */
	if (vmo_rndv_state(xfer) == VMO_XFER_PENDING)
		vmo_xen_port_wait(peer->engine->xen, timeout_ns);
	atomic_store(&peer->out.pages->head.sender_sleeps, 0);
}
