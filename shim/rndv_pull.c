/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The receiver's half of the rendezvous: everything read from shared pages is read once, then checked. */
#include "rndv_internal.h"

#include "fault.h"
#include "giveback.h"
#include "progress.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

bool vmo_rndv_is_rts(const struct vmo_engine *e, const void *message)
{
	return !memcmp(message, e->magic, sizeof e->magic);
}

/* Extents must add up to the message, or to its span and the strips in the last one. */
static bool extents_sound(const struct vmo_incoming *in)
{
	uint64_t sum = 0, wanted = in->strips ? in->span : in->bytes;
	uint32_t data = in->extents - (in->strips ? 1 : 0);

	if (!in->extents || in->extents > VMO_SLOT_EXTENTS || !data)
		return false;
	for (uint32_t i = 0; i < data; i++)
		sum += in->extent[i].bytes;
	return sum == wanted && (!in->strips || (in->strips <= VMO_STRIPS_MOST &&
	                                         in->extent[data].bytes == in->strips * sizeof(struct vmo_strip)));
}

/* False: the slot's page cannot be mapped. */
static __attribute__((noinline, cold)) bool join_more(struct vmo_peer *peer, uint32_t slot)
{
	struct vmo_engine *e = peer->engine;

	pthread_mutex_lock(&e->lock);
	vmo_channel_join_more(&peer->in, e->xen, peer->domid);
	pthread_mutex_unlock(&e->lock);
	return vmo_channel_has(&peer->in, slot);
}

/* What is in its slot nobody here can see, but it can be refused: nothing of it can be mapped or looked at. */
static int accept_unseen(struct vmo_peer *peer, const struct vmo_rts *rts, struct vmo_incoming *out)
{
	if (rts->bytes > VMO_MESSAGE_MOST)
		return -EPROTO;
	*out = (struct vmo_incoming){ .peer = peer, .slot = rts->slot, .sequence = rts->sequence, .bytes = rts->bytes };
	return 0;
}

/* Model: accept. */
int vmo_rndv_accept(struct vmo_peer *peer, const void *message, struct vmo_incoming *out)
{
	struct vmo_rts rts;
	struct vmo_incoming in;

	vmo_giveback_turn(peer->engine);
	memcpy(&rts, message, sizeof rts);
	if (!vmo_rts_sound(&rts) || rts.sender != peer->rank || !rts.slot || rts.slot >= VMO_CHANNEL_SLOTS)
		return -EPROTO;
	if (vmo_unlikely(!vmo_channel_has(&peer->in, rts.slot)) && !join_more(peer, rts.slot))
		return accept_unseen(peer, &rts, out);
	struct vmo_slot *slot = vmo_channel_slot(&peer->in, rts.slot);
	if (atomic_load_explicit(&slot->sequence, memory_order_acquire) != rts.sequence)
		return -EPROTO;
	in.peer = peer;
	in.slot = rts.slot;
	in.sequence = rts.sequence;
	in.bytes = *(volatile uint64_t *)&slot->bytes;
	in.extents = *(volatile uint32_t *)&slot->extents;
	in.strips = *(volatile uint32_t *)&slot->strips;
	in.span = *(volatile uint64_t *)&slot->span;
	in.count = *(volatile uint64_t *)&slot->count;
	in.stride = *(volatile int64_t *)&slot->stride;
	in.sum = *(volatile uint64_t *)&slot->sum;
	in.summed = in.so_far = 0;
	memcpy(in.extent, slot->extent, sizeof in.extent);
	if (in.bytes != rts.bytes || in.bytes > VMO_MESSAGE_MOST || !extents_sound(&in))
		return -EPROTO;
	*out = in;
	return 0;
}

/* Waits until at least `least` bytes are readable; returns how many are, or -EPIPE. */
static int64_t wait_filled(struct vmo_incoming *in, uint64_t least)
{
	struct vmo_slot *slot = vmo_channel_slot(&in->peer->in, in->slot);
	struct vmo_wait wait = VMO_WAIT_INIT;
	uint64_t filled;

	while ((filled = atomic_load_explicit(&slot->filled, memory_order_acquire)) < least) {
		if (!vmo_channel_alive(&in->peer->in))
			return -EPIPE;
		vmo_wait_turn(&wait);
	}
	return (int64_t)(filled < in->bytes ? filled : in->bytes);
}

