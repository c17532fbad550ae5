/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "channel.h"

#include "fault.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint32_t rts_sum(const struct vmo_rts *rts)
{
	const unsigned char *p = (const unsigned char *)rts;
	uint32_t hash = 0x811c9dc5u;

	for (size_t i = 0; i < offsetof(struct vmo_rts, check); i++)
		hash = (hash ^ p[i]) * 0x01000193u;
	return hash;
}

void vmo_rts_seal(struct vmo_rts *rts)
{
	memset(rts->zero, 0, sizeof rts->zero);
	rts->check = rts_sum(rts);
}

bool vmo_rts_sound(const struct vmo_rts *rts)
{
	return rts->version == VMO_WIRE_VERSION && rts->check == rts_sum(rts);
}

static void raw_unmap(void *address, size_t bytes)
{
	syscall(SYS_munmap, address, bytes);
}

int vmo_channel_open(struct vmo_channel *channel, struct vmo_xen *xen, vmo_domid peer,
                     uint32_t sender, uint32_t receiver)
{
	struct vmo_grant grant;
	void *pages;
	int rc = vmo_xen_grant(xen, peer, VMO_CHANNEL_PAGES, true, &grant, channel->gref);

	if (rc)
		return rc;
	rc = vmo_xen_view(xen, &grant, 0, VMO_CHANNEL_PAGES, NULL, true, &pages);
	if (rc)
		goto ungrant;
	rc = vmo_xen_notify_clear(xen, &grant, offsetof(struct vmo_channel_head, alive));
	if (rc)
		goto unview;
	channel->pages = pages;
	channel->grant = grant;
	channel->sequence = 0;
	channel->free_slots = 0;
	for (uint32_t slot = VMO_CHANNEL_SLOTS - 1; slot >= 1; slot--)
		channel->free_slot[channel->free_slots++] = (uint16_t)slot;
	channel->pages->head.version = VMO_WIRE_VERSION;
	channel->pages->head.sender = sender;
	channel->pages->head.receiver = receiver;
	atomic_store(&channel->pages->head.alive, 1);
	return 0;
unview:
	raw_unmap(pages, VMO_CHANNEL_PAGES * VMO_PAGE_BYTES);
ungrant:
	vmo_xen_ungrant(xen, &grant);
	return rc;
}

int vmo_channel_join(struct vmo_channel *channel, struct vmo_xen *xen, vmo_domid peer,
                     const vmo_gref gref[VMO_CHANNEL_PAGES], uint32_t sender, uint32_t receiver)
{
	void *address;
	int rc = vmo_xen_map(xen, peer, gref, VMO_CHANNEL_PAGES, true, &address);

	if (rc)
		return rc;
	union vmo_channel_pages *pages = address;
	if (pages->head.version != VMO_WIRE_VERSION || pages->head.sender != sender ||
	    pages->head.receiver != receiver || !atomic_load(&pages->head.alive)) {
		vmo_xen_unmap(xen, address, VMO_CHANNEL_PAGES);
		return -EPROTO;
	}
	memset(channel, 0, sizeof *channel);
	channel->pages = pages;
	return 0;
}

void vmo_channel_close(struct vmo_channel *channel, struct vmo_xen *xen)
{
	if (!channel->pages)
		return;
	if (channel->grant.pages) {
		atomic_store(&channel->pages->head.alive, 0);
		raw_unmap(channel->pages, sizeof *channel->pages);
		vmo_xen_ungrant(xen, &channel->grant);
	} else {
		vmo_xen_unmap(xen, channel->pages, VMO_CHANNEL_PAGES);
	}
	memset(channel, 0, sizeof *channel);
}

int vmo_channel_take(struct vmo_channel *channel, uint64_t *sequence)
{
	if (!channel->free_slots || vmo_fault(slot))
		return -EAGAIN;
	*sequence = ++channel->sequence;
	return channel->free_slot[--channel->free_slots];
}

void vmo_channel_give(struct vmo_channel *channel, uint32_t slot)
{
	atomic_store_explicit(&channel->pages->slot[slot].sequence, 0, memory_order_release);
	channel->free_slot[channel->free_slots++] = (uint16_t)slot;
}
