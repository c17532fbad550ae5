/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The calls that send, and what of them goes one-copy: decided before the first byte. */
#include "mpi_small.h"

#include <limits.h>
#include <string.h>

/* What is known of a send that goes one-copy. */
struct going {
	struct vmo_peer *peer;
	struct vmo_layout from;
};

/* A genuine message that looks like an RTS must not reach a receiver as it is (DESIGN 4). */
static bool forged(const void *buf, struct vmo_layout *from)
{
	char head[VMO_RTS_BYTES];

	return vmo_layout_examine(from) && vmo_pack_head(buf, from, head, sizeof head) == MPI_SUCCESS && vmo_rndv_is_rts(&shim.engine, head);
}

/* The peer's side of the decision: co-resident, or the reason why not is counted. */
static bool peer_ready(struct vmo_peer *peer, MPI_Count bytes, bool count)
{
	if (peer->on && bytes <= INT_MAX)
		return true;
	if (count)
		vmo_fall_through_to(peer->flow, peer->on ? VMO_R_too_long : peer->reason, (uint64_t)bytes);
	return false;
}

static bool goes(const void *buf, MPI_Count count, MPI_Datatype type, int dest, MPI_Comm comm, struct going *g)
{
	if (!shim.active || !vmo_layout_of(count, type, &g->from))
		return false;
	if (vmo_likely(g->from.bytes < shim.threshold && g->from.bytes != VMO_RTS_BYTES))
		return false;
	if (dest == MPI_PROC_NULL || !(g->peer = vmo_comm_peer(comm, dest)))
		return false;
	if (g->from.bytes < shim.threshold)
		return g->peer->on && buf && forged(buf, &g->from);
	if (!peer_ready(g->peer, g->from.bytes, true))
		return false;
	return vmo_layout_examine(&g->from) && !(g->from.contiguous && !buf);	/* MPI itself shall complain of a null buffer */
}

bool vmo_send_eligible(MPI_Count count, MPI_Datatype type, int dest, MPI_Comm comm)
{
	struct vmo_layout from;

	if (!shim.active || !vmo_layout_of(count, type, &from) || from.bytes < shim.threshold)
		return false;
	struct vmo_peer *peer = dest == MPI_PROC_NULL ? NULL : vmo_comm_peer(comm, dest);
	return peer && peer_ready(peer, from.bytes, false);
}

typedef __typeof__(shim.mpi.Isend) isend_fn;

static isend_fn isend_in(char mode)
{
	return mode == 'Y' ? shim.mpi.Issend : mode == 'R' ? shim.mpi.Irsend : shim.mpi.Isend;
}

/*
 * Offers the message and sends its RTS. 0: on its way; *error is MPI_SUCCESS, or what MPI said of
 * tag or communicator and nothing was sent. -errno: falls through, counted.
 */
static int begin(struct vmo_op *op, const void *buf, const struct going *g, int dest, int tag, MPI_Comm comm,
                 char mode, int *error)
{
	int rc = vmo_send_offer(op, g->peer, buf, &g->from);

	if (rc)
		return rc;
	*error = isend_in(mode)(&op->rts, VMO_RTS_BYTES, MPI_BYTE, dest, tag, comm, &op->rts_request);
	if (*error != MPI_SUCCESS)
		vmo_send_withdraw(op);
	else
		*error = vmo_send_launched(op, buf, &g->from);
	return 0;
}

/* With something outstanding a send must not block inside MPI: its receiver may wait for a refused message. */
static int native_send(const void *buf, MPI_Count count, MPI_Datatype type, int dest, int tag, MPI_Comm comm, char mode)
{
	MPI_Request request;

	if (!vmo_calm()) {
		int rc = isend_in(mode)(buf, (int)count, type, dest, tag, comm, &request);
		return rc == MPI_SUCCESS ? vmo_wait(&request, MPI_STATUS_IGNORE) : rc;
	}
	__typeof__(shim.mpi.Send) send = mode == 'Y' ? shim.mpi.Ssend : mode == 'R' ? shim.mpi.Rsend : shim.mpi.Send;

	return send(buf, (int)count, type, dest, tag, comm);
}

int vmo_send(const void *buf, MPI_Count count, MPI_Datatype type, int dest, int tag, MPI_Comm comm, char mode)
{
	struct going g;
	struct vmo_op *op;
	int error;

	if (!goes(buf, count, type, dest, comm, &g) || !(op = vmo_op_new(VMO_OP_SEND)))
		return native_send(buf, count, type, dest, tag, comm, mode);
	if (begin(op, buf, &g, dest, tag, comm, mode, &error)) {
		vmo_op_free(op);
		return native_send(buf, count, type, dest, tag, comm, mode);
	}
	if (op->xfer)
		vmo_send_wait(op);
	vmo_op_free(op);
	return error;
}

static int query(void *extra, MPI_Status *status)
{
	vmo_status_set(status, MPI_UNDEFINED, MPI_UNDEFINED, 0);
	shim.mpi.Status_set_cancelled(status, 0);
	return MPI_SUCCESS;
}

static int release(void *extra)
{
	vmo_op_free(extra);
	return MPI_SUCCESS;
}

/* A one-copy send may complete without its receiver (detach), so it need not be cancelled. */
static int cancel(void *extra, int complete)
{
	return MPI_SUCCESS;
}

