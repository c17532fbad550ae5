/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mpi_small.h: the short way of small messages: what tells, in a few instructions, that a call is MPI's alone.
 *
 *   send     a plain type, below the threshold, not of an RTS's size            vmo_send_is_small
 *   receive  no room for an RTS, or not from a co-resident rank                  vmo_may_rts_from
 *            or MPI has done it, and what came has not an RTS's size             vmo_status_may_rts
 *
 * Each of them may say that it does not know; the call then goes the long way. They are for programs that call MPI from
 * one thread at a time where they read what other calls change (vmo_calm, communicators).
 */
#ifndef VMO_MPI_SMALL_H
#define VMO_MPI_SMALL_H

#include "mpi_shim.h"

#include <string.h>

/*
 * Contiguous predefined types that were seen: programs use few, and asking MPI costs more than a small message. By
 * a hash of the handle; what is not known yet has MPI_BYTE's facts in its place.
 */
#define VMO_PLAIN_BITS 4
#define VMO_PLAIN_TYPES (1 << VMO_PLAIN_BITS)
extern VMO_HIDDEN struct vmo_type *vmo_plain_types[VMO_PLAIN_TYPES];

static inline struct vmo_type **vmo_plain_place(MPI_Datatype type)
{
	return &vmo_plain_types[(uint32_t)(uintptr_t)type * 0x9e3779b1u >> (32 - VMO_PLAIN_BITS)];
}

/* NULL: not among them. */
static inline struct vmo_type *vmo_plain_type(MPI_Datatype type)
{
	struct vmo_type *t = __atomic_load_n(vmo_plain_place(type), __ATOMIC_ACQUIRE);

	return vmo_likely(t->type == type) ? t : NULL;
}

/*
 * Is this certainly a message that is sent by MPI? Of a plain type, below the threshold,
 * and not of the one size that must be looked at.
 */
static inline bool vmo_send_is_small(int count, MPI_Datatype type)
{
	const struct vmo_type *t = vmo_plain_type(type);

	if (vmo_unlikely(!t))
		return false;
	uint64_t bytes = (uint64_t)count * (uint64_t)t->size;	/* of a negative count: huge */
	return vmo_likely(bytes < (uint64_t)shim.threshold) && bytes != VMO_RTS_BYTES;
}
/* For most receives: a known rank of MPI_COMM_WORLD is looked up in place. */
static inline bool vmo_may_rts_from(MPI_Comm comm, int source)
{
	const struct vmo_comm_map *map = vmo_likely(comm == MPI_COMM_WORLD) ? shim.world : vmo_comm_known(comm);

	if (vmo_likely(map && !map->unknown && source >= 0 && source < map->size))
		return map->peer[source] && map->peer[source]->on;
	return vmo_map_may_rts(map, source);
}

/* Looks where a status holds its bytes. */
void vmo_status_setup(void);
/* False: it did not bring as many bytes as an RTS has. Else MPI_Get_count must be asked. */
static inline bool vmo_status_may_rts(const MPI_Status *status)
{
	int bytes;

	if (vmo_unlikely(shim.count_at < 0))
		return true;
	memcpy(&bytes, (const char *)status + shim.count_at, sizeof bytes);
	return bytes == VMO_RTS_BYTES;
}

#endif
