/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * yield.c: libyield.so, preloaded on both sides of a comparison where ranks share a core.
 *
 * MPICH over UCX spins and never gives up the processor, so with more ranks than cores each hand-over waits for a whole
 * slice of the scheduler, with or without libvmonecopy. It calls UCX's progress through its PLT: here a round in which
 * nothing happened yields. Open MPI has a setting of its own for that (mpi_yield_when_idle).
 */
#include <dlfcn.h>
#include <sched.h>

unsigned ucp_worker_progress(void *worker);

unsigned ucp_worker_progress(void *worker)
{
	static unsigned (*progress)(void *);
	unsigned happened;

	if (!progress)
		progress = (unsigned (*)(void *))dlsym(RTLD_NEXT, "ucp_worker_progress");
	happened = progress(worker);
	if (!happened)
		sched_yield();
	return happened;
}
