/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Receives. Posted natively into the user's buffer; where what comes is an RTS, its first bytes are
 * read from there and the message itself is pulled over them.
 */
#include "mpi_small.h"

#include <limits.h>
#include <sched.h>
#include <string.h>

/* With something outstanding a receive must not block inside MPI: others may wait for us. */
static int native_recv(void *buf, MPI_Count count, MPI_Datatype type, int source, int tag, MPI_Comm comm,
                       MPI_Status *status)
{
	struct vmo_wait wait = VMO_WAIT_INIT;
	struct vmo_hush hush;
	MPI_Request request;
	int flag = 0;

	if (vmo_calm() || source == MPI_PROC_NULL)	/* MPICH's nonblocking one has a wrong status then */
		return vmo_real_recv(buf, count, type, source, tag, comm, status);
	int rc = vmo_real_irecv(buf, count, type, source, tag, comm, &request);
	if (rc != MPI_SUCCESS)
		return rc;
	vmo_hush(&hush);
	while (rc == MPI_SUCCESS) {
		rc = shim.mpi.Test(&request, &flag, status);
		if (flag)
			break;
		vmo_mpi_progress(NULL);
		vmo_wait_turn(&wait);
	}
	return vmo_unhush(&hush, comm, rc);
}

static int posted_recv(void *buf, MPI_Count count, MPI_Datatype type, int source, int tag, MPI_Comm comm,
                       MPI_Status *status)
{
	MPI_Request request;
	int error = source == MPI_PROC_NULL	/* MPICH's nonblocking one has a wrong status then */
	          ? vmo_real_recv(buf, count, type, source, tag, comm, status)
	          : vmo_irecv(buf, count, type, source, tag, comm, &request);

	return error == MPI_SUCCESS && source != MPI_PROC_NULL ? vmo_wait_for(comm, &request, status) : error;
}

int vmo_recv(void *buf, MPI_Count count, MPI_Datatype type, int source, int tag, MPI_Comm comm, MPI_Status *status)
{
	struct vmo_claim claim = { .held = false };
	struct vmo_rx rx;
	MPI_Status own;

	if (vmo_unlikely(vmo_probes_race()))
		return posted_recv(buf, count, type, source, tag, comm, status);
	if (vmo_unlikely(shim.held != NULL)) {
		struct vmo_held *held = vmo_held_take(comm, source, tag);
		if (held)
			return vmo_held_recv(held, buf, count, type, false, status);
	}
	if (!vmo_rx_may_rts(&rx, buf, count, type, source, comm))
		return native_recv(buf, count, type, source, tag, comm, status);
	if (vmo_unlikely(!vmo_type_takes_rts(type)) || (vmo_unlikely(shim.multiple) && !vmo_landing_claim(&claim, &rx))) {
		vmo_map_drop(rx.map);
		return posted_recv(buf, count, type, source, tag, comm, status);
	}
	MPI_Status *st = status == MPI_STATUS_IGNORE ? &own : status;
	int rc = native_recv(buf, count, type, source, tag, comm, st);
	bool received = rc == MPI_SUCCESS;
	if (received)
		rc = vmo_rx_finish(&rx, st);
	vmo_landing_unclaim(&claim);
	vmo_map_drop(rx.map);
	return received && rc != MPI_SUCCESS ? vmo_raise(comm, rc) : rc;
}

/* The user may free the datatype while the receive is pending: keep one of our own where it matters. */
static void keep_layout(struct vmo_op *op)
{
	struct vmo_type *known = op->rx.to.known;

	if (op->rx.to.contiguous)
		return;
	if (known && known->flat) {
		vmo_type_hold(known);
		op->own_facts = true;
	} else if (shim.mpi.Type_dup(op->rx.to.type, &op->rx.to.type) == MPI_SUCCESS)
		op->own_type = true;
}

struct vmo_op *vmo_recv_prepare(struct vmo_rx *rx)
{
	struct vmo_op *op = vmo_op_new(VMO_OP_RECV);

	if (!op)
		vmo_map_drop(rx->map);
	return op;
}

void vmo_recv_unprepare(struct vmo_op *op, struct vmo_rx *rx)
{
	vmo_landing_free(rx);
	vmo_map_drop(rx->map);
	vmo_op_free(op);
}

