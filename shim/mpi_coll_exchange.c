/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One exchange among the ranks of a communicator: every large piece between co-resident ranks by the one-copy engine,
 * the rest by MPI on the private communicator.
 *
 *   vmo_coll_begin, then all receives, then all sends (so that what is sent finds its place), then vmo_coll_end
 *
 * An error is noted and the exchange goes on, because the others wait for their pieces; the first one is reported.
 * After it the content of receive buffers is undefined, as after any collective that failed.
 */
#include "mpi_coll.h"

#include <limits.h>
#include <string.h>

void vmo_coll_note(struct vmo_coll *coll, int error)
{
	if (coll->error == MPI_SUCCESS)
		coll->error = error;
}

/* Both ends know the bytes, and whether the pair is on. */
static bool by_record(const struct vmo_coll *coll, const struct vmo_peer *peer, MPI_Count bytes)
{
	return peer->on && bytes >= coll->least && bytes <= INT_MAX;
}

/* What belongs to the exchange begun last. */
static struct vmo_coll_in *in_of(struct vmo_coll *coll, int source)
{
	return &coll->in[coll->round * coll->size + source];
}

enum { IN, RECORD_OUT, DATA_OUT };

static MPI_Request *request_of(struct vmo_coll *coll, int what, int rank)
{
	return &coll->request[(coll->round * 3 + what) * coll->size + rank];
}

static void clear(struct vmo_coll *coll)
{
	for (int r = 0; r < coll->size; r++) {
		in_of(coll, r)->used = false;
		coll->out[coll->round * coll->size + r] = NULL;
	}
}

void vmo_coll_begin(struct vmo_coll *coll)
{
	coll->error = MPI_SUCCESS;
	coll->round = 0;
	clear(coll);
}

void vmo_coll_begin_second(struct vmo_coll *coll)
{
	coll->round = 1;
	clear(coll);
}

static void receive(struct vmo_coll *coll, int source, void *buf, MPI_Count count, MPI_Datatype type, bool hold)
{
	struct vmo_coll_in *in = in_of(coll, source);
	int rc;

	if (!vmo_layout_of(count, type, &in->rx.to) || !vmo_layout_examine(&in->rx.to)) {
		vmo_coll_note(coll, MPI_ERR_ARG);
		return;
	}
	if (!in->rx.to.bytes)
		return;
	in->peer = by_record(coll, coll->map->peer[source], in->rx.to.bytes) ? coll->map->peer[source] : NULL;
	in->used = true;
	in->hold = hold;
	in->offered = false;
	in->rx.buf = buf;
	in->rx.landing = NULL;
	in->rx.comm = coll->comm;
	in->rx.map = NULL;
	if (in->peer)
		rc = shim.mpi.Irecv(in->record, VMO_RTS_BYTES, MPI_BYTE, source, VMO_COLL_RECORD, coll->comm,
		                    request_of(coll, IN, source));
	else
		rc = vmo_real_irecv(buf, count, type, source, VMO_COLL_DATA, coll->comm, request_of(coll, IN, source));
	vmo_coll_note(coll, rc);
}

void vmo_coll_recv(struct vmo_coll *coll, int source, void *buf, MPI_Count count, MPI_Datatype type)
{
	receive(coll, source, buf, count, type, false);
}

void vmo_coll_recv_held(struct vmo_coll *coll, int source, void *buf, MPI_Count count, MPI_Datatype type)
{
	receive(coll, source, buf, count, type, true);
}

/* True: the piece is on its way by the engine. */
static bool offer(struct vmo_coll *coll, int target, struct vmo_peer *peer, const void *buf, struct vmo_layout *from)
{
	struct vmo_op *op = vmo_op_new(VMO_OP_SEND);
	int error;

	if (!op || !vmo_layout_examine(from) || (from->contiguous && !buf) ||
	    vmo_send_begin(op, peer, buf, from, target, VMO_COLL_RECORD, coll->comm, &error)) {
		if (op)
			vmo_op_free(op);
		return false;
	}
	vmo_coll_note(coll, error);
	if (!op->xfer) {	/* MPI did not take the record: there is no other way to the target either */
		vmo_op_free(op);
		return true;
	}
	op->kept = true;
	coll->out[coll->round * coll->size + target] = op;
	vmo_enter();
	vmo_op_track(op);
	vmo_leave();
	return true;
}

