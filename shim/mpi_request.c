/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The other calls on one request: look at it, free it, cancel it. */
#include "mpi_shim.h"

/* Looks natively, once: MPICH raises a receive's error each time. An RTS that has come is pulled. */
static int look(struct vmo_op *op, MPI_Request request, int *flag, MPI_Status *status)
{
	MPI_Status own;

	if (op->aside) {	/* MPI holds it inactive */
		*flag = vmo_send_advance(op, true);
		if (*flag && status != MPI_STATUS_IGNORE)
			vmo_status_empty(status);
		return MPI_SUCCESS;
	}
	vmo_op_asked(op);
	int rc = shim.mpi.Request_get_status(request, flag, &own);
	/* a send's op may be gone by now; a receive's is not */
	op = vmo_op_find(request);
	bool receive = rc == MPI_SUCCESS && *flag && op && op->kind == VMO_OP_RECV;
	if (receive && (!op->persistent || op->started))
		vmo_recv_settle(op, &own);
	if (receive && (op->pulled || op->delivered))
		vmo_status_set(&own, op->source, op->tag, op->bytes);
	if (*flag && status != MPI_STATUS_IGNORE)
		vmo_status_copy(status, &own);
	return rc;
}

int vmo_Request_get_status(MPI_Request request, int *flag, MPI_Status *status)
{
	vmo_count_call(Request_get_status);
	if (vmo_idle())
		return shim.mpi.Request_get_status(request, flag, status);
	vmo_enter();
	struct vmo_op *op = vmo_op_find(request);
	vmo_leave();
	vmo_mpi_progress(op);
	vmo_enter();
	op = vmo_op_find(request);
	int rc = op ? look(op, request, flag, status) : shim.mpi.Request_get_status(request, flag, status);
	vmo_leave();
	return rc;
}

/* Must the op outlive its freed request? An inactive persistent one need not. */
static bool still_needed(const struct vmo_op *op)
{
	if (op->kind == VMO_OP_PERSISTENT_SEND)
		return op->aside && !op->complete;
	return op->kind == VMO_OP_SEND || !op->persistent || op->started;
}

int vmo_Request_free(MPI_Request *request)
{
	int rc = MPI_SUCCESS;

	vmo_count_call(Request_free);
	if (vmo_idle())
		return shim.mpi.Request_free(request);
	vmo_enter();
	struct vmo_op *op = vmo_op_find(*request);
	if (op && still_needed(op)) {
		op->orphan = true;	/* progress completes it */
		if (op->kind == VMO_OP_RECV && !op->listed) {
			op->listed = true;
			DL_APPEND(shim.recvs, op);
		}
		*request = MPI_REQUEST_NULL;
	} else {
		if (op)
			vmo_persistent_forget(op);
		rc = shim.mpi.Request_free(request);
	}
	vmo_leave();
	return rc;
}

/*
 * A receive is cancelled natively; a one-copy send completes by itself instead (mpi_send.c). A persistent receive
 * that has its message from a probe is complete, and inactive for MPI, which would complain.
 */
int vmo_Cancel(MPI_Request *request)
{
	vmo_count_call(Cancel);
	if (vmo_idle())
		return shim.mpi.Cancel(request);
	vmo_enter();
	struct vmo_op *op = vmo_op_find(*request);
	int rc = op && (op->delivered || op->aside) ? MPI_SUCCESS : shim.mpi.Cancel(request);
	vmo_leave();
	return rc;
}