void vmo_recv_track(struct vmo_op *op, const struct vmo_rx *rx, MPI_Request handle, bool persistent)
{
	op->rx = *rx;
	op->handle = handle;
	op->persistent = persistent;
	keep_layout(op);
	vmo_enter();
	vmo_op_track(op);
	if (!persistent)
		vmo_landing_index(op);
	vmo_leave();
}

static void unlist(struct vmo_op *op)
{
	if (op->listed)
		DL_DELETE(shim.recvs, op);
	op->listed = false;
}

static int complete_query(void *extra, MPI_Status *status)
{
	const struct vmo_op *op = extra;

	vmo_status_set(status, op->source, op->tag, op->bytes);
	shim.mpi.Status_set_cancelled(status, 0);
	return MPI_SUCCESS;
}

/* The op goes where the shim completes it (vmo_recv_complete). */
static int complete_free(void *extra)
{
	return MPI_SUCCESS;
}

static int complete_cancel(void *extra, int complete)
{
	return MPI_SUCCESS;
}

int vmo_request_new(MPI_Request *request, MPI_Comm comm, struct vmo_op **out)
{
	struct vmo_op *op = vmo_op_new(VMO_OP_RECV);

	if (!op)
		return vmo_raise(comm, MPI_ERR_NO_MEM);
	op->rx.comm = comm;
	int rc = vmo_fault(grequest) ? MPI_ERR_NO_MEM
	       : shim.mpi.Grequest_start(complete_query, complete_free, complete_cancel, op, request);
	if (rc != MPI_SUCCESS) {
		vmo_op_free(op);
		return vmo_raise(comm, rc);
	}
	op->handle = *request;
	vmo_enter();
	vmo_op_track(op);
	unlist(op);	/* no request to send comes in here */
	vmo_leave();
	*out = op;
	return MPI_SUCCESS;
}

void vmo_request_drop(MPI_Request *request, struct vmo_op *op)
{
	vmo_enter();
	vmo_op_untrack(op);
	vmo_leave();
	vmo_op_free(op);
	shim.mpi.Grequest_complete(*request);
	shim.mpi.Request_free(request);
}

int vmo_request_done(MPI_Request *request, MPI_Comm comm, int source, int tag, MPI_Count bytes, int error)
{
	struct vmo_op *op;
	int rc = vmo_request_new(request, comm, &op);

	if (rc != MPI_SUCCESS)
		return rc;
	op->source = source;
	op->tag = tag;
	op->bytes = bytes;
	op->error = error;
	op->pulled = true;
	return shim.mpi.Grequest_complete(*request);
}

/* may: what comes may be an RTS, and rx is filled. */
static int post(struct vmo_rx *rx, bool may, void *buf, MPI_Count count, MPI_Datatype type, int source, int tag,
                MPI_Comm comm, MPI_Request *request)
{
	struct vmo_claim claim = { .held = false };
	struct vmo_op *op = NULL;

	if (may) {
		op = vmo_recv_prepare(rx);
		if (op && !vmo_landing_for(rx, &claim)) {
			vmo_recv_unprepare(op, rx);
			op = NULL;
		}
		if (!op)
			return vmo_raise(comm, MPI_ERR_NO_MEM);
	}
	vmo_enter();		/* a probe of another thread comes before both steps or after (mpi_held.c) */
	struct vmo_held *held = vmo_unlikely(shim.held != NULL) ? vmo_held_take(comm, source, tag) : NULL;
	int rc = held ? MPI_SUCCESS
	       : rx->landing ? vmo_real_irecv(rx->landing, rx->to.bytes, MPI_BYTE, source, tag, comm, request)
	       : vmo_real_irecv(buf, count, type, source, tag, comm, request);
	vmo_leave();
	if (op && rc == MPI_SUCCESS && !held)
		vmo_recv_track(op, rx, *request, false);
	else if (op)
		vmo_recv_unprepare(op, rx);
	vmo_landing_unclaim(&claim);
	return held ? vmo_held_irecv(held, buf, count, type, request) : rc;
}

