/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an RTS leads to: the one copy, or a refusal and a delivery by MPI. */
#include "mpi_small.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* least: bytes that must fit. */
static bool may_come(struct vmo_rx *rx, void *buf, MPI_Count count, MPI_Datatype type, int source, MPI_Comm comm,
                     MPI_Count least)
{
	if (!shim.active || source == MPI_PROC_NULL || !vmo_layout_of(count, type, &rx->to) || rx->to.bytes < least)
		return false;
	rx->map = vmo_comm_map(comm);
	if (!vmo_map_may_rts(rx->map, source) || !vmo_layout_examine(&rx->to)) {
		vmo_map_drop(rx->map);
		return false;
	}
	rx->buf = buf;
	rx->landing = NULL;
	rx->comm = comm;
	return true;
}

bool vmo_rx_may_rts(struct vmo_rx *rx, void *buf, MPI_Count count, MPI_Datatype type, int source, MPI_Comm comm)
{
	return may_come(rx, buf, count, type, source, comm, VMO_RTS_BYTES);	/* no large message can be valid in less */
}

bool vmo_rx_may_held(struct vmo_rx *rx, void *buf, MPI_Count count, MPI_Datatype type, int source, MPI_Comm comm)
{
	return may_come(rx, buf, count, type, source, comm, 0);
}

struct vmo_peer *vmo_rx_rts(struct vmo_rx *rx, const MPI_Status *status, void *rts)
{
	int bytes, source = status->MPI_SOURCE;

	if (shim.mpi.Get_count((MPI_Status *)(uintptr_t)status, MPI_BYTE, &bytes) != MPI_SUCCESS ||
	    bytes != VMO_RTS_BYTES || source < 0)
		return NULL;
	struct vmo_peer *peer = vmo_map_peer(rx->map, rx->comm, source);
	if (!peer || !peer->on)
		return NULL;
	if (rx->landing)
		memcpy(rts, rx->landing, VMO_RTS_BYTES);
	else if (vmo_pack_head(rx->buf, &rx->to, rts, VMO_RTS_BYTES) != MPI_SUCCESS)
		return NULL;
	return vmo_rndv_is_rts(&shim.engine, rts) ? peer : NULL;
}

/* What MPI does not unpack now is not received yet: it comes again, refused, and what is wrong then the caller hears. */
static int unpack_pulled(const struct vmo_rx *rx, const void *from, MPI_Count want)
{
	return vmo_unpack(from, want, rx->buf, &rx->to) == MPI_SUCCESS ? 0 : -ENOMEM;
}

/* Not flattened: unpack from the sender's own pages if the message is one piece there. */
static int pull_unpacking(const struct vmo_rx *rx, struct vmo_incoming *in, MPI_Count want)
{
	struct vmo_mapping *mapping;
	const char *from = vmo_rndv_peek(in, &mapping);

	if (from) {
		uint64_t began = vmo_time_begin();
		int unpacked = unpack_pulled(rx, from, want);
		vmo_time_end(began, VMO_C_copy_ns);
		vmo_rndv_unpeek(in, mapping);
		return unpacked;
	}
	struct vmo_room room = { .memory = vmo_fault(unpack_whole) ? NULL : malloc(in->bytes) };
	char *whole = vmo_room_at(&room, in->peer->pool, in->bytes);
	int rc = whole ? vmo_rndv_pull(in, whole, (uint64_t)want) : -ENOMEM;
	if (!rc)
		rc = unpack_pulled(rx, whole, want);
	if (!rc)
		vmo_peer_bounced(in->peer, (uint64_t)want);
	vmo_room_leave(&room);
	return rc;
}

static MPI_Count fitting(const struct vmo_rx *rx, uint64_t bytes, int *error)
{
	*error = (MPI_Count)bytes > rx->to.bytes ? MPI_ERR_TRUNCATE : MPI_SUCCESS;
	return *error == MPI_SUCCESS ? (MPI_Count)bytes : rx->to.bytes;
}

static int pull(const struct vmo_rx *rx, struct vmo_incoming *in, MPI_Count *bytes, int *error)
{
	MPI_Count want = fitting(rx, in->bytes, error);
	struct vmo_sink sink = vmo_layout_sink(rx->buf, &rx->to);
	int rc = rx->to.contiguous || sink.shaped ? vmo_rndv_pull_into(in, &sink, (uint64_t)want)
	                                          : pull_unpacking(rx, in, want);

	if (rc)
		return rc;
	if (sink.shaped)
		vmo_count(scattered_messages, 1);
	*bytes = want;
	vmo_rndv_finish(in);
	return 0;
}

int vmo_pull(const struct vmo_rx *rx, struct vmo_peer *peer, const void *rts, MPI_Count *bytes, int *error)
{
	struct vmo_incoming in;
	int rc = vmo_rndv_accept(peer, rts, &in);

	return rc ? rc : pull(rx, &in, bytes, error);
}

/* Until it is here, or for so long after its sender's death: what MPI was given before may still come. */
#define LAST_WORDS_NS 1000000000u

/* False: its sender died before. MPI error code in *rc. */
static bool await_refused(struct vmo_peer *peer, MPI_Request *request, int *rc)
{
	struct vmo_wait wait = VMO_WAIT_INIT;
	uint64_t dead_ns = 0;
	int flag = 0;

	for (;;) {
		vmo_mpi_progress(NULL);
		*rc = shim.mpi.Test(request, &flag, MPI_STATUS_IGNORE);
		if (flag || *rc != MPI_SUCCESS)
			return true;
		if (vmo_unlikely(!vmo_channel_alive(&peer->in))) {
			dead_ns = dead_ns ? dead_ns : vmo_now_ns();
			if (vmo_now_ns() - dead_ns > LAST_WORDS_NS)
				return false;
		}
		vmo_wait_turn(&wait);
	}
}