void vmo_coll_send(struct vmo_coll *coll, int target, const void *buf, MPI_Count count, MPI_Datatype type)
{
	struct vmo_peer *peer = coll->map->peer[target];
	struct vmo_layout from;

	if (!vmo_layout_of(count, type, &from)) {
		vmo_coll_note(coll, MPI_ERR_ARG);
		return;
	}
	if (!from.bytes)
		return;
	if (by_record(coll, peer, from.bytes)) {
		if (offer(coll, target, peer, buf, &from))
			return;
		vmo_coll_note(coll, shim.mpi.Isend(NULL, 0, MPI_BYTE, target, VMO_COLL_RECORD, coll->comm,
		                                   request_of(coll, RECORD_OUT, target)));
	} else if (from.bytes >= coll->least) {
		vmo_fall_through_to(peer->flow, peer->on ? VMO_R_too_long : peer->reason, (uint64_t)from.bytes);
	}
	vmo_coll_note(coll, vmo_real_isend(buf, count, type, target, VMO_COLL_DATA, coll->comm,
	                                   request_of(coll, DATA_OUT, target)));
}

static void pull(struct vmo_coll *coll, struct vmo_coll_in *in)
{
	MPI_Count pulled;
	int error;

	vmo_pull_surely(&in->rx, in->peer, in->record, &pulled, &error);
	in->offered = false;
	vmo_coll_note(coll, error);
}

/* The record of a piece is here: pulls it, leaves it to the caller, or waits for the piece by MPI. */
static void take_record(struct vmo_coll *coll, int source, MPI_Status *status)
{
	struct vmo_coll_in *in = in_of(coll, source);
	int bytes = 0;

	shim.mpi.Get_count(status, MPI_BYTE, &bytes);
	if (bytes != VMO_RTS_BYTES) {
		in->peer = NULL;
		vmo_coll_note(coll, vmo_real_irecv(in->rx.buf, in->rx.to.count, in->rx.to.type, source, VMO_COLL_DATA,
		                                   coll->comm, request_of(coll, IN, source)));
		return;
	}
	in->offered = true;
	if (!in->hold)
		pull(coll, in);
}

/* One round. True: something came or went. */
static bool turn(struct vmo_coll *coll)
{
	int all = 3 * coll->size * (coll->round + 1), first_in = 3 * coll->size * coll->round, got = 0;
	int rc = shim.mpi.Testsome(all, coll->request, &got, coll->index, coll->status);

	for (int i = 0; i < got; i++) {		/* MPI_UNDEFINED, where nothing is pending, is negative */
		int source = coll->index[i] - first_in;
		if (rc == MPI_ERR_IN_STATUS && coll->status[i].MPI_ERROR != MPI_SUCCESS)
			vmo_coll_note(coll, coll->status[i].MPI_ERROR);
		else if (source >= 0 && source < coll->size && in_of(coll, source)->peer)
			take_record(coll, source, &coll->status[i]);
	}
	if (rc != MPI_SUCCESS && rc != MPI_ERR_IN_STATUS)
		vmo_coll_note(coll, rc);
	if (got < 0)
		vmo_mpi_poke();
	vmo_mpi_progress(NULL);
	return got > 0;
}

static void wait_turn(struct vmo_coll *coll, struct vmo_wait *wait)
{
	if (turn(coll))
		*wait = (struct vmo_wait)VMO_WAIT_COSTLY_INIT;
	else
		vmo_wait_turn(wait);
}

bool vmo_coll_await(struct vmo_coll *coll, int source)
{
	struct vmo_coll_in *in = in_of(coll, source);
	struct vmo_wait wait = VMO_WAIT_COSTLY_INIT;

	while (in->used && !in->offered && *request_of(coll, IN, source) != MPI_REQUEST_NULL)
		wait_turn(coll, &wait);
	return in->used && in->offered;
}

void vmo_coll_take(struct vmo_coll *coll, int source)
{
	if (vmo_coll_await(coll, source))
		pull(coll, in_of(coll, source));
}

