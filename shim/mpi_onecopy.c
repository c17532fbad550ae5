/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of a send that goes one-copy.
 *
 *   offered --> its RTS is sent --> filled (if staged) --> done            released, complete
 *                                                      \-> late: detached   released, complete; drains by itself
 *                                                      \-> refused: MPI delivers the run's pages on the
 *                                                          private communicator, then complete
 *
 * After the RTS there is no way back. Blocking sends keep their op to themselves; those of requests are
 * in shim.sends while active, and looked at with the lock held.
 */
#include "mpi_shim.h"

#include <errno.h>
#include <stdlib.h>

#define ADVANCE_EVERY 16	/* spins on the slot between two rounds of everything else */
#define NAP_NS 200000u

/* For a detailed report. Out of the way of those who want none. */
static __attribute__((noinline, cold)) void count_flow(const struct vmo_xfer *xfer, int sign)
{
	bool staged = xfer->staged || xfer->late;

	vmo_flow_count(xfer->peer->flow, staged ? VMO_WAY_STAGED : VMO_WAY_ONECOPY, xfer->bytes, staged ? 0 : xfer->edges, sign);
}

static inline void count_sent(const struct vmo_xfer *xfer)
{
	if (xfer->staged || xfer->late) {
		vmo_count_within(staged_messages, 1);
		vmo_count_within(staged_bytes, xfer->bytes);
	} else {
		vmo_count_within(onecopy_messages, 1);
		vmo_count_within(onecopy_bytes, xfer->bytes);
	}
	if (vmo_unlikely(vmo_detailed))
		count_flow(xfer, 1);
}

/* It turned out that it goes another way. */
static __attribute__((noinline)) void uncount_sent(const struct vmo_xfer *xfer)
{
	if (xfer->staged || xfer->late) {
		vmo_count_within(staged_messages, -1);
		vmo_count_within(staged_bytes, -(int64_t)xfer->bytes);
	} else {
		vmo_count_within(onecopy_messages, -1);
		vmo_count_within(onecopy_bytes, -(int64_t)xfer->bytes);
		vmo_count_within(edge_bytes, -(int64_t)xfer->edges);
	}
	if (vmo_unlikely(vmo_detailed))
		count_flow(xfer, -1);
}

/* Staged and packed messages: the bytes follow the RTS. */
static int fill(struct vmo_op *op, const void *buf, const struct vmo_layout *from)
{
	int rc = MPI_SUCCESS;

	bool gather = op->xfer->shape.strips > 0;	/* not in place */

	if (vmo_unlikely(gather))
		vmo_count(gathered_messages, 1);
	if (vmo_unlikely(op->xfer->sent.strips > 0))
		vmo_count(spaced_messages, 1);
	vmo_rndv_fill(op->xfer);
	if (op->xfer->from || gather || !op->xfer->staged)
		return rc;
	uint64_t began = vmo_time_begin();
	rc = vmo_pack(buf, from, vmo_rndv_stage(op->xfer));
	vmo_time_end(began, VMO_C_stage_ns);
	vmo_rndv_filled(op->xfer, op->xfer->bytes);
	op->xfer->detached = true;
	return rc;
}

int vmo_send_offer(struct vmo_op *op, struct vmo_peer *peer, const void *buf, const struct vmo_layout *from)
{
	enum vmo_reason reason;
	struct vmo_source source;
	struct vmo_shape shape;

	vmo_layout_source(buf, from, &shape, &source);
	int rc = vmo_rndv_offer_source(peer, &source, &op->xfer, &op->rts, &reason);
	if (rc)
		vmo_fall_through_to(peer->flow, reason, (uint64_t)from->bytes);
	else
		op->xfer->refused = vmo_send_refused;
	return rc;
}

int vmo_send_launched(struct vmo_op *op, const void *buf, const struct vmo_layout *from)
{
	count_sent(op->xfer);
	return fill(op, buf, from);
}

