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

/* Grants `pages` writable pages and looks at them. 0 or -errno; then *grant is empty. */
static int grant_pages(struct vmo_xen *xen, vmo_domid peer, uint32_t pages, struct vmo_grant *grant, vmo_gref *gref, void **at)
{
	int rc = vmo_xen_grant(xen, peer, pages, true, grant, gref);

	if (!rc) {
		rc = vmo_xen_view(xen, grant, 0, pages, NULL, true, at);
		if (rc)
			vmo_xen_ungrant(xen, grant);
	}
	if (rc)
		memset(grant, 0, sizeof *grant);
	return rc;
}

/* slot `from` is the next that is taken, then the one after it */
static void add_slots(struct vmo_channel *channel, uint32_t from, uint32_t to)
{
	for (uint32_t slot = to; slot-- > from;)
		channel->free_slot[channel->free_slots++] = (uint16_t)slot;
}

int vmo_channel_open(struct vmo_channel *channel, struct vmo_xen *xen, vmo_domid peer,
                     uint32_t sender, uint32_t receiver)
{
	struct vmo_channel c = { 0 };
	void *page;
	int rc = grant_pages(xen, peer, 1, &c.grant, &c.gref, &page);

	if (rc)
		return rc;
	rc = vmo_xen_notify_clear(xen, &c.grant, offsetof(struct vmo_channel_head, alive));
	if (rc) {
		raw_unmap(page, VMO_PAGE_BYTES);
		vmo_xen_ungrant(xen, &c.grant);
		return rc;
	}
	c.page = page;
	c.page->head.version = VMO_WIRE_VERSION;
	c.page->head.sender = sender;
	c.page->head.receiver = receiver;
	atomic_store(&c.page->head.alive, 1);
	*channel = c;
	add_slots(channel, 1, VMO_PAGE_SLOTS);
	return 0;
}

int vmo_channel_join(struct vmo_channel *channel, struct vmo_xen *xen, vmo_domid peer,
                     vmo_gref gref, uint32_t sender, uint32_t receiver)
{
	void *address;
	int rc = vmo_xen_map(xen, peer, &gref, 1, true, &address);

	if (rc)
		return rc;
	union vmo_channel_page *page = address;
	if (page->head.version != VMO_WIRE_VERSION || page->head.sender != sender ||
	    page->head.receiver != receiver || !atomic_load(&page->head.alive)) {
		vmo_xen_unmap(xen, address, 1);
		return -EPROTO;
	}
	memset(channel, 0, sizeof *channel);
	channel->page = page;
	return 0;
}

void vmo_channel_close(struct vmo_channel *channel, struct vmo_xen *xen)
{
	if (!channel->page)
		return;
	if (channel->grant.pages) {
		atomic_store(&channel->page->head.alive, 0);
		raw_unmap(channel->page, VMO_PAGE_BYTES);
		vmo_xen_ungrant(xen, &channel->grant);
		if (channel->more) {
			raw_unmap(channel->more, VMO_CHANNEL_MORE * VMO_PAGE_BYTES);
			vmo_xen_ungrant(xen, &channel->more_grant);
		}
	} else {
		if (channel->more)
			vmo_xen_unmap(xen, channel->more, VMO_CHANNEL_MORE);
		vmo_xen_unmap(xen, channel->page, 1);
	}
	memset(channel, 0, sizeof *channel);
}

/* Sender's side. What fails is not tried again: the slots of one page do. */
static void grant_more(struct vmo_channel *channel, struct vmo_xen *xen, vmo_domid peer)
{
	vmo_gref gref[VMO_CHANNEL_MORE];
	void *more;

	channel->asked = true;
	if (grant_pages(xen, peer, VMO_CHANNEL_MORE, &channel->more_grant, gref, &more))
		return;
	__atomic_store_n(&channel->more, more, __ATOMIC_RELEASE);
	memcpy(channel->page->head.gref, gref, sizeof gref);
	atomic_store_explicit(&channel->page->head.more, VMO_CHANNEL_MORE, memory_order_release);
	add_slots(channel, VMO_PAGE_SLOTS, VMO_CHANNEL_SLOTS);
}

static bool more_was_refused(const struct vmo_channel *channel)
{
	return atomic_load_explicit(&channel->page->head.no_more, memory_order_acquire) != 0;
}

/* Slots that the receiver cannot see are forgotten. */
static void drop_refused(struct vmo_channel *channel)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < channel->free_slots; i++)
		if (channel->free_slot[i] < VMO_PAGE_SLOTS)
			channel->free_slot[kept++] = channel->free_slot[i];
	channel->free_slots = kept;
}

int vmo_channel_take(struct vmo_channel *channel, struct vmo_xen *xen, vmo_domid peer, uint64_t *sequence)
{
	if (vmo_unlikely(!channel->free_slots && !channel->asked))
		grant_more(channel, xen, peer);
	if (vmo_unlikely(channel->more && more_was_refused(channel)))
		drop_refused(channel);
	if (!channel->free_slots || vmo_fault(slot))
		return -EAGAIN;
	*sequence = ++channel->sequence;
	return channel->free_slot[--channel->free_slots];
}

void vmo_channel_give(struct vmo_channel *channel, uint32_t slot)
{
	atomic_store_explicit(&vmo_channel_slot(channel, slot)->sequence, 0, memory_order_release);
	if (vmo_likely(!vmo_channel_refused(channel, slot)))
		channel->free_slot[channel->free_slots++] = (uint16_t)slot;
}

void vmo_channel_join_more(struct vmo_channel *channel, struct vmo_xen *xen, vmo_domid peer)
{
	struct vmo_channel_head *head = &channel->page->head;
	vmo_gref gref[VMO_CHANNEL_MORE];
	void *more;

	if (channel->asked || atomic_load_explicit(&head->more, memory_order_acquire) != VMO_CHANNEL_MORE)
		return;
	channel->asked = true;
	memcpy(gref, head->gref, sizeof gref);
	if (vmo_xen_map(xen, peer, gref, VMO_CHANNEL_MORE, true, &more))
		atomic_store_explicit(&head->no_more, 1, memory_order_release);
	else
		__atomic_store_n(&channel->more, more, __ATOMIC_RELEASE);
}

void vmo_channel_refuse(struct vmo_channel *channel, uint32_t slot)
{
	atomic_fetch_or_explicit(&channel->page->head.refused[slot / 32], (uint32_t)1 << slot % 32, memory_order_release);
}
