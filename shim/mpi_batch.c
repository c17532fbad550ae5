/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mpi_batch.h"

#include <stdlib.h>
#include <string.h>

bool vmo_batch_open(struct vmo_batch *b, int n, MPI_Request *request)
{
	b->n = n;
	b->request = request;
	b->key = b->small_key;
	b->status = b->small_status;
	b->index = b->small_index;
	b->op = b->small_op;
	b->large = NULL;
	b->error = MPI_SUCCESS;
	b->raised = false;
	if (n > VMO_BATCH_SMALL) {
		b->large = vmo_fault(batch) ? NULL : malloc((size_t)n * (sizeof *b->key + sizeof *b->status + sizeof *b->index + sizeof *b->op));
		if (!b->large)
			return false;
		b->op = b->large;
		b->key = (MPI_Request *)(void *)(b->op + n);
		b->status = (MPI_Status *)(void *)(b->key + n);
		b->index = (int *)(void *)(b->status + n);
	}
	memcpy(b->key, request, (size_t)n * sizeof *request);
	return true;
}

void vmo_batch_close(struct vmo_batch *b)
{
	free(b->large);
}

void vmo_status_copy(MPI_Status *to, const MPI_Status *from)
{
	int kept = to->MPI_ERROR;

	*to = *from;
	to->MPI_ERROR = kept;
}

void vmo_status_empty(MPI_Status *status)
{
	vmo_status_set(status, MPI_ANY_SOURCE, MPI_ANY_TAG, 0);
	shim.mpi.Status_set_cancelled(status, 0);
}

/*
 * Entry i is natively complete: its op, if it is a receive of the shim's. MPI may give its handle out again
 * as soon as the lock is let go of, so all ops of a round are claimed before the first is finished. Inside.
 */
struct vmo_op *vmo_batch_claim(struct vmo_batch *b, int i, int error)
{
	struct vmo_op *op = vmo_op_find(b->key[i]);

	if (!op || op->kind != VMO_OP_RECV || error == MPI_ERR_PENDING)
		return NULL;
	if (error == MPI_SUCCESS ? op->persistent && !op->started && !op->delivered
	                         : !op->persistent && b->request[i] == b->key[i])
		return NULL;	/* not active, or not complete */
	if (!op->persistent)
		vmo_op_untrack(op);
	return op;
}

static void note(struct vmo_batch *b, int i, MPI_Comm comm, int error)
{
	if (error == MPI_SUCCESS || (b->error != MPI_SUCCESS && b->error_index < i))
		return;
	b->error = error;
	b->error_comm = comm;
	b->error_index = i;
}

/* What the shim has to add to entry i. MPI error code; what MPI has not raised itself is noted. Inside. */
int vmo_batch_finish(struct vmo_batch *b, int i, struct vmo_op *op, int error, MPI_Status *status)
{
	if (!op)
		return error;
	if (error != MPI_SUCCESS) {	/* MPI itself truncated it, say */
		vmo_recv_failed(op);
		return error;
	}
	MPI_Comm comm = op->rx.comm;
	error = vmo_recv_complete(op, status);
	note(b, i, comm, error);
	return error;
}

/*
 * Finishes n claimed entries, index[k] or k of the array; their native errors stand in the statuses' MPI_ERROR, and so do the
 * results. Receives with a landing come last: a message pulled over a shared buffer must not meet an RTS
 * there that is not read yet. True: some error. Inside.
 */
bool vmo_batch_finish_all(struct vmo_batch *b, int n, const int *index)
{
	bool bad = false, landed = false;

	for (int k = 0; k < n; k++)
		landed |= b->op[k] && b->op[k]->rx.landing;
	for (int last = 0; last < 1 + landed; last++)
		for (int k = 0; k < n; k++) {
			if (last ? !b->op[k] : b->op[k] && b->op[k]->rx.landing)
				continue;
			int error = vmo_batch_finish(b, index ? index[k] : k, b->op[k], b->status[k].MPI_ERROR, &b->status[k]);
			b->op[k] = NULL;
			b->status[k].MPI_ERROR = error;
			bad |= error != MPI_SUCCESS;
		}
	return bad;
}

/* Calls the user's error handler, once for a call, with no lock held. */
void vmo_batch_raise(const struct vmo_batch *b, bool in_status)
{
	if (!b->raised)
		vmo_raise_completed(b->error_comm, b->error, in_status);
}

/* The sends among the array are waited for: their patience runs. Inside. */
void vmo_batch_advance(struct vmo_batch *b)
{
	if (!shim.sends && !shim.pairs)
		return;
	for (int i = 0; i < b->n; i++) {
		struct vmo_op *op = vmo_op_find(b->key[i]);
		if (op)
			vmo_op_asked(op);
	}
}

/*
 * Persistent requests that are active though MPI holds them inactive: receives fed from a held message, which
 * are complete, and one-copy sends. The first complete one's number, or -1; *pending: a send is not. Inside.
 */
int vmo_batch_aside(struct vmo_batch *b, bool *pending)
{
	*pending = false;
	for (int i = 0; i < b->n; i++) {
		struct vmo_op *op = vmo_op_find(b->key[i]);
		if (op && (op->delivered || (op->aside && op->complete)))
			return i;
		*pending |= op && op->aside;
	}
	return -1;
}

bool vmo_batch_pending(struct vmo_batch *b)
{
	for (int i = 0; i < b->n; i++) {
		struct vmo_op *op = vmo_op_find(b->key[i]);
		if (op && op->aside && !op->complete)
			return true;
	}
	return false;
}

/* A complete send of these becomes inactive; its status is empty. */
void vmo_batch_complete_aside(struct vmo_batch *b, int i)
{
	struct vmo_op *op = vmo_op_find(b->key[i]);

	if (op && op->aside && op->complete)
		op->aside = op->complete = false;
}

/* Testsome's own report of one entry: an error in its status, or MPI_SUCCESS. */
int vmo_batch_reported(int rc, const MPI_Status *status)
{
	return rc == MPI_ERR_IN_STATUS ? status->MPI_ERROR : MPI_SUCCESS;
}

/*
 * Completes whatever is complete; statuses land in b->status[k] for b->index[k]. *got < 0: no active
 * request was there. Any error ends in b->status[k].MPI_ERROR and the result MPI_ERR_IN_STATUS.
 */
int vmo_batch_some(struct vmo_batch *b, int *got)
{
	vmo_enter();
	vmo_batch_advance(b);
	bool pending;
	int aside = vmo_batch_aside(b, &pending);
	int rc = MPI_SUCCESS;
	*got = 0;
	if (aside >= 0) {
		*got = 1;
		b->index[0] = aside;
		vmo_batch_complete_aside(b, aside);
		vmo_status_empty(&b->status[0]);
	} else {
		rc = shim.mpi.Testsome(b->n, b->request, got, b->index, b->status);
		b->raised |= rc != MPI_SUCCESS;
		if (*got == MPI_UNDEFINED)
			*got = pending ? 0 : -1;
	}
	for (int k = 0; k < *got; k++) {
		b->status[k].MPI_ERROR = vmo_batch_reported(rc, &b->status[k]);
		b->op[k] = vmo_batch_claim(b, b->index[k], b->status[k].MPI_ERROR);
	}
	bool bad = vmo_batch_finish_all(b, *got, b->index);
	vmo_leave();
	return bad ? MPI_ERR_IN_STATUS : rc == MPI_ERR_IN_STATUS ? MPI_SUCCESS : rc;
}
