/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bind.h: between the preloaded file and the flavour that it loads.
 *
 *   program --> MPI_Send = PMPI_Send   entry_<cpu>.S   jmp *vmo_slots[Send]
 *                                          |
 *        before the first MPI call:    vmo_lazy -> vmo_bind(): which DSO provides PMPI_Send?
 *                                          |         Open MPI, MPICH's ABI, or another
 *                                          v
 *        libvmonecopy-openmpi.so / -mpich.so: vmo_flavour_attach(host) fills the slots
 *        any other MPI: the slots get the real functions; no MPI: they return an error code
 *
 * A program without MPI never gets past its own start: nothing is looked up, nothing printed.
 */
#ifndef VMO_BIND_H
#define VMO_BIND_H

#include "api.h"
#include "memhook.h"
#include "pmixhook.h"
#include "threadhook.h"

#define VMO_HOST_ABI 4

struct vmo_host {
	uint32_t abi;			/* VMO_HOST_ABI: preload file and flavour are of one build */
	uint32_t calls;			/* number of slots, in the order of calls.def */
	void **slots;			/* written with atomic stores; read by the entries */
	void *mpi;			/* dlopen handle of the DSO that provides PMPI_Send */
	struct vmo_memhook *hook;
	const struct vmo_api **api;	/* set by the flavour, with an atomic store */
	struct vmo_pmixhook *pmix;
	const char *directory;		/* where the libraries of this build lie, without a final slash */
};

/* In each flavour, exported. Fills every slot. 0, or -errno: then the real functions go there. */
typedef int vmo_flavour_attach_fn(const struct vmo_host *host);
#define VMO_FLAVOUR_ATTACH "vmo_flavour_attach"

#endif