/*
 * Refuses; the message then comes on the private communicator. The receive stands before the sender is
 * told, so that no message is ever left over for a later one. Without memory for it, nor pages of the pool, the
 * message is given up with an error. A sender that dies leaves the receive, and the memory for it, behind.
 */
static int receive_by_mpi(const struct vmo_rx *rx, struct vmo_incoming *in, MPI_Count *bytes, int *error)
{
	MPI_Request request;
	int rc;
	struct vmo_room room = { .memory = vmo_fault(refused_whole) ? NULL : malloc(in->bytes) };
	char *whole = vmo_room_at(&room, in->peer->pool, in->bytes);

	rc = !whole ? MPI_ERR_NO_MEM
	   : shim.mpi.Irecv(whole, (int)in->bytes, MPI_BYTE, (int)in->peer->rank, vmo_refused_tag(in->sequence),
	                    shim.private_comm, &request);
	if (rc == MPI_SUCCESS)
		vmo_rndv_refuse(in);
	else
		vmo_rndv_finish(in);
	if (rc == MPI_SUCCESS && !await_refused(in->peer, &request, &rc))
		return MPI_ERR_OTHER;
	if (rc == MPI_SUCCESS) {
		*bytes = fitting(rx, in->bytes, error);
		rc = vmo_unpack(whole, *bytes, rx->buf, &rx->to);
	}
	vmo_room_leave(&room);
	return rc;
}

void vmo_pull_surely(const struct vmo_rx *rx, struct vmo_peer *peer, const void *rts, MPI_Count *bytes, int *error)
{
	struct vmo_incoming in;
	int rc = vmo_rndv_accept(peer, rts, &in);

	*bytes = VMO_RTS_BYTES;
	*error = MPI_ERR_OTHER;
	if (rc) {
		vmo_error("rank %u sent a request for a message that it does not offer; that message is lost", peer->rank);
		return;
	}
	rc = pull(rx, &in, bytes, error);
	if (!rc)
		return;
	if (rc == -EPIPE || !vmo_channel_alive(&peer->in)) {	/* nobody is there to hear a refusal */
		vmo_peer_lost(peer);
		vmo_error("rank %u died while it sent a message", peer->rank);
		*error = MPI_ERR_OTHER;
		return;
	}
	vmo_debug("refusing %llu bytes from rank %u: errno %d", (unsigned long long)in.bytes, peer->rank, -rc);
	rc = receive_by_mpi(rx, &in, bytes, error);
	if (rc != MPI_SUCCESS)
		*error = rc;
}

void vmo_status_set(MPI_Status *status, int source, int tag, MPI_Count bytes)
{
	shim.mpi.Status_set_elements_x(status, MPI_BYTE, bytes);
	status->MPI_SOURCE = source;
	status->MPI_TAG = tag;
}

/*
 * A status is the MPI's own matter, but MPI_Get_count costs as much as the rest of a small receive. So it is found out
 * which four bytes say how many came: those that MPI_Status_set_elements_x changes and MPI_Get_count reads. They are
 * only ever used to see that it is another number than an RTS has.
 */
void vmo_status_setup(void)
{
	const int unlikely = 0x01234567, rts = VMO_RTS_BYTES;
	MPI_Status status;
	int bytes = 0, word;

	shim.count_at = -1;
	memset(&status, 0, sizeof status);
	vmo_status_set(&status, 0, 0, unlikely);
	for (size_t at = 0; at + sizeof word <= sizeof status; at += sizeof word) {
		memcpy(&word, (char *)&status + at, sizeof word);
		if (word != unlikely)
			continue;
		memcpy((char *)&status + at, &rts, sizeof rts);
		if (shim.mpi.Get_count(&status, MPI_BYTE, &bytes) == MPI_SUCCESS && bytes == rts)
			shim.count_at = (int)at;
		return;
	}
}

int vmo_raise(MPI_Comm comm, int error)
{
	if (error != MPI_SUCCESS)
		shim.mpi.Comm_call_errhandler(comm, error);
	return error;
}

int vmo_rx_finish(struct vmo_rx *rx, MPI_Status *status)
{
	char rts[VMO_RTS_BYTES];
	int error;
	MPI_Count pulled;

	if (vmo_likely(!vmo_status_may_rts(status)))
		return MPI_SUCCESS;
	struct vmo_peer *peer = vmo_rx_rts(rx, status, rts);
	if (!peer)
		return MPI_SUCCESS;
	vmo_pull_surely(rx, peer, rts, &pulled, &error);
	vmo_status_set(status, status->MPI_SOURCE, status->MPI_TAG, pulled);
	return error;
}

int vmo_recv_settled(void *buf, int count, MPI_Datatype type, int source, MPI_Comm comm, MPI_Status *status)
{
	struct vmo_rx rx;

	if (!vmo_rx_may_rts(&rx, buf, count, type, source, comm))
		return MPI_SUCCESS;
	int rc = vmo_raise(comm, vmo_rx_finish(&rx, status));
	vmo_map_drop(rx.map);
	return rc;
}
