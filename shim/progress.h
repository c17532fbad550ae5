/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * progress.h: how to wait: spin, then yield the processor, then sleep a little.
 *
 * Polling a shared word is 15 to 25 system calls quicker than an event (DESIGN 2), so a waiter spins
 * first. It yields early, because ranks may share a core. There is no hidden thread: whoever waits in
 * the library calls vmo_wait_turn between its own polls.
 */
#ifndef VMO_PROGRESS_H
#define VMO_PROGRESS_H

#include "vmo.h"

#define VMO_WAIT_SPINS 500

struct vmo_wait {
	uint32_t turns;
	uint64_t began_ns;	/* 0 until the waiter has spun for a while */
};

#define VMO_WAIT_INIT { 0, 0 }
/* Where each turn costs a call of MPI's progress: yield after a few. */
#define VMO_WAIT_COSTLY_INIT { VMO_WAIT_SPINS - 8, 0 }

enum vmo_wait_advice { VMO_WAIT_SPUN, VMO_WAIT_YIELDED, VMO_WAIT_SLEEP };

/* One turn. VMO_WAIT_SLEEP: it was long; the caller may sleep on an event, briefly. */
enum vmo_wait_advice vmo_wait_turn(struct vmo_wait *wait);

/* Nanoseconds waited so far, in steps: 0 while spinning. */
uint64_t vmo_waited_ns(const struct vmo_wait *wait);

#endif
