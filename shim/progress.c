/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "progress.h"

#include <sched.h>

#define SLEEP_AFTER_NS 1000000u

static inline void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

enum vmo_wait_advice vmo_wait_turn(struct vmo_wait *wait)
{
	if (vmo_likely(wait->turns < VMO_WAIT_SPINS)) {
		wait->turns++;
		relax();
		return VMO_WAIT_SPUN;
	}
	if (!wait->began_ns)
		wait->began_ns = vmo_now_ns();
	sched_yield();
	return vmo_waited_ns(wait) > SLEEP_AFTER_NS ? VMO_WAIT_SLEEP : VMO_WAIT_YIELDED;
}

uint64_t vmo_waited_ns(const struct vmo_wait *wait)
{
	return wait->began_ns ? vmo_now_ns() - wait->began_ns : 0;
}
