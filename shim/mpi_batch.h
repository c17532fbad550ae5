/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mpi_batch.h: an array of requests while a completion call works on it.
 *
 *   vmo_batch_open --> [ vmo_batch_advance   the sends among them are waited for
 *                        MPI's own Test...   which are complete?
 *                        vmo_batch_claim     the shim's receives among those, all before the first is
 *                        vmo_batch_finish    finished: an RTS leads to a pull ]  again and again
 *                  --> vmo_batch_raise       the user's error handler, once, with no lock held
 *                  --> vmo_batch_close
 *
 * Requests aside: persistent ones that are active though MPI holds them inactive (receives fed from a
 * held message, which are complete, and one-copy sends).
 *
 * Threads: all but open, close and raise need the shim's lock; finish lets go of it during a copy.
 */
#ifndef VMO_MPI_BATCH_H
#define VMO_MPI_BATCH_H

#include "mpi_shim.h"

#define VMO_BATCH_SMALL 32	/* arrays up to here need no malloc */

/* An array of requests while a call works on it. */
struct vmo_batch {
	int n;
	MPI_Request *request;		/* the user's */
	MPI_Request *key;		/* what they were before MPI set them to MPI_REQUEST_NULL */
	MPI_Status *status;		/* own, one each */
	int *index;
	int error;			/* of the first message that the shim pulled and that has one; to be raised on: */
	MPI_Comm error_comm;
	int error_index;
	bool raised;			/* MPI itself has raised one */
	struct vmo_op **op;		/* the receives among those that MPI completed */
	MPI_Request small_key[VMO_BATCH_SMALL];
	MPI_Status small_status[VMO_BATCH_SMALL];
	int small_index[VMO_BATCH_SMALL];
	struct vmo_op *small_op[VMO_BATCH_SMALL];
	void *large;
};

/* false: out of memory. */
bool vmo_batch_open(struct vmo_batch *b, int n, MPI_Request *request);
void vmo_batch_close(struct vmo_batch *b);

/* The sends among the array are waited for: their patience runs. */
void vmo_batch_advance(struct vmo_batch *b);

/* Entry i is natively complete: its op, if it is a receive of the shim's, out of the table. */
struct vmo_op *vmo_batch_claim(struct vmo_batch *b, int i, int error);

/* What the shim has to add to entry i. MPI error code; what MPI has not raised itself is noted. */
int vmo_batch_finish(struct vmo_batch *b, int i, struct vmo_op *op, int error, MPI_Status *status);

/* The same for n claimed entries (b->op), index[k] or k of the array. True: some error. */
bool vmo_batch_finish_all(struct vmo_batch *b, int n, const int *index);

/* One round of completing whatever is complete; rc as of MPI_Testsome, *got < 0: no active request. */
int vmo_batch_some(struct vmo_batch *b, int *got);

/* Testsome's own report of one entry: an error in its status, or MPI_SUCCESS. */
int vmo_batch_reported(int rc, const MPI_Status *status);

/* The first complete request aside, or -1; *pending: some is not complete. */
int vmo_batch_aside(struct vmo_batch *b, bool *pending);
bool vmo_batch_pending(struct vmo_batch *b);
/* A complete send aside becomes inactive. */
void vmo_batch_complete_aside(struct vmo_batch *b, int i);

/* Calls the user's error handler for what was noted. */
void vmo_batch_raise(const struct vmo_batch *b, bool in_status);

static inline MPI_Status *vmo_status_at(MPI_Status *statuses, int i)
{
	return statuses == MPI_STATUSES_IGNORE ? NULL : &statuses[i];
}

#endif