static __attribute__((noinline, cold)) void put_timed(struct vmo_sink *sink, const char *from, uint64_t bytes)
{
	uint64_t began = vmo_time_begin();

	vmo_sink_put(sink, from, bytes);
	vmo_time_end(began, VMO_C_copy_ns);
}

/* Copies from one extent's mapping, following the sender's fill. `before`: message bytes before it. */
static int copy_extent(struct vmo_incoming *in, uint64_t before, const char *from, struct vmo_sink *sink, uint64_t bytes)
{
	for (uint64_t at = 0; at < bytes;) {
		int64_t filled = wait_filled(in, before + at + 1);
		if (filled < 0)
			return (int)filled;
		uint64_t upto = (uint64_t)filled - before;
		if (upto > bytes)
			upto = bytes;
		if (vmo_likely(!vmo_detailed))
			vmo_sink_put(sink, from + at, upto - at);
		else
			put_timed(sink, from + at, upto - at);
		at = upto;
	}
	return 0;
}

/* Maps an extent's run and checks that the extent lies in it. */
int vmo_rndv_map(struct vmo_incoming *in, const struct vmo_extent *extent, struct vmo_mapping **mapping,
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

int vmo_rndv_grant_copy(struct vmo_incoming *in, const struct vmo_extent *extent, void *to, uint64_t bytes)
{
	uint64_t began = vmo_time_begin();
	int rc = vmo_mapcache_copy(in->peer->engine->cache, &in->peer->remote, extent->run, extent->generation,
	                           extent->offset, bytes, to);

	vmo_time_end(began, VMO_C_copy_ns);
	return rc;
}

#define BOUNCE_BYTES 4096	/* without memory for all of it */

/* Grant copy knows no gaps: for a shaped sink the bytes come by way of a buffer. */
static int grant_copy_into(struct vmo_incoming *in, const struct vmo_extent *extent, struct vmo_sink *sink, uint64_t bytes)
{
	char few[BOUNCE_BYTES], *all = sink->shaped && !vmo_fault(bounce) ? malloc(bytes) : NULL, *buffer = all ? all : few;
	struct vmo_extent left = *extent;
	int rc = 0;

	for (uint64_t done = 0, n; !rc && done < bytes; done += n, left.offset += (uint32_t)n) {
		n = !sink->shaped || all || bytes - done < sizeof few ? bytes - done : sizeof few;
		rc = vmo_rndv_grant_copy(in, &left, sink->shaped ? buffer : sink->base, n);
		if (!rc && sink->shaped)
			vmo_sink_put(sink, buffer, n);
		else if (!rc)
			sink->base += n;
		if (!rc && sink->shaped)
			vmo_peer_bounced(in->peer, n);
	}
	free(all);
	return rc;
}

static int pull_extent(struct vmo_incoming *in, const struct vmo_extent *extent, uint64_t before,
                       struct vmo_sink *sink, uint64_t bytes)
{
	struct vmo_engine *e = in->peer->engine;
	struct vmo_mapping *mapping;
	const char *from;
	int rc = vmo_rndv_map(in, extent, &mapping, &from);

	if (!rc) {
		rc = copy_extent(in, before, from, sink, bytes);
		vmo_mapcache_put(e->cache, mapping);
		return rc;
	}
	if (rc == -EPROTO || !e->config.grant_copy)
		return rc;
	int64_t filled = wait_filled(in, before + bytes);
	return filled < 0 ? (int)filled : grant_copy_into(in, extent, sink, bytes);
}

static inline __attribute__((always_inline)) int pull_extents(struct vmo_incoming *in, struct vmo_sink *sink, uint64_t bytes)
{
	uint64_t before = 0;

	for (uint32_t i = 0; i < in->extents && before < bytes; i++) {
		uint64_t n = in->extent[i].bytes;
		if (n > bytes - before)
			n = bytes - before;
		int rc = pull_extent(in, &in->extent[i], before, sink, n);
		if (rc)
			return rc;
		before += in->extent[i].bytes;
	}
	return 0;
}

/* Model: pull. */
int vmo_rndv_pull_into(struct vmo_incoming *in, struct vmo_sink *sink, uint64_t bytes)
{
	struct vmo_sink whole;

	if (vmo_unlikely(!in->extents))
		return -ENOBUFS;	/* unseen */
	bool compare = vmo_unlikely(in->sum != 0) && bytes == in->bytes;

	if (compare)
		whole = *sink;
	int rc = in->strips ? vmo_rndv_pull_spaced(in, sink, bytes) : pull_extents(in, sink, bytes);
	if (compare && !rc)
		vmo_check_sink(in, &whole);
	return rc;
}

int vmo_rndv_pull(struct vmo_incoming *in, void *to, uint64_t bytes)
{
	struct vmo_sink sink = { .base = to };

	return vmo_rndv_pull_into(in, &sink, bytes);
}

const char *vmo_rndv_peek(struct vmo_incoming *in, struct vmo_mapping **mapping)
{
	const char *from;

	if (in->strips || in->extents != 1 || vmo_rndv_map(in, &in->extent[0], mapping, &from))
		return NULL;
	if (wait_filled(in, in->bytes) < 0) {
		vmo_mapcache_put(in->peer->engine->cache, *mapping);
		return NULL;
	}
	if (vmo_unlikely(in->sum))
		vmo_check_read(in, 0, from, in->bytes);
	return from;
}

void vmo_rndv_unpeek(struct vmo_incoming *in, struct vmo_mapping *mapping)
{
	vmo_mapcache_put(in->peer->engine->cache, mapping);
}

static int64_t look_in(struct vmo_incoming *in, const struct vmo_extent *extent, uint64_t before, uint64_t at,
                       const char **from, struct vmo_mapping **mapping)
{
	int64_t filled = wait_filled(in, at + 1);
	uint64_t end = before + extent->bytes;

	if (filled < 0)
		return filled;
	int rc = vmo_rndv_map(in, extent, mapping, from);
	if (rc)
		return rc;
	*from += at - before;
	uint64_t bytes = ((uint64_t)filled < end ? (uint64_t)filled : end) - at;
	if (vmo_unlikely(in->sum))
		vmo_check_read(in, at, *from, bytes);
	return (int64_t)bytes;
}

int64_t vmo_rndv_look(struct vmo_incoming *in, uint64_t at, const char **from, struct vmo_mapping **mapping)
{
	uint64_t before = 0;

	if (in->strips)
		return -ENOTSUP;	/* its bytes have gaps between them */
	if (vmo_unlikely(!in->extents))
		return -ENOBUFS;	/* unseen */
	for (uint32_t i = 0; i < in->extents; before += in->extent[i++].bytes)
		if (at < before + in->extent[i].bytes)
			return look_in(in, &in->extent[i], before, at, from, mapping);
	return 0;
}

void vmo_rndv_unlook(struct vmo_incoming *in, struct vmo_mapping *mapping)
{
	vmo_mapcache_put(in->peer->engine->cache, mapping);
}

/* After the store that the sender polls: the event if it sleeps (it looked again after asking). */
static void wake(const struct vmo_incoming *in)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (vmo_unlikely(atomic_load_explicit(&in->peer->in.page->head.sender_sleeps, memory_order_relaxed)) &&
	    in->peer->port)
		vmo_xen_port_notify(in->peer->engine->xen, in->peer->port);
}

/* Model: done. */
void vmo_rndv_finish(struct vmo_incoming *in)
{
	vmo_count_within(pulled_messages, 1);
	vmo_count_within(pulled_bytes, in->bytes);
	atomic_store_explicit(&vmo_channel_slot(&in->peer->in, in->slot)->done, in->sequence, memory_order_release);
	wake(in);
}

/* Model: refuse. */
void vmo_rndv_refuse(struct vmo_incoming *in)
{
	struct vmo_channel *channel = &in->peer->in;

	if (vmo_likely(vmo_channel_has(channel, in->slot)))
		atomic_store_explicit(&vmo_channel_slot(channel, in->slot)->refused, in->sequence, memory_order_release);
	else
		vmo_channel_refuse(channel, in->slot);
	wake(in);
}
