/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pmixhook.h: PMIx_Commit, by which an MPI hands to its launcher what the other ranks may read.
 *
 *   MPI_Init --> mca_pmix_*.so, libmpi --> PMIx_Commit (here) --> listener: one PMIx_Put more
 *                                                             --> the real PMIx_Commit
 *
 * Who would put a value of his own through PMIx before MPI_Init would have to know which of several libpmix
 * the MPI is going to load: two of them in one process are two clients with one rank, which servers refuse.
 * So it is put amid the MPI's own use of it, into the library that the MPI uses.
 *
 * Not handled: an MPI with a PMIx inside whose names are changed (Open MPI 4 --with-pmix=internal): never called.
 *
 * Threads: the listener runs in the thread that commits, before the commit; set it while no MPI call is under way.
 */
#ifndef VMO_PMIXHOOK_H
#define VMO_PMIXHOOK_H

#include "vmo.h"

struct vmo_pmixhook {
	void (*listener)(void *commit);	/* commit: the real function; NULL: nobody listens */
};

/* The one table of the process. Lives in libvmonecopy.so. */
extern struct vmo_pmixhook vmo_pmixhook_table;

#endif
