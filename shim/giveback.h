/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * giveback.h: granted runs that nobody uses go back, so that other pools, ranks and jobs of the VM can have them.
 *
 *   granter, domain A                                      every rank of domain B that maps A's pool
 *   run idle, or another pool in need
 *     directory: run withdrawn, withdrawals = n    -->     looks at it now and then
 *                                                          unmaps the run              mapcache.c
 *   all of B's ranks have seen n                   <--     channel head: withdrawals_seen = n
 *     ungrants it                pool_return.c
 *
 * Buffers that are not sent any more leave runs that are nearly empty, so that these come to be unused
 * (vmo_subst_tidy).
 *
 * Both sides look about every millisecond, if they are in MPI at all: a rank that computes for long delays what it
 * has mapped, no more. A pool that needs its withdrawn run before that takes it back into service.
 * A rank that has died has nothing mapped.
 *
 * Cost for a message: one counter of this process. Shared memory is read each millisecond at most, and is written
 * only when runs go.
 * Threads: any; one at a time looks, the others pass by.
 */
#ifndef VMO_GIVEBACK_H
#define VMO_GIVEBACK_H

#include "peer.h"

#define VMO_GIVEBACK_TURNS 256	/* messages and polls between two looks at the clock */

void vmo_giveback_look(struct vmo_engine *engine);

/* Called per message and per poll. */
static inline void vmo_giveback_turn(struct vmo_engine *engine)
{
	uint32_t turns = __atomic_load_n(&engine->turns, __ATOMIC_RELAXED) + 1;

	__atomic_store_n(&engine->turns, turns, __ATOMIC_RELAXED);
	if (vmo_unlikely(turns % VMO_GIVEBACK_TURNS == 0))
		vmo_giveback_look(engine);
}

/* This pool found no room: what the process's other pools do not use is withdrawn, ten times a second at most. */
void vmo_giveback_press(struct vmo_engine *engine, const struct vmo_pool *needy);

#endif
