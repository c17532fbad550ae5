/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * room.h: room for a message that must be had: memory or, without, pages of the pool.
 *
 * After its request was sent a message can only be delivered or refused, and a refusal needs its sender, who may be
 * busy; so want of memory shall not lead there as long as there is anything else.
 *
 *   struct vmo_room room = { .memory = malloc(bytes) };
 *   char *at = vmo_room_at(&room, pool, bytes);     NULL: neither
 *   vmo_room_leave(&room);
 *
 * Threads: as of pool.h.
 */
#ifndef VMO_ROOM_H
#define VMO_ROOM_H

#include "pool.h"

#include <stdlib.h>

struct vmo_room {
	void *memory;			/* malloc, or NULL */
	struct vmo_block *block;
};

static inline void *vmo_room_at(struct vmo_room *room, struct vmo_pool *pool, uint64_t bytes)
{
	uint32_t pages = (uint32_t)vmo_pages(bytes);

	if (room->memory)
		return room->memory;
	if (!room->block && vmo_pool_take(pool, pages, pages, &room->block))
		room->block = NULL;
	return room->block ? room->block->view : NULL;
}

static inline void vmo_room_leave(struct vmo_room *room)
{
	free(room->memory);
	if (room->block)
		vmo_block_drop(room->block);
	room->memory = NULL;
	room->block = NULL;
}

#endif