int vmo_isend(const void *buf, MPI_Count count, MPI_Datatype type, int dest, int tag, MPI_Comm comm, char mode,
              MPI_Request *request)
{
	struct going g;
	struct vmo_op *op;
	MPI_Request handle;
	int error;

	if (!goes(buf, count, type, dest, comm, &g) || !(op = vmo_op_new(VMO_OP_SEND)))
		return isend_in(mode)(buf, (int)count, type, dest, tag, comm, request);
	error = vmo_fault(grequest) ? MPI_ERR_NO_MEM : shim.mpi.Grequest_start(query, release, cancel, op, &handle);
	if (error != MPI_SUCCESS) {
		vmo_op_free(op);
		return isend_in(mode)(buf, (int)count, type, dest, tag, comm, request);
	}
	int rc = begin(op, buf, &g, dest, tag, comm, mode, &error);
	if (rc || !op->xfer) {		/* falls through, or MPI did not take the RTS */
		shim.mpi.Grequest_complete(handle);
		shim.mpi.Request_free(&handle);
		return rc ? isend_in(mode)(buf, (int)count, type, dest, tag, comm, request) : error;
	}
	op->handle = handle;
	vmo_enter();
	vmo_op_track(op);
	*request = handle;
	vmo_send_advance(op, false);
	vmo_leave();
	return error;
}

int vmo_send_begin(struct vmo_op *op, struct vmo_peer *peer, const void *buf, const struct vmo_layout *from, int dest,
                   int tag, MPI_Comm comm, int *error)
{
	struct going g = { .peer = peer, .from = *from };

	return begin(op, buf, &g, dest, tag, comm, 'S', error);
}

int vmo_Send(const void *buf, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm)
{
	vmo_count_call(Send);
	if (vmo_likely(vmo_send_is_small(count, type)) && vmo_likely(vmo_calm()))
		return shim.mpi.Send(buf, count, type, dest, tag, comm);
	return vmo_send(buf, count, type, dest, tag, comm, 'S');
}

int vmo_Ssend(const void *buf, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm)
{
	vmo_count_call(Ssend);
	return vmo_send(buf, count, type, dest, tag, comm, 'Y');
}

int vmo_Rsend(const void *buf, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm)
{
	vmo_count_call(Rsend);
	return vmo_send(buf, count, type, dest, tag, comm, 'R');
}

int vmo_Isend(const void *buf, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm, MPI_Request *request)
{
	vmo_count_call(Isend);
	if (vmo_likely(vmo_send_is_small(count, type)))
		return shim.mpi.Isend(buf, count, type, dest, tag, comm, request);
	return vmo_isend(buf, count, type, dest, tag, comm, 'S', request);
}

int vmo_Issend(const void *buf, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm, MPI_Request *request)
{
	vmo_count_call(Issend);
	return vmo_isend(buf, count, type, dest, tag, comm, 'Y', request);
}

int vmo_Irsend(const void *buf, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm, MPI_Request *request)
{
	vmo_count_call(Irsend);
	return vmo_isend(buf, count, type, dest, tag, comm, 'R', request);
}

bool vmo_send_is_large(MPI_Count count, MPI_Datatype type, int dest, MPI_Comm comm, enum vmo_reason *reason,
                       MPI_Count *bytes)
{
	struct vmo_layout from;
	struct vmo_peer *peer;

	if (!shim.active || !vmo_layout_of(count, type, &from) || from.bytes < shim.threshold ||
	    dest == MPI_PROC_NULL || !(peer = vmo_comm_peer(comm, dest)))
		return false;
	*bytes = from.bytes;
	if (!peer->on)
		*reason = peer->reason;
	return true;
}

void vmo_send_count_native(MPI_Count count, MPI_Datatype type, int dest, MPI_Comm comm, enum vmo_reason reason)
{
	MPI_Count bytes;

	if (vmo_send_is_large(count, type, dest, comm, &reason, &bytes))
		vmo_fall_through_to(vmo_comm_peer(comm, dest)->flow, reason, (uint64_t)bytes);
}

int vmo_Bsend(const void *buf, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm)
{
	vmo_count_call(Bsend);
	vmo_send_count_native(count, type, dest, comm, VMO_R_buffered_mode);	/* the user's attached buffer is MPI's business */
	return shim.mpi.Bsend(buf, count, type, dest, tag, comm);
}

int vmo_Ibsend(const void *buf, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm, MPI_Request *request)
{
	vmo_count_call(Ibsend);
	vmo_send_count_native(count, type, dest, comm, VMO_R_buffered_mode);	/* the user's attached buffer is MPI's business */
	return shim.mpi.Ibsend(buf, count, type, dest, tag, comm, request);
}

#if MPI_VERSION >= 4
int vmo_Send_c(const void *buf, MPI_Count count, MPI_Datatype type, int dest, int tag, MPI_Comm comm)
{
	vmo_count_call(Send_c);
	if (count > INT_MAX) {
		vmo_send_count_native(count, type, dest, comm, VMO_R_too_long);
		return shim.mpi.Send_c(buf, count, type, dest, tag, comm);
	}
	return vmo_send(buf, count, type, dest, tag, comm, 'S');
}

int vmo_Isend_c(const void *buf, MPI_Count count, MPI_Datatype type, int dest, int tag, MPI_Comm comm,
                MPI_Request *request)
{
	vmo_count_call(Isend_c);
	if (count > INT_MAX) {
		vmo_send_count_native(count, type, dest, comm, VMO_R_too_long);
		return shim.mpi.Isend_c(buf, count, type, dest, tag, comm, request);
	}
	return vmo_isend(buf, count, type, dest, tag, comm, 'S', request);
}
#endif
