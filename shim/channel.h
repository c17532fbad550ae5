/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * channel.h: the shared control pages of one ordered pair of ranks (wire.h has their layout).
 *
 * The sender allocates and grants them; the receiver maps them. Slots are taken and given back by the
 * sender alone, last used first, so that few lines stay warm.
 *
 * Threads: the caller serialises take and give (rndv.c's lock). Atomic fields need no lock.
 */
#ifndef VMO_CHANNEL_H
#define VMO_CHANNEL_H

#include "wire.h"

struct vmo_channel {
	union vmo_channel_pages *pages;		/* NULL: not open */
	struct vmo_grant grant;			/* sender's side only */
	vmo_gref gref[VMO_CHANNEL_PAGES];
	uint64_t sequence;			/* of the newest transfer */
	uint32_t free_slots;
	uint16_t free_slot[VMO_CHANNEL_SLOTS];
};

/* Sender's side: grants and fills the pages. 0 or -errno. */
int vmo_channel_open(struct vmo_channel *channel, struct vmo_xen *xen, vmo_domid peer,
                     uint32_t sender, uint32_t receiver);

/* Receiver's side: maps the pages and checks their head. 0, -EPROTO, or -errno. */
int vmo_channel_join(struct vmo_channel *channel, struct vmo_xen *xen, vmo_domid peer,
                     const vmo_gref gref[VMO_CHANNEL_PAGES], uint32_t sender, uint32_t receiver);

/* Ungrants or unmaps. Safe on a channel that is not open. */
void vmo_channel_close(struct vmo_channel *channel, struct vmo_xen *xen);

/* A free slot's number, or -EAGAIN; its next sequence number goes to *sequence. */
int vmo_channel_take(struct vmo_channel *channel, uint64_t *sequence);
void vmo_channel_give(struct vmo_channel *channel, uint32_t slot);

/* Model: death. Xen clears the byte when the process that owns it ends. */
static inline bool vmo_channel_alive(const struct vmo_channel *channel)
{
	return __atomic_load_n((const uint8_t *)&channel->pages->head.alive, __ATOMIC_ACQUIRE) != 0;
}

#endif
