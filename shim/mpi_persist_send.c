/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Persistent sends. The user's handle is MPI's own persistent request for the data; beside it stands one for
 * the RTS, of the same mode. Each start decides anew:
 *
 *   one-copy       the RTS's request is started; the user's stays inactive for MPI and is active here
 *                  (op->aside): the completion calls ask the op (mpi_wait.c)
 *   falls through  the user's request is started, counted
 *
 * Buffered ones always fall through.
 */
#include "mpi_shim.h"

#include <limits.h>

typedef __typeof__(shim.mpi.Send_init) init_fn;

/* The user may free the datatype before the last start. False: MPI must pack it, so it falls through. */
static bool keep_layout(struct vmo_op *op)
{
	struct vmo_type *known = op->rx.to.known;

	if (op->rx.to.contiguous)
		return true;
	if (!known || !known->flat)
		return false;
	vmo_type_hold(known);
	op->own_facts = true;
	return true;
}

/* Room for the RTS of each start. NULL handle: none, and all starts fall through. */
static void make_rts_request(struct vmo_op *op, init_fn init, int dest, int tag, MPI_Comm comm)
{
	if (init(&op->rts, VMO_RTS_BYTES, MPI_BYTE, dest, tag, comm, &op->rts_request) != MPI_SUCCESS)
		op->rts_request = MPI_REQUEST_NULL;
}

/* init: the call for the RTS, or NULL: buffered. */
static int remember(int rc, init_fn init, const void *buf, MPI_Count count, MPI_Datatype type, int dest, int tag,
                    MPI_Comm comm, MPI_Request *request)
{
	enum vmo_reason reason = init ? VMO_R_persistent_mode : VMO_R_buffered_mode;
	struct vmo_op *op;
	MPI_Count bytes;

	if (rc != MPI_SUCCESS || !vmo_send_is_large(count, type, dest, comm, &reason, &bytes) ||
	    !(op = vmo_op_new(VMO_OP_PERSISTENT_SEND)))
		return rc;
	op->handle = *request;
	op->persistent = true;
	op->bytes = bytes;
	op->reason = reason;
	op->peer = vmo_comm_peer(comm, dest);
	op->rx.buf = (void *)(uintptr_t)buf;
	if (init && op->peer && op->peer->on && bytes <= INT_MAX && vmo_layout_of(count, type, &op->rx.to) &&
	    vmo_layout_examine(&op->rx.to) && keep_layout(op) && !(op->rx.to.contiguous && !buf))
		make_rts_request(op, init, dest, tag, comm);
	if (op->rts_request != MPI_REQUEST_NULL && op->rx.to.contiguous)
		vmo_subst_expect(shim.engine.subst, (uintptr_t)buf, (size_t)bytes);
	vmo_enter();
	vmo_op_track(op);
	vmo_leave();
	return rc;
}

static bool start_one_copy(struct vmo_op *op)
{
	if (op->rts_request == MPI_REQUEST_NULL) {
		vmo_fall_through_to(op->peer ? op->peer->flow : NULL, op->reason, (uint64_t)op->bytes);
		return false;
	}
	if (vmo_send_offer(op, op->peer, op->rx.buf, &op->rx.to))
		return false;
	op->complete = op->rts_done = op->delivering = false;
	op->asked_ns = 0;
	if (shim.mpi.Start(&op->rts_request) != MPI_SUCCESS) {
		vmo_send_withdraw(op);
		return false;
	}
	vmo_send_launched(op, op->rx.buf, &op->rx.to);
	return true;
}

int vmo_persistent_start(struct vmo_op *op, MPI_Request *request)
{
	if (op->aside || !start_one_copy(op))	/* if active already, MPI may say what it thinks of it */
		return shim.mpi.Start(request);
	vmo_enter();
	op->aside = true;
	DL_APPEND(shim.sends, op);
	vmo_send_advance(op, false);
	vmo_leave();
	return MPI_SUCCESS;
}

void vmo_persistent_forget(struct vmo_op *op)
{
	vmo_op_untrack(op);
	if (op->rts_request != MPI_REQUEST_NULL)
		shim.mpi.Request_free(&op->rts_request);
	vmo_op_free(op);
}

int vmo_Send_init(const void *buf, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm,
                  MPI_Request *request)
{
	vmo_count_call(Send_init);
	return remember(shim.mpi.Send_init(buf, count, type, dest, tag, comm, request), shim.mpi.Send_init, buf, count,
	                type, dest, tag, comm, request);
}

int vmo_Ssend_init(const void *buf, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm,
                   MPI_Request *request)
{
	vmo_count_call(Ssend_init);
	return remember(shim.mpi.Ssend_init(buf, count, type, dest, tag, comm, request), shim.mpi.Ssend_init, buf, count,
	                type, dest, tag, comm, request);
}

int vmo_Rsend_init(const void *buf, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm,
                   MPI_Request *request)
{
	vmo_count_call(Rsend_init);
	return remember(shim.mpi.Rsend_init(buf, count, type, dest, tag, comm, request), shim.mpi.Rsend_init, buf, count,
	                type, dest, tag, comm, request);
}

int vmo_Bsend_init(const void *buf, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm,
                   MPI_Request *request)
{
	vmo_count_call(Bsend_init);
	return remember(shim.mpi.Bsend_init(buf, count, type, dest, tag, comm, request), NULL, buf, count, type, dest, tag,
	                comm, request);
}

#if MPI_VERSION >= 4

int vmo_Send_init_c(const void *buf, MPI_Count count, MPI_Datatype type, int dest, int tag, MPI_Comm comm,
                    MPI_Request *request)
{
	vmo_count_call(Send_init_c);
	return remember(shim.mpi.Send_init_c(buf, count, type, dest, tag, comm, request), shim.mpi.Send_init, buf, count,
	                type, dest, tag, comm, request);
}

int vmo_Ssend_init_c(const void *buf, MPI_Count count, MPI_Datatype type, int dest, int tag, MPI_Comm comm,
                     MPI_Request *request)
{
	vmo_count_call(Ssend_init_c);
	return remember(shim.mpi.Ssend_init_c(buf, count, type, dest, tag, comm, request), shim.mpi.Ssend_init, buf,
	                count, type, dest, tag, comm, request);
}

int vmo_Rsend_init_c(const void *buf, MPI_Count count, MPI_Datatype type, int dest, int tag, MPI_Comm comm,
                     MPI_Request *request)
{
	vmo_count_call(Rsend_init_c);
	return remember(shim.mpi.Rsend_init_c(buf, count, type, dest, tag, comm, request), shim.mpi.Rsend_init, buf,
	                count, type, dest, tag, comm, request);
}

int vmo_Bsend_init_c(const void *buf, MPI_Count count, MPI_Datatype type, int dest, int tag, MPI_Comm comm,
                     MPI_Request *request)
{
	vmo_count_call(Bsend_init_c);
	return remember(shim.mpi.Bsend_init_c(buf, count, type, dest, tag, comm, request), NULL, buf, count, type, dest,
	                tag, comm, request);
}
#endif
