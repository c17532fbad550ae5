/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A channel begins with one page. When few of its slots are left its sender grants seven more, and takes their slots only
 * after the receiver has mapped them; what the receiver cannot map is never taken. A slot is the same record on both
 * sides, and closing gives all pages back.
 */
#include "xen_pair.h"

#include "channel.h"

#include <stdatomic.h>

#define ONE (VMO_PAGE_SLOTS - 1)		/* slots of the first page */
#define ALL (VMO_CHANNEL_SLOTS - 1)

static uint64_t sequence;
static bool taken[VMO_CHANNEL_SLOTS];

static void take(struct pair *pair, struct vmo_channel *channel, int slots)
{
	for (int i = 0; i < slots; i++) {
		uint64_t next;
		int slot = vmo_channel_take(channel, pair->xen, pair->peer, &next);

		CHECK(slot >= 1 && slot < VMO_CHANNEL_SLOTS && !taken[slot] && next == sequence + 1);
		CHECK(slot < VMO_PAGE_SLOTS || channel->grown);
		taken[slot] = true;
		sequence = next;
		atomic_store(&vmo_channel_slot(channel, (uint32_t)slot)->sequence, 1000u + (unsigned)slot);
	}
}

static void take_none(struct pair *pair, struct vmo_channel *channel)
{
	uint64_t next;

	CHECK_RC(vmo_channel_take(channel, pair->xen, pair->peer, &next), -EAGAIN);
}

static void give_all(struct vmo_channel *channel)
{
	for (uint32_t slot = 1; slot < VMO_CHANNEL_SLOTS; slot++)
		if (taken[slot])
			vmo_channel_give(channel, slot);
	memset(taken, 0, sizeof taken);
}

static void open_one(struct pair *pair, struct vmo_channel *channel)
{
	CHECK_RC(vmo_channel_open(channel, pair->xen, pair->peer, 1, 2), 0);
	CHECK_RC(channel->grant.pages, 1);
	sequence = 0;
	pair_tell(pair, &channel->gref, sizeof channel->gref);
	pair_meet(pair);
}

/* The peer maps what it is offered. */
static void grows(struct pair *pair)
{
	struct vmo_channel channel = { 0 };

	open_one(pair, &channel);
	take(pair, &channel, 1);
	CHECK(!channel.more);			/* few transfers ask for nothing */
	take(pair, &channel, ONE - 1);
	take_none(pair, &channel);		/* offered, but not yet mapped */
	pair_meet(pair);
	pair_meet(pair);
	take(pair, &channel, ALL - ONE);
	take_none(pair, &channel);
	pair_meet(pair);
	pair_meet(pair);
	give_all(&channel);
	take(pair, &channel, ALL);		/* all came back, none twice */
	take_none(pair, &channel);
	give_all(&channel);
	pair_meet(pair);
	vmo_channel_close(&channel, pair->xen);
}

/* The peer is offered pages that it cannot map. */
static void stays_small(struct pair *pair)
{
	struct vmo_channel channel = { 0 };

	open_one(pair, &channel);
	take(pair, &channel, ONE);
	channel.page->head.gref[3] = ~(vmo_gref)0;
	pair_meet(pair);
	pair_meet(pair);
	take_none(pair, &channel);
	give_all(&channel);
	take(pair, &channel, ONE);
	take_none(pair, &channel);
	give_all(&channel);
	pair_meet(pair);
	vmo_channel_close(&channel, pair->xen);
}

static void granter(struct pair *pair)
{
	grows(pair);
	stays_small(pair);
	grows(pair);
}

static void join_one(struct pair *pair, struct vmo_channel *channel)
{
	vmo_gref gref;

	pair_hear(pair, &gref, sizeof gref);
	CHECK_RC(vmo_channel_join(channel, pair->xen, pair->peer, gref, 1, 2), 0);
	CHECK_RC(vmo_channel_slots(channel), VMO_PAGE_SLOTS);
	CHECK(!vmo_channel_offers_more(channel));
	pair_meet(pair);
	pair_meet(pair);
	CHECK(vmo_channel_offers_more(channel));
	vmo_channel_join_more(channel, pair->xen, pair->peer);
	CHECK(!vmo_channel_offers_more(channel));	/* once */
}

static void join_all(struct pair *pair)
{
	struct vmo_channel channel = { 0 };

	join_one(pair, &channel);
	CHECK_RC(vmo_channel_slots(&channel), VMO_CHANNEL_SLOTS);
	pair_meet(pair);
	pair_meet(pair);
	for (uint32_t slot = 1; slot < VMO_CHANNEL_SLOTS; slot++)
		CHECK_RC(atomic_load(&vmo_channel_slot(&channel, slot)->sequence), 1000 + slot);
	pair_meet(pair);
	vmo_channel_close(&channel, pair->xen);
	pair_meet(pair);
}

static void join_page_alone(struct pair *pair)
{
	struct vmo_channel channel = { 0 };

	join_one(pair, &channel);
	CHECK_RC(vmo_channel_slots(&channel), VMO_PAGE_SLOTS);
	pair_meet(pair);
	vmo_channel_close(&channel, pair->xen);
	pair_meet(pair);
}

static void mapper(struct pair *pair)
{
	join_all(pair);
	join_page_alone(pair);
	join_all(pair);
}

int main(void)
{
	return pair_test(20, granter, mapper);
}
