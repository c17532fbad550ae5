/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sends. What goes one-copy is decided before the first byte; after the RTS there is only FIN,
 * detach, or a refusal, after which MPI delivers from the run's pages on the private communicator.
 */
#include "mpi_shim.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define ADVANCE_EVERY 16	/* spins on the slot between two rounds of everything else */
#define NAP_NS 200000u

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
		vmo_fall_through(peer->on ? VMO_R_too_long : peer->reason, (uint64_t)bytes);
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

/* sign: 1, or -1 where it turned out that the message went another way. */
static void count_sent(const struct vmo_xfer *xfer, int64_t sign)
{
	if (xfer->staged || xfer->late) {
		vmo_count(staged_messages, sign);
		vmo_count(staged_bytes, sign * (int64_t)xfer->bytes);
	} else {
		vmo_count(onecopy_messages, sign);
		vmo_count(onecopy_bytes, sign * (int64_t)xfer->bytes);
	}
}

/* Staged and packed messages: the bytes follow the RTS. */
static int fill(struct vmo_op *op, const void *buf, const struct vmo_layout *from)
{
	int rc = MPI_SUCCESS;

	bool gather = op->xfer->shape != NULL;	/* not in place */

	vmo_count(gathered_messages, gather);
	vmo_count(spaced_messages, op->xfer->sent.strips > 0);
	vmo_rndv_fill(op->xfer);
	if (op->xfer->from || gather || !op->xfer->staged)
		return rc;
	rc = vmo_pack(buf, from, vmo_rndv_stage(op->xfer));
	vmo_rndv_filled(op->xfer, op->xfer->bytes);
	op->xfer->detached = true;
	return rc;
}

/*
 * Offers the message and sends its RTS. 0: on its way; *error is MPI_SUCCESS, or what MPI said of
 * tag or communicator and nothing was sent. -errno: falls through, counted.
 */
static int begin(struct vmo_op *op, const void *buf, const struct going *g, int dest, int tag, MPI_Comm comm,
                 char mode, int *error)
{
	enum vmo_reason reason;
	struct vmo_source source;
	struct vmo_shape shape;

	vmo_layout_source(buf, &g->from, &shape, &source);
	int rc = vmo_rndv_offer_source(g->peer, &source, &op->xfer, &op->rts, &reason);

	if (rc) {
		vmo_fall_through(reason, (uint64_t)g->from.bytes);
		return rc;
	}
	op->xfer->refused = vmo_send_refused;
	*error = isend_in(mode)(&op->rts, VMO_RTS_BYTES, MPI_BYTE, dest, tag, comm, &op->rts_request);
	if (*error != MPI_SUCCESS) {
		vmo_rndv_withdraw(op->xfer);
		op->xfer = NULL;
		return 0;
	}
	count_sent(op->xfer, 1);
	*error = fill(op, buf, &g->from);
	return 0;
}

/* With gaps: the message is copied out of the run's pages first. */
static int send_spaced(struct vmo_op *op)
{
	struct vmo_xfer *xfer = op->xfer;

	if (!op->copy && (op->copy = malloc(xfer->bytes)))
		vmo_rndv_read_back(xfer, op->copy);
	return op->copy ? shim.mpi.Isend(op->copy, (int)xfer->bytes, MPI_BYTE, (int)xfer->peer->rank,
	                                 vmo_refused_tag(xfer->sequence), shim.private_comm, &op->again)
	                : MPI_ERR_NO_MEM;
}

/* The run's pages as they are. */
static int send_pieces(struct vmo_op *op)
{
	struct vmo_xfer *xfer = op->xfer;
	int lengths[VMO_SLOT_EXTENTS];
	MPI_Aint at[VMO_SLOT_EXTENTS];
	MPI_Datatype type;

	for (uint32_t i = 0; i < xfer->pieces; i++) {
		lengths[i] = (int)xfer->piece[i].bytes;
		at[i] = (MPI_Aint)(uintptr_t)(xfer->piece[i].block->view + xfer->piece[i].offset);
	}
	int rc = shim.mpi.Type_create_hindexed((int)xfer->pieces, lengths, at, MPI_BYTE, &type);
	if (rc != MPI_SUCCESS)
		return rc;
	shim.mpi.Type_commit(&type);
	rc = shim.mpi.Isend(MPI_BOTTOM, 1, type, (int)xfer->peer->rank, vmo_refused_tag(xfer->sequence), shim.private_comm,
	                    &op->again);
	shim.mpi.Type_free(&type);
	return rc;
}

/* The receiver can't pull: MPI sends it, as one message on the private communicator. */
static void deliver_by_mpi(struct vmo_op *op)
{
	struct vmo_xfer *xfer = op->xfer;

	op->delivering = (xfer->sent.strips ? send_spaced(op) : send_pieces(op)) == MPI_SUCCESS;
	if (!op->delivering)
		return;		/* the next round tries again */
	vmo_count(refusals, 1);
	count_sent(xfer, -1);
	vmo_fall_through(VMO_R_refused, xfer->bytes);
}

