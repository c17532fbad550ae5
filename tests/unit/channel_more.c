/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A channel begins with one page. When none of its slots is left its sender grants seven more, and the receiver maps them. If
 * it cannot, it refuses what is in their slots, one by one, and the sender takes none of them again. A slot is the same
 * record on both sides.
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
	take(pair, &channel, ONE);
	CHECK(!channel.more);			/* so far one page is enough */
	take(pair, &channel, ALL - ONE);
	take_none(pair, &channel);
	pair_meet(pair);
	pair_meet(pair);
	give_all(&channel);
	take(pair, &channel, ALL);		/* all came back, none twice */
	take_none(pair, &channel);
	give_all(&channel);
	vmo_channel_close(&channel, pair->xen);
}

/* The peer is offered pages that it cannot map. */
static void stays_small(struct pair *pair)
{
	struct vmo_channel channel = { 0 };
	uint32_t refused;

	open_one(pair, &channel);
	take(pair, &channel, ONE + 2);
	channel.page->head.gref[3] = ~(vmo_gref)0;
	pair_meet(pair);
	pair_hear(pair, &refused, sizeof refused);
	for (uint32_t slot = 1; slot < VMO_CHANNEL_SLOTS; slot++)
		CHECK(vmo_channel_refused(&channel, slot) == (slot == refused));
	CHECK(taken[refused]);
	give_all(&channel);
	take(pair, &channel, ONE);
	take_none(pair, &channel);
	give_all(&channel);
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
	vmo_channel_join_more(channel, pair->xen, pair->peer);	/* nothing yet */
	CHECK(vmo_channel_has(channel, ONE) && !vmo_channel_has(channel, VMO_PAGE_SLOTS));
	pair_meet(pair);
	pair_meet(pair);
	vmo_channel_join_more(channel, pair->xen, pair->peer);
}

static void join_all(struct pair *pair)
{
	struct vmo_channel channel = { 0 };

	join_one(pair, &channel);
	CHECK(vmo_channel_has(&channel, ALL) && !vmo_channel_has(&channel, ALL + 1));
	for (uint32_t slot = 1; slot < VMO_CHANNEL_SLOTS; slot++)
		CHECK_RC(atomic_load(&vmo_channel_slot(&channel, slot)->sequence), 1000 + slot);
	vmo_channel_close(&channel, pair->xen);
	pair_meet(pair);
}

static void join_page_alone(struct pair *pair)
{
	struct vmo_channel channel = { 0 };
	uint32_t refused = VMO_PAGE_SLOTS + 1;

	join_one(pair, &channel);
	CHECK(vmo_channel_has(&channel, ONE) && !vmo_channel_has(&channel, VMO_PAGE_SLOTS));
	vmo_channel_refuse(&channel, refused);
	pair_tell(pair, &refused, sizeof refused);
	vmo_channel_close(&channel, pair->xen);
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
