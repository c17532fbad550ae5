/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mpi_coll_later.h: counting what nonblocking (mpi_coll_later.c) and persistent (mpi_coll_init.c) collectives leave to
 * MPI. Each function counts the bytes that this rank puts in, if they are large and some rank of the communicator is
 * co-resident. Local; any thread.
 */
#ifndef VMO_MPI_COLL_LATER_H
#define VMO_MPI_COLL_LATER_H

#include "mpi_coll.h"

void vmo_later_even(MPI_Comm comm, MPI_Count count, MPI_Datatype type, enum vmo_reason reason);
/* One argument or the other, where the first may be MPI_IN_PLACE. */
void vmo_later_either(MPI_Comm comm, const void *buf, MPI_Count count, MPI_Datatype type, MPI_Count or_count,
                      MPI_Datatype or_type, enum vmo_reason reason);
/* Pieces for all ranks. */
void vmo_later_arrays(MPI_Comm comm, struct vmo_coll_side side, enum vmo_reason reason);
/* The same counts on all ranks (Reduce_scatter). */
void vmo_later_counts(MPI_Comm comm, struct vmo_coll_array counts, MPI_Datatype type, enum vmo_reason reason);
/* Is this rank the root? */
bool vmo_later_here(MPI_Comm comm, int root);

#endif
