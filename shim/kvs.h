/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * kvs.h: the launcher's key-value space: what a rank says there before MPI_Init, every other can read after it.
 *
 *   before MPI's own start-up     announce: "rank 3 is here" under a key of its own
 *   within                        the MPI publishes its addresses there, with a barrier that spreads all
 *   after                         lookup of any rank: it said so, or it did not; nobody waits for anybody
 *
 *   kvs_pmi1.c  PMI-1 as hydra speaks it (MPICH and its kin): lines on the socket in $PMI_FD. The MPI's own client of it is
 *               not exported, and both may speak in turn: the MPI does not speak outside its own calls, and hydra keeps
 *               no state of a client but its rank. So in the sources of 4.0.2 and of a later main branch; tried with 4.0.2.
 *   kvs_pmix.c  PMIx (Open MPI; MPICH too, if built so): through the MPI's own libpmix (pmixhook.h)
 *
 * Invariants: the value is announced before the MPI's first use of the space on every rank, so a rank that cannot be found
 * after MPI_Init never announced it. Anything else than hydra behind $PMI_FD is left alone.
 *
 * Cost of a lookup, seen with 3 ranks on 2 busy cores, medians: of a rank that is there 31 us by PMI-1, 14 us by PMIx; of one
 * that is not, 206 us by PMI-1 (the node's proxy asks mpiexec), 86 us by PMIx.
 *
 * Threads: one at a time; none of the MPI's calls under way.
 */
#ifndef VMO_KVS_H
#define VMO_KVS_H

#include "vmo.h"

struct vmo_pmi1 {
	int fd;
	uint32_t size;			/* ranks of this start, as the launcher says */
	char space[256];		/* its name */
};

/* 0; -ENOENT: not started by hydra, or alone; else -errno: hydra did not take it. value: one word. */
int vmo_pmi1_announce(struct vmo_pmi1 *pmi, const char *value);
/* 1: that rank announced this value; 0: it did not; -errno. */
int vmo_pmi1_lookup(const struct vmo_pmi1 *pmi, uint32_t rank, const char *value);
/* The MPI turned out not to use this space: to hydra a process that came and went without a word is a crash. */
void vmo_pmi1_withdraw(const struct vmo_pmi1 *pmi);

struct vmo_pmix {
	void *library;			/* a dlopen handle */
	const char *space;		/* its name, in the environment */
};

/* commit: the real PMIx_Commit, which is about to be called. 0; -ENOENT: no values of other ranks are to be had; -errno. */
int vmo_pmix_announce(struct vmo_pmix *pmix, void *commit, const char *value);
int vmo_pmix_lookup(const struct vmo_pmix *pmix, uint32_t rank, const char *value);
void vmo_pmix_close(struct vmo_pmix *pmix);

#endif
