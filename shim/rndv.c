/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rndv.h"

#include "log.h"
#include "progress.h"

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

bool vmo_rndv_is_rts(const struct vmo_engine *e, const void *message)
{
	return !memcmp(message, e->magic, sizeof e->magic);
}

/* Extents must add up to the message, each within what a run can hold. */
static bool extents_sound(const struct vmo_incoming *in)
{
	uint64_t sum = 0;

	if (!in->extents || in->extents > VMO_SLOT_EXTENTS)
		return false;
	for (uint32_t i = 0; i < in->extents; i++)
		sum += in->extent[i].bytes;
	return sum == in->bytes;
}

/* Model: accept. */
int vmo_rndv_accept(struct vmo_peer *peer, const void *message, struct vmo_incoming *out)
{
	struct vmo_rts rts;
	struct vmo_incoming in;

	memcpy(&rts, message, sizeof rts);
	if (!vmo_rts_sound(&rts) || rts.sender != peer->rank || !rts.slot || rts.slot >= VMO_CHANNEL_SLOTS)
		return -EPROTO;
	struct vmo_slot *slot = &peer->in.pages->slot[rts.slot];
	if (atomic_load_explicit(&slot->sequence, memory_order_acquire) != rts.sequence)
		return -EPROTO;
	in.peer = peer;
	in.slot = rts.slot;
	in.sequence = rts.sequence;
	in.bytes = *(volatile uint64_t *)&slot->bytes;
	in.extents = *(volatile uint32_t *)&slot->extents;
	memcpy(in.extent, slot->extent, sizeof in.extent);
	if (in.bytes != rts.bytes || !extents_sound(&in))
		return -EPROTO;
	*out = in;
	return 0;
}

/* Waits until at least `least` bytes are readable; returns how many are, or -EPIPE. */
static int64_t wait_filled(struct vmo_incoming *in, uint64_t least)
{
	struct vmo_slot *slot = &in->peer->in.pages->slot[in->slot];
	struct vmo_wait wait = VMO_WAIT_INIT;
	uint64_t filled;

	while ((filled = atomic_load_explicit(&slot->filled, memory_order_acquire)) < least) {
		if (!vmo_channel_alive(&in->peer->in))
			return -EPIPE;
		vmo_wait_turn(&wait);
	}
	return (int64_t)(filled < in->bytes ? filled : in->bytes);
}

/* Copies from one extent's mapping, following the sender's fill. `before`: message bytes before it. */
static int copy_extent(struct vmo_incoming *in, uint64_t before, const char *from, char *to, uint64_t bytes)
{
	for (uint64_t at = 0; at < bytes;) {
		int64_t filled = wait_filled(in, before + at + 1);
		if (filled < 0)
			return (int)filled;
		uint64_t upto = (uint64_t)filled - before;
		if (upto > bytes)
			upto = bytes;
		memcpy(to + at, from + at, upto - at);
		at = upto;
	}
	return 0;
}

/* Maps an extent's run and checks that the extent lies in it. */
static int map_extent(struct vmo_incoming *in, const struct vmo_extent *extent, struct vmo_mapping **mapping,
                      const char **from)
{
	struct vmo_mapcache *cache = in->peer->engine->cache;
	uint32_t pages;
	const char *base;
	int rc = vmo_mapcache_get(cache, &in->peer->remote, extent->run, extent->generation, mapping, &base, &pages);

	if (rc)
		return rc;
	if ((uint64_t)extent->offset + extent->bytes > (uint64_t)pages * VMO_PAGE_BYTES) {
		vmo_mapcache_put(cache, *mapping);
		return -EPROTO;
	}
	*from = base + extent->offset;
	return 0;
}

static int pull_extent(struct vmo_incoming *in, const struct vmo_extent *extent, uint64_t before, char *to,
                       uint64_t bytes)
{
	struct vmo_engine *e = in->peer->engine;
	struct vmo_mapping *mapping;
	const char *from;
	int rc = map_extent(in, extent, &mapping, &from);

	if (!rc) {
		rc = copy_extent(in, before, from, to, bytes);
		vmo_mapcache_put(e->cache, mapping);
		return rc;
	}
	if (rc == -EPROTO || !e->config.grant_copy)
		return rc;
	int64_t filled = wait_filled(in, before + bytes);
	if (filled < 0)
		return (int)filled;
	return vmo_mapcache_copy(e->cache, &in->peer->remote, extent->run, extent->generation, extent->offset,
	                         bytes, to);
}

/* Model: pull. */
int vmo_rndv_pull(struct vmo_incoming *in, void *to, uint64_t bytes)
{
	uint64_t before = 0;

	for (uint32_t i = 0; i < in->extents && before < bytes; i++) {
		uint64_t n = in->extent[i].bytes;
		if (n > bytes - before)
			n = bytes - before;
		int rc = pull_extent(in, &in->extent[i], before, (char *)to + before, n);
		if (rc)
			return rc;
		before += in->extent[i].bytes;
	}
	return 0;
}

const char *vmo_rndv_peek(struct vmo_incoming *in, struct vmo_mapping **mapping)
{
	const char *from;

	if (in->extents != 1 || map_extent(in, &in->extent[0], mapping, &from))
		return NULL;
	if (wait_filled(in, in->bytes) < 0) {
		vmo_mapcache_put(in->peer->engine->cache, *mapping);
		return NULL;
	}
	return from;
}

void vmo_rndv_unpeek(struct vmo_incoming *in, struct vmo_mapping *mapping)
{
	vmo_mapcache_put(in->peer->engine->cache, mapping);
}

/* The store that the sender polls, then the event if it sleeps (it looked again after asking). */
static void answer(struct vmo_incoming *in, _Atomic uint64_t *word)
{
	atomic_store_explicit(word, in->sequence, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);
	if (vmo_unlikely(atomic_load_explicit(&in->peer->in.pages->head.sender_sleeps, memory_order_relaxed)) &&
	    in->peer->port)
		vmo_xen_port_notify(in->peer->engine->xen, in->peer->port);
}

/* Model: done. */
void vmo_rndv_finish(struct vmo_incoming *in)
{
	vmo_count(pulled_messages, 1);
	vmo_count(pulled_bytes, in->bytes);
	answer(in, &in->peer->in.pages->slot[in->slot].done);
}

/* Model: refuse. */
void vmo_rndv_refuse(struct vmo_incoming *in)
{
	answer(in, &in->peer->in.pages->slot[in->slot].refused);
}