void vmo_send_refused(struct vmo_xfer *xfer)
{
	struct vmo_op *op = vmo_op_new(VMO_OP_SEND);

	if (!op) {
		vmo_error("out of memory: a refused message of %llu bytes is lost", (unsigned long long)xfer->bytes);
		xfer->refused = NULL;
		vmo_rndv_release(xfer);
		return;
	}
	op->xfer = xfer;
	op->rts_done = op->orphan = true;
	vmo_enter();
	deliver_by_mpi(op);
	vmo_op_track(op);
	vmo_leave();
}

/*
 * A detach costs about as long as the copy that it makes; waiting as long first is at most twice as
 * slow as knowing the future. So patience grows with the message: by 1 ns a byte.
 */
static bool out_of_patience(struct vmo_op *op)
{
	uint64_t now = vmo_now_ns();

	if (!op->asked_ns)
		op->asked_ns = now;
	return !shim.patience_ns || now - op->asked_ns >= shim.patience_ns + op->xfer->bytes;
}

/* The copy that it makes is the message's second one: it no longer counts as one-copy. */
static bool detach(struct vmo_xfer *xfer)
{
	if (vmo_rndv_detach(xfer))
		return false;
	count_sent(xfer, -1);
	xfer->late = true;
	count_sent(xfer, 1);
	vmo_count(late_bytes, xfer->bytes);
	return true;
}

/* Is the user's buffer no longer needed? */
static bool buffer_free(struct vmo_op *op, bool waited)
{
	struct vmo_xfer *xfer = op->xfer;
	int flag = 0;

	if (op->delivering) {
		if (shim.mpi.Test(&op->again, &flag, MPI_STATUS_IGNORE) == MPI_SUCCESS && !flag)
			return false;
		xfer->refused = NULL;
		return true;
	}
	enum vmo_xfer_state state = vmo_rndv_state(xfer);
	if (state == VMO_XFER_REFUSED) {
		deliver_by_mpi(op);
		return false;
	}
	if (state != VMO_XFER_PENDING || xfer->detached)
		return true;
	if (!waited)
		return false;
	return out_of_patience(op) && detach(xfer);
}

static void finish(struct vmo_op *op)
{
	bool tracked = op->handle != MPI_REQUEST_NULL || op->orphan;

	vmo_rndv_release(op->xfer);
	op->xfer = NULL;
	op->complete = true;
	if (!tracked)
		return;
	vmo_op_untrack(op);
	if (op->handle == MPI_REQUEST_NULL) {
		vmo_op_free(op);
		return;
	}
	MPI_Request handle = op->handle;	/* the op may go with it */
	bool orphan = op->orphan;
	shim.mpi.Grequest_complete(handle);
	if (orphan)
		shim.mpi.Request_free(&handle);
}

bool vmo_send_advance(struct vmo_op *op, bool waited)
{
	int flag = 0;

	if (op->complete)
		return true;
	if (!op->rts_done) {
		if (shim.mpi.Test(&op->rts_request, &flag, MPI_STATUS_IGNORE) != MPI_SUCCESS)
			flag = 1;
		op->rts_done = flag;
	}
	if (!buffer_free(op, waited) || !op->rts_done)
		return false;
	finish(op);
	return true;
}

/* The first spins look at nothing but the slot: that is where a warm message's FIN is seen. */
void vmo_send_wait(struct vmo_op *op)
{
	struct vmo_wait wait = VMO_WAIT_INIT;

	for (uint32_t turn = 0;; turn++) {
		bool done = op->rts_done && !op->delivering && vmo_rndv_state(op->xfer) == VMO_XFER_DONE;
		if (done || turn % ADVANCE_EVERY == 0 || wait.began_ns) {
			if (vmo_send_advance(op, true))
				return;
			vmo_mpi_progress(op);
		}
		if (vmo_wait_turn(&wait) == VMO_WAIT_SLEEP && op->rts_done && !shim.recvs)
			vmo_rndv_sleep(op->xfer, NAP_NS);
	}
}

/* With something outstanding a send must not block inside MPI: its receiver may wait for a refused message. */
static int native_send(const void *buf, MPI_Count count, MPI_Datatype type, int dest, int tag, MPI_Comm comm, char mode)
{
	MPI_Request request;

	if (!vmo_idle()) {
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
	error = shim.mpi.Grequest_start(query, release, cancel, op, &handle);
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

int vmo_Send(const void *buf, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm)
{
	vmo_count_call(Send);
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
		vmo_fall_through(reason, (uint64_t)bytes);
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