void vmo_send_withdraw(struct vmo_op *op)
{
	vmo_rndv_withdraw(op->xfer);
	op->xfer = NULL;
}

/* NULL: none now. */
static char *room_for_copy(struct vmo_op *op)
{
	struct vmo_room *room = &op->copy;

	if (!room->memory && !room->block)
		room->memory = vmo_fault(refused_copy) ? NULL : malloc(op->xfer->bytes);
	return vmo_room_at(room, op->xfer->peer->pool, op->xfer->bytes);
}

/* With gaps: the message is copied out of the run's pages first. */
static int send_spaced(struct vmo_op *op)
{
	struct vmo_xfer *xfer = op->xfer;
	char *copy = room_for_copy(op);

	if (!copy)
		return MPI_ERR_NO_MEM;
	vmo_rndv_read_back(xfer, copy);
	return shim.mpi.Isend(copy, (int)xfer->bytes, MPI_BYTE, (int)xfer->peer->rank, vmo_refused_tag(xfer->sequence),
	                      shim.private_comm, &op->again);
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

/* Model: deliver. The receiver can't pull: MPI sends it, as one message on the private communicator. */
static void deliver_by_mpi(struct vmo_op *op)
{
	struct vmo_xfer *xfer = op->xfer;

	op->delivering = (xfer->sent.strips ? send_spaced(op) : send_pieces(op)) == MPI_SUCCESS;
	if (!op->delivering)
		return;		/* the next round tries again */
	vmo_count(refusals, 1);
	uncount_sent(xfer);
	vmo_fall_through_to(xfer->peer->flow, VMO_R_refused, xfer->bytes);
}

void vmo_send_refused(struct vmo_xfer *xfer)
{
	struct vmo_op *op = vmo_op_new(VMO_OP_SEND);

	if (!op) {	/* the next round tries again: its receiver waits for it */
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

/*
 * The copy that it makes is the message's second one: it no longer counts as one-copy. A request's op is
 * looked at with the lock held, which is let go of here; meanwhile others leave the op alone.
 */
static bool detach(struct vmo_op *op)
{
	struct vmo_xfer *xfer = op->xfer;
	bool locked = op->handle != MPI_REQUEST_NULL || op->kept;

	op->detaching = true;
	if (locked)
		vmo_leave();
	int rc = vmo_rndv_detach(xfer);
	if (locked)
		vmo_enter();
	op->detaching = false;
	if (rc) {
		op->asked_ns = vmo_now_ns();	/* not again at once */
		return false;
	}
	uncount_sent(xfer);
	xfer->late = true;
	count_sent(xfer);
	vmo_count(late_messages, 1);
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
	if (state != VMO_XFER_PENDING || (xfer->detached && !op->kept))
		return true;
	if (!waited)
		return false;
	return out_of_patience(op) && detach(op);
}

/* A persistent send: inactive again once the user has asked; freed by now, it goes. */
static void finish_persistent(struct vmo_op *op)
{
	DL_DELETE(shim.sends, op);
	if (!op->orphan)
		return;
	MPI_Request handle = op->handle;
	vmo_persistent_forget(op);
	shim.mpi.Request_free(&handle);
}

static void finish(struct vmo_op *op)
{
	bool tracked = op->handle != MPI_REQUEST_NULL || op->orphan || op->kept;

	vmo_rndv_release(op->xfer);
	op->xfer = NULL;
	op->complete = true;
	if (op->kind == VMO_OP_PERSISTENT_SEND) {
		finish_persistent(op);
		return;
	}
	if (!tracked)
		return;
	vmo_op_untrack(op);
	if (op->handle == MPI_REQUEST_NULL) {
		if (!op->kept)
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
	if (op->detaching)
		return false;
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
			if (wait.began_ns)
				vmo_mpi_poke();
		}
		if (vmo_wait_turn(&wait) == VMO_WAIT_SLEEP && op->rts_done && !shim.recvs)
			vmo_rndv_sleep(op->xfer, NAP_NS);
	}
}
