// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Debian's MPICH waits in ucp_worker_progress and never yields its core: with more ranks than cores each hand-over
 * would wait for a whole slice of the scheduler's. Preloaded, this yields where there was nothing to do.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sched.h>

unsigned ucp_worker_progress(void *worker)
{
	static unsigned (*real)(void *);

	if (!real)
		real = (unsigned (*)(void *))dlsym(RTLD_NEXT, "ucp_worker_progress");
	unsigned done = real(worker);
	if (!done)
		sched_yield();
	return done;
}
