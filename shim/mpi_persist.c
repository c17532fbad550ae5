/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Persistent receives: one op for the life of the request; each start expects one message. And the starts
 * of all persistent requests (sends: mpi_persist_send.c).
 */
#include "mpi_shim.h"

#include <limits.h>

/* What the request will need. False: no memory. *op stays NULL where no request to send can come. */
static bool prepare_init(struct vmo_rx *rx, struct vmo_op **op, void **buf, MPI_Count *count, MPI_Datatype *type, int source,
                         MPI_Comm comm)
{
	*op = NULL;
	if (!vmo_rx_may_held(rx, *buf, *count, *type, source, comm))
		return true;
	if (!(*op = vmo_recv_prepare(rx)))
		return false;
	if (vmo_landing_place(rx, buf, count, type))
		return true;
	vmo_recv_unprepare(*op, rx);
	return false;
}

static int track_init(struct vmo_rx *rx, struct vmo_op *op, int rc, int source, int tag, MPI_Request *request)
{
	if (op && rc != MPI_SUCCESS) {
		vmo_recv_unprepare(op, rx);
	} else if (op) {
		op->want_source = source;
		op->want_tag = tag;
		vmo_recv_track(op, rx, *request, true);
	}
	return rc;
}

int vmo_Recv_init(void *buf, int count, MPI_Datatype type, int source, int tag, MPI_Comm comm, MPI_Request *request)
{
	struct vmo_rx rx;
	struct vmo_op *op;
	MPI_Count n = count;

	vmo_count_call(Recv_init);
	if (!prepare_init(&rx, &op, &buf, &n, &type, source, comm))
		return vmo_raise(comm, MPI_ERR_NO_MEM);
	return track_init(&rx, op, shim.mpi.Recv_init(buf, (int)n, type, source, tag, comm, request), source, tag,
	                  request);
}

#if MPI_VERSION >= 4
int vmo_Recv_init_c(void *buf, MPI_Count count, MPI_Datatype type, int source, int tag, MPI_Comm comm,
                    MPI_Request *request)
{
	struct vmo_rx rx;
	struct vmo_op *op;

	vmo_count_call(Recv_init_c);
	if (!prepare_init(&rx, &op, &buf, &count, &type, source, comm))
		return vmo_raise(comm, MPI_ERR_NO_MEM);
	return track_init(&rx, op, shim.mpi.Recv_init_c(buf, count, type, source, tag, comm, request), source, tag,
	                  request);
}
#endif

/*
 * A probe has taken in the message that this start would match. The native request stays inactive,
 * which completion calls treat as complete; the op carries the result.
 */
static bool start_held(struct vmo_op *op)
{
	struct vmo_held *held = shim.held ? vmo_held_take(op->rx.comm, op->want_source, op->want_tag) : NULL;

	if (!held)
		return false;
	vmo_leave();
	vmo_held_deliver(held, op->rx.buf, op->rx.to.count, op->rx.to.type, &op->source, &op->tag, &op->bytes, &op->error);
	vmo_enter();
	op->delivered = true;
	return true;
}

static int start_receive(struct vmo_op *op, MPI_Request *request)
{
	int rc = MPI_SUCCESS;

	if (op->started || start_held(op))
		return op->started ? shim.mpi.Start(request) : rc;
	rc = shim.mpi.Start(request);
	if (rc == MPI_SUCCESS) {
		op->started = true;
		vmo_op_list(op);
	}
	return rc;
}

static int start(MPI_Request *request)
{
	int rc;

	vmo_enter();
	struct vmo_op *op = vmo_op_find(*request);
	if (op && op->kind == VMO_OP_PERSISTENT_SEND) {
		vmo_leave();
		return vmo_persistent_start(op, request);
	}
	rc = op && op->persistent ? start_receive(op, request) : shim.mpi.Start(request);
	vmo_leave();
	return rc;
}

int vmo_Start(MPI_Request *request)
{
	vmo_count_call(Start);
	return start(request);
}

int vmo_Startall(int count, MPI_Request *requests)
{
	int rc = MPI_SUCCESS;

	vmo_count_call(Startall);
	if (!shim.active || !shim.handles)
		return shim.mpi.Startall(count, requests);
	for (int i = 0; i < count && rc == MPI_SUCCESS; i++)
		rc = start(&requests[i]);
	return rc;
}