static bool op_complete(struct vmo_op *op)
{
	vmo_enter();
	bool complete = op->complete;
	vmo_leave();
	return complete;
}

/* Frees what has been taken; is anything left? */
static bool pending(struct vmo_coll *coll)
{
	int rounds = coll->round + 1;
	bool left = false;

	for (int i = 0; i < rounds * coll->size; i++) {
		if (coll->out[i] && op_complete(coll->out[i])) {
			vmo_op_free(coll->out[i]);
			coll->out[i] = NULL;
		}
		left |= coll->out[i] != NULL;
	}
	for (int i = 0; !left && i < rounds * 3 * coll->size; i++)
		left = coll->request[i] != MPI_REQUEST_NULL;
	return left;
}

int vmo_coll_end(struct vmo_coll *coll)
{
	struct vmo_wait wait = VMO_WAIT_COSTLY_INIT;

	while (pending(coll))
		wait_turn(coll, &wait);
	return coll->error;
}

void vmo_coll_self(struct vmo_coll *coll, const void *from, MPI_Count sendcount, MPI_Datatype sendtype, void *to,
                   MPI_Count recvcount, MPI_Datatype recvtype)
{
	MPI_Count bytes = vmo_coll_bytes(sendcount, sendtype), room = vmo_coll_bytes(recvcount, recvtype);
	MPI_Request request;

	if (bytes > 0 && bytes <= room && from && to && vmo_type_contiguous(sendtype) && vmo_type_contiguous(recvtype)) {
		memmove(to, from, (size_t)bytes);
		return;
	}
	if (bytes <= 0 && room <= 0)
		return;
	int rc = vmo_real_irecv(to, recvcount, recvtype, coll->rank, VMO_COLL_DATA, coll->comm, &request);
	vmo_coll_note(coll, rc);
	if (rc != MPI_SUCCESS)
		return;
#if MPI_VERSION >= 4
	vmo_coll_note(coll, shim.mpi.Send_c(from, sendcount, sendtype, coll->rank, VMO_COLL_DATA, coll->comm));
#else
	vmo_coll_note(coll, shim.mpi.Send(from, (int)sendcount, sendtype, coll->rank, VMO_COLL_DATA, coll->comm));
#endif
	vmo_coll_note(coll, shim.mpi.Wait(&request, MPI_STATUS_IGNORE));
}

/* ---- where the pieces are ---- */

struct vmo_coll_piece vmo_coll_piece(const struct vmo_coll_side *side, int r)
{
	char *buf = (char *)(uintptr_t)side->buf;

	if (!side->arrays)
		return (struct vmo_coll_piece){ buf + r * side->count * side->extent, side->count, side->type };
	MPI_Aint offset = vmo_coll_at(side->displs, r);
	if (side->types)
		return (struct vmo_coll_piece){ buf + offset, vmo_coll_at(side->counts, r), side->types[r] };
	return (struct vmo_coll_piece){ buf + offset * side->extent, vmo_coll_at(side->counts, r), side->type };
}

static void add_piece(struct vmo_coll_sizes *sizes, MPI_Count bytes)
{
	sizes->wrong |= bytes < 0;
	sizes->sum += bytes;
	if (bytes > sizes->largest)
		sizes->largest = bytes;
}

/* Each small call pays for this: the type is asked once where there is only one. */
struct vmo_coll_sizes vmo_coll_sizes(const struct vmo_coll_side *side, int size, int but)
{
	struct vmo_coll_sizes sizes = { 0, 0, false };
	MPI_Count each = side->types ? 0 : vmo_coll_bytes(1, side->type);

	sizes.wrong = each < 0 || !(side->counts.narrow || side->counts.wide) || !(side->displs.narrow || side->displs.wide);
	for (int r = 0; !sizes.wrong && r < size; r++) {
		MPI_Count count = vmo_coll_at(side->counts, r);
		if (r != but)
			add_piece(&sizes, side->types ? vmo_coll_bytes(count, side->types[r]) : count * each);
	}
	if (!side->types && !sizes.wrong)
		sizes.wrong = vmo_coll_null(side->buf, sizes.largest, side->type);
	return sizes;
}