int vmo_irecv(void *buf, MPI_Count count, MPI_Datatype type, int source, int tag, MPI_Comm comm, MPI_Request *request)
{
	struct vmo_rx rx;

	rx.landing = NULL;
	rx.map = NULL;
	bool may = vmo_rx_may_rts(&rx, buf, count, type, source, comm);
	return post(&rx, may, buf, count, type, source, tag, comm, request);
}

/* A plain type, and what comes may be an RTS: all is known. */
static int irecv_plain(void *buf, int count, struct vmo_type *t, int source, int tag, MPI_Comm comm, MPI_Request *request)
{
	struct vmo_rx rx = { .buf = buf, .comm = comm, .map = vmo_comm_map(comm) };

	rx.to = (struct vmo_layout){ .bytes = t->size * count, .count = count, .type = t->type, .known = t, .contiguous = true };
	return post(&rx, true, buf, count, t->type, source, tag, comm, request);
}

static bool is_cancelled(const MPI_Status *status)
{
	int cancelled = 0;

	shim.mpi.Test_cancelled((MPI_Status *)(uintptr_t)status, &cancelled);
	return cancelled;
}

/* A pull that failed may have begun to copy over the RTS, which is read again when it is refused. */
static void put_rts_back(const struct vmo_rx *rx, const char *rts)
{
	struct vmo_sink sink = vmo_layout_sink(rx->buf, &rx->to);

	if ((rx->to.contiguous || sink.shaped) && (!rx->landing || rx->landing == rx->buf))
		vmo_sink_put(&sink, rts, VMO_RTS_BYTES);
}

/* Lock held; let go during the copy. `surely`: whatever it takes. */
static void pull_op(struct vmo_op *op, struct vmo_peer *peer, const char *rts, bool surely)
{
	int rc = 0;

	op->pulling = true;
	vmo_leave();
	if (surely)
		vmo_pull_surely(&op->rx, peer, rts, &op->bytes, &op->error);
	else if ((rc = vmo_pull(&op->rx, peer, rts, &op->bytes, &op->error)))
		put_rts_back(&op->rx, rts);
	vmo_enter();
	op->pulling = false;
	op->pulled = rc == 0;
}

static void deliver_landing(struct vmo_op *op, const MPI_Status *status)
{
	op->error = vmo_landing_deliver(&op->rx, status);
	shim.mpi.Get_elements_x((MPI_Status *)(uintptr_t)status, MPI_BYTE, &op->bytes);
	op->pulled = true;
}

/*
 * An RTS that came into the user's buffer itself is read before another message is put over it. One whose request is
 * complete is read by whoever completed it: until then the op's message stays in its landing.
 * (Those that completed together are finished in that order: mpi_wait.c, finish_all.)
 * True: it let go of the lock, or changed the list of receives.
 */
static bool settle_direct(struct vmo_op *op)
{
	struct vmo_op *direct = vmo_landing_direct(op);
	bool pending = direct && vmo_op_tracked(direct);

	if (pending) {
		op->pulling = true;
		vmo_recv_poll(direct);
		op->pulling = false;
	}
	if (vmo_unlikely(shim.multiple || (direct && !pending)))
		vmo_landing_keep(op);
	return pending;
}

/* True: it let go of the lock, or changed the list of receives. */
static bool settle(struct vmo_op *op, const MPI_Status *status, bool surely)
{
	char rts[VMO_RTS_BYTES];
	bool other = false;

	if (op->pulled || op->delivered || (!op->rx.landing && !vmo_status_may_rts(status)) || is_cancelled(status))
		return false;
	if (vmo_unlikely(op->rx.landing != NULL))
		other = settle_direct(op);
	op->source = status->MPI_SOURCE;
	op->tag = status->MPI_TAG;
	struct vmo_peer *peer = vmo_rx_rts(&op->rx, status, rts);
	if (peer)
		pull_op(op, peer, rts, surely);
	else if (op->rx.landing)
		deliver_landing(op, status);
	return peer || other;
}

