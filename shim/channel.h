/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * channel.h: the shared control pages of one ordered pair of ranks (wire.h has their layout).
 *
 * The sender allocates and grants them; the receiver maps them. Slots are taken and given back by the
 * sender alone, last used first, so that few lines stay warm. A pair begins with one page; the others come when
 * many transfers are under way at once, and never if they cannot: what finds no slot goes by MPI.
 *
 * Threads: the caller serialises take and give, and join_more (rndv.c's lock). Atomic fields need no lock.
 */
#ifndef VMO_CHANNEL_H
#define VMO_CHANNEL_H

#include "wire.h"

struct vmo_channel {
	union vmo_channel_page *page;		/* NULL: not open */
	struct vmo_slot *more;			/* sender: granted; receiver: mapped; NULL: not yet, or it cannot be. Atomic */
	struct vmo_grant grant, more_grant;	/* sender's side only */
	vmo_gref gref;				/* of the first page */
	bool asked;				/* sender: has tried to grant more; receiver: to map them */
	uint64_t sequence;			/* of the newest transfer */
	uint32_t free_slots;
	uint16_t free_slot[VMO_CHANNEL_SLOTS];
};

/* Sender's side: grants and fills the first page. 0 or -errno. */
int vmo_channel_open(struct vmo_channel *channel, struct vmo_xen *xen, vmo_domid peer,
                     uint32_t sender, uint32_t receiver);

/* Receiver's side: maps the first page and checks its head. 0, -EPROTO, or -errno. */
int vmo_channel_join(struct vmo_channel *channel, struct vmo_xen *xen, vmo_domid peer,
                     vmo_gref gref, uint32_t sender, uint32_t receiver);

/* Ungrants or unmaps. Safe on a channel that is not open. */
void vmo_channel_close(struct vmo_channel *channel, struct vmo_xen *xen);

/* A free slot's number, or -EAGAIN; its next sequence number goes to *sequence. Grants more pages where none is left. */
int vmo_channel_take(struct vmo_channel *channel, struct vmo_xen *xen, vmo_domid peer, uint64_t *sequence);
void vmo_channel_give(struct vmo_channel *channel, uint32_t slot);

/* Receiver's side: maps the pages that the sender has more of, if it has; tries once. */
void vmo_channel_join_more(struct vmo_channel *channel, struct vmo_xen *xen, vmo_domid peer);

/* Receiver's side: refuses what is offered in a slot that it cannot map; sender's: was it? */
void vmo_channel_refuse(struct vmo_channel *channel, uint32_t slot);
static inline bool vmo_channel_refused(const struct vmo_channel *channel, uint32_t slot)
{
	return slot >= VMO_PAGE_SLOTS &&
	       __atomic_load_n((const uint32_t *)&channel->page->head.refused[slot / 32], __ATOMIC_ACQUIRE) >> slot % 32 & 1;
}

/* Is the slot's page there? */
static inline bool vmo_channel_has(const struct vmo_channel *channel, uint32_t slot)
{
	return slot < VMO_PAGE_SLOTS || (slot < VMO_CHANNEL_SLOTS && __atomic_load_n(&channel->more, __ATOMIC_ACQUIRE));
}

static inline struct vmo_slot *vmo_channel_slot(const struct vmo_channel *channel, uint32_t slot)
{
	return vmo_likely(slot < VMO_PAGE_SLOTS) ? &channel->page->slot[slot]
	       : &__atomic_load_n(&channel->more, __ATOMIC_RELAXED)[slot - VMO_PAGE_SLOTS];
}

/* Model: death. Xen clears the byte when the process that owns it ends. */
static inline bool vmo_channel_alive(const struct vmo_channel *channel)
{
	return __atomic_load_n((const uint8_t *)&channel->page->head.alive, __ATOMIC_ACQUIRE) != 0;
}

#endif
