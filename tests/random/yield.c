/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * yield.c: MPICH over UCX spins in ucp_worker_progress, so where there are more ranks than processors each
 * hand-over waits for a whole time slice. It calls that function through the PLT: this one comes first
 * and yields. Alike with the library and without.
 */
#include <dlfcn.h>
#include <sched.h>

unsigned ucp_worker_progress(void *worker);

__attribute__((visibility("default"))) unsigned ucp_worker_progress(void *worker)
{
	static unsigned (*real)(void *worker);
	unsigned events;

	if (!real)
		real = (unsigned (*)(void *))dlsym(RTLD_NEXT, "ucp_worker_progress");
	events = real ? real(worker) : 0;
	if (!events)
		sched_yield();
	return events;
}