bool vmo_recv_poll(struct vmo_op *op)
{
	MPI_Status status;
	int flag = 0;

	if (op->pulling || op->pulled)
		return false;
	int rc = shim.mpi.Request_get_status(op->handle, &flag, &status);
	if (rc == MPI_SUCCESS && !flag)
		return false;
	if (!op->orphan)	/* whose end the list alone brings about (mpi_op.c) */
		unlist(op);	/* its one message is here, or MPI has failed: no more polls */
	bool changed = rc == MPI_SUCCESS && settle(op, &status, false);
	if (op->orphan && !changed)
		op->pulled = true;	/* MPI's own message, and nobody asks for its status */
	return changed;
}

/* Nobody else may still be copying for this op. */
static void await_pull(struct vmo_op *op)
{
	while (op->pulling) {
		vmo_leave();
		sched_yield();
		vmo_enter();
	}
}

void vmo_recv_settle(struct vmo_op *op, const MPI_Status *status)
{
	await_pull(op);
	settle(op, status, true);
}

/* A persistent request stays; of another one MPI may give the handle out again at once. */
static bool goes_with_handle(const struct vmo_op *op)
{
	return !op->persistent || op->orphan;
}

int vmo_recv_complete(struct vmo_op *op, MPI_Status *status)
{
	int error = MPI_SUCCESS;

	unlist(op);
	if (goes_with_handle(op))
		vmo_op_untrack(op);
	await_pull(op);
	settle(op, status, true);
	if (op->pulled || op->delivered) {
		vmo_status_set(status, op->source, op->tag, op->bytes);
		error = op->error;
	}
	op->started = op->pulled = op->delivered = false;
	vmo_landing_unindex(op);	/* not before: until now no other message may come into the buffer itself */
	if (goes_with_handle(op))
		vmo_op_free(op);
	return error;
}

void vmo_recv_failed(struct vmo_op *op)
{
	unlist(op);
	if (goes_with_handle(op))
		vmo_op_untrack(op);
	await_pull(op);
	op->started = op->pulled = op->delivered = false;
	vmo_landing_unindex(op);
	if (goes_with_handle(op))
		vmo_op_free(op);
}

int vmo_Recv(void *buf, int count, MPI_Datatype type, int source, int tag, MPI_Comm comm, MPI_Status *status)
{
	const struct vmo_type *t = vmo_plain_type(type);
	MPI_Status own, *st = status == MPI_STATUS_IGNORE ? &own : status;

	vmo_count_call(Recv);
	if (vmo_unlikely(!t || count < 0 || !shim.active || shim.multiple || shim.held || !vmo_calm()))
		return vmo_recv(buf, count, type, source, tag, comm, status);
	if ((uint64_t)count * (uint64_t)t->size < VMO_RTS_BYTES || !vmo_may_rts_from(comm, source))
		return shim.mpi.Recv(buf, count, type, source, tag, comm, status);
	int rc = shim.mpi.Recv(buf, count, type, source, tag, comm, st);
	if (vmo_likely(rc != MPI_SUCCESS || !vmo_status_may_rts(st)))
		return rc;
	return vmo_recv_settled(buf, count, type, source, comm, st);
}

int vmo_Irecv(void *buf, int count, MPI_Datatype type, int source, int tag, MPI_Comm comm, MPI_Request *request)
{
	struct vmo_type *t = vmo_plain_type(type);

	vmo_count_call(Irecv);
	if (vmo_likely(t && count >= 0 && shim.active && !shim.multiple && !shim.held)) {
		if ((uint64_t)count * (uint64_t)t->size < VMO_RTS_BYTES || !vmo_may_rts_from(comm, source))
			return shim.mpi.Irecv(buf, count, type, source, tag, comm, request);
		return irecv_plain(buf, count, t, source, tag, comm, request);
	}
	return vmo_irecv(buf, count, type, source, tag, comm, request);
}

#if MPI_VERSION >= 4
int vmo_Recv_c(void *buf, MPI_Count count, MPI_Datatype type, int source, int tag, MPI_Comm comm, MPI_Status *status)
{
	vmo_count_call(Recv_c);
	return vmo_recv(buf, count, type, source, tag, comm, status);
}

int vmo_Irecv_c(void *buf, MPI_Count count, MPI_Datatype type, int source, int tag, MPI_Comm comm,
                MPI_Request *request)
{
	vmo_count_call(Irecv_c);
	return vmo_irecv(buf, count, type, source, tag, comm, request);
}
#endif
