/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The combined calls. MPI's own MPI_Sendrecv never calls the public MPI_Send, so it is taken apart
 * here where either half may be one-copy: receive posted, send begun, both awaited.
 */
#include "mpi_small.h"

#include <limits.h>
#include <stdlib.h>

static bool may_rts(void *buf, MPI_Count count, MPI_Datatype type, int source, MPI_Comm comm)
{
	struct vmo_rx rx;
	bool may = vmo_rx_may_rts(&rx, buf, count, type, source, comm);

	if (may)
		vmo_map_drop(rx.map);
	return may;
}

/* Some half concerns the shim. */
bool vmo_sendrecv_concerns(MPI_Count sendcount, MPI_Datatype sendtype, int dest, void *recvbuf, MPI_Count recvcount,
                     MPI_Datatype recvtype, int source, MPI_Comm comm)
{
	bool concerned = shim.active && (shim.held || !vmo_idle() ||
	                                 vmo_send_eligible(sendcount, sendtype, dest, comm) ||
	                                 may_rts(recvbuf, recvcount, recvtype, source, comm));

	if (!concerned)
		vmo_send_count_native(sendcount, sendtype, dest, comm, VMO_R_partner_call);
	return concerned;
}

int vmo_sendrecv_send(const void *buf, MPI_Count count, MPI_Datatype type, int dest, int tag, MPI_Comm comm,
                      MPI_Request *request)
{
#if MPI_VERSION >= 4
	if (count > INT_MAX) {
		vmo_send_count_native(count, type, dest, comm, VMO_R_too_long);
		return shim.mpi.Isend_c(buf, count, type, dest, tag, comm, request);
	}
#endif
	return vmo_isend(buf, count, type, dest, tag, comm, 'S', request);
}

static int sendrecv(const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, int dest, int sendtag,
                    void *recvbuf, MPI_Count recvcount, MPI_Datatype recvtype, int source, int recvtag,
                    MPI_Comm comm, MPI_Status *status)
{
	MPI_Request receive, send;

	if (source == MPI_PROC_NULL) {	/* MPICH's nonblocking receive has a wrong status then */
		int sent = vmo_sendrecv_send(sendbuf, sendcount, sendtype, dest, sendtag, comm, &send);
		if (sent == MPI_SUCCESS)
			sent = vmo_wait_for(comm, &send, MPI_STATUS_IGNORE);
		return sent == MPI_SUCCESS ? vmo_real_recv(recvbuf, recvcount, recvtype, source, recvtag, comm, status) : sent;
	}
	int rc = vmo_irecv(recvbuf, recvcount, recvtype, source, recvtag, comm, &receive);

	if (rc != MPI_SUCCESS)
		return rc;
	rc = vmo_sendrecv_send(sendbuf, sendcount, sendtype, dest, sendtag, comm, &send);
	if (rc != MPI_SUCCESS) {
		shim.mpi.Cancel(&receive);
		vmo_wait_for(comm, &receive, MPI_STATUS_IGNORE);
		return rc;
	}
	int send_rc = vmo_wait_for(comm, &send, MPI_STATUS_IGNORE);
	rc = vmo_wait_for(comm, &receive, status);
	return rc != MPI_SUCCESS ? rc : send_rc;
}

/* Both halves are small, or cannot be large: MPI's own call serves, and at most what came is looked at. */
static bool both_small(int sendcount, MPI_Datatype sendtype, int recvcount, MPI_Datatype recvtype)
{
	const struct vmo_type *t = vmo_plain_type(recvtype);

	return vmo_send_is_small(sendcount, sendtype) && t && recvcount >= 0 &&
	       (uint64_t)recvcount * (uint64_t)t->size < (uint64_t)shim.least && !shim.multiple && !shim.held && vmo_calm();
}

int vmo_Sendrecv(const void *sendbuf, int sendcount, MPI_Datatype sendtype, int dest, int sendtag, void *recvbuf,
                 int recvcount, MPI_Datatype recvtype, int source, int recvtag, MPI_Comm comm, MPI_Status *status)
{
	MPI_Status own, *st = status == MPI_STATUS_IGNORE ? &own : status;

	vmo_count_call(Sendrecv);
	if (vmo_likely(both_small(sendcount, sendtype, recvcount, recvtype))) {
		int rc = shim.mpi.Sendrecv(sendbuf, sendcount, sendtype, dest, sendtag, recvbuf, recvcount, recvtype,
		                           source, recvtag, comm, st);
		return vmo_likely(rc != MPI_SUCCESS || !vmo_status_may_rts(st)) ? rc
		       : vmo_recv_settled(recvbuf, recvcount, recvtype, source, comm, st);
	}
	if (!vmo_sendrecv_concerns(sendcount, sendtype, dest, recvbuf, recvcount, recvtype, source, comm))
		return shim.mpi.Sendrecv(sendbuf, sendcount, sendtype, dest, sendtag, recvbuf, recvcount, recvtype,
		                         source, recvtag, comm, status);
	return sendrecv(sendbuf, sendcount, sendtype, dest, sendtag, recvbuf, recvcount, recvtype, source, recvtag,
	                comm, status);
}

/* A message of more than INT_MAX bytes stays what it is, or it could not be said how long it is. */
int vmo_sendrecv_copy(const void *buf, MPI_Count count, MPI_Datatype type, struct vmo_outgoing *out)
{
	struct vmo_layout layout;

	if (!vmo_layout_of(count, type, &layout) || !vmo_layout_examine(&layout))
		return MPI_ERR_COUNT;
	if (layout.bytes > INT_MAX && !layout.contiguous)
		return MPI_ERR_COUNT;
	char *copy = vmo_fault(sendrecv_copy) ? NULL : malloc((size_t)layout.bytes + 1);
	if (!copy)
		return MPI_ERR_NO_MEM;
	int rc = layout.bytes ? vmo_pack(buf, &layout, copy) : MPI_SUCCESS;
	if (rc != MPI_SUCCESS) {
		free(copy);
		return rc;
	}
	*out = layout.contiguous ? (struct vmo_outgoing){ copy, count, type }
	                         : (struct vmo_outgoing){ copy, layout.bytes, MPI_BYTE };
	return MPI_SUCCESS;
}

/* The outgoing half leaves from a copy, so that the incoming one may overwrite the buffer. */
static int replace(void *buf, MPI_Count count, MPI_Datatype type, int dest, int sendtag, int source, int recvtag,
                   MPI_Comm comm, MPI_Status *status)
{
	struct vmo_outgoing out;
	int rc = vmo_sendrecv_copy(buf, count, type, &out);

	if (rc != MPI_SUCCESS)
		return vmo_raise(comm, rc);
	rc = sendrecv(out.copy, out.count, out.type, dest, sendtag, buf, count, type, source, recvtag, comm, status);
	free(out.copy);
	return rc;
}

int vmo_Sendrecv_replace(void *buf, int count, MPI_Datatype type, int dest, int sendtag, int source, int recvtag,
                         MPI_Comm comm, MPI_Status *status)
{
	vmo_count_call(Sendrecv_replace);
	if (!vmo_sendrecv_concerns(count, type, dest, buf, count, type, source, comm))
		return shim.mpi.Sendrecv_replace(buf, count, type, dest, sendtag, source, recvtag, comm, status);
	return replace(buf, count, type, dest, sendtag, source, recvtag, comm, status);
}

#if MPI_VERSION >= 4
int vmo_Sendrecv_c(const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, int dest, int sendtag,
                   void *recvbuf, MPI_Count recvcount, MPI_Datatype recvtype, int source, int recvtag,
                   MPI_Comm comm, MPI_Status *status)
{
	vmo_count_call(Sendrecv_c);
	if (!vmo_sendrecv_concerns(sendcount, sendtype, dest, recvbuf, recvcount, recvtype, source, comm))
		return shim.mpi.Sendrecv_c(sendbuf, sendcount, sendtype, dest, sendtag, recvbuf, recvcount, recvtype,
		                           source, recvtag, comm, status);
	return sendrecv(sendbuf, sendcount, sendtype, dest, sendtag, recvbuf, recvcount, recvtype, source, recvtag,
	                comm, status);
}

int vmo_Sendrecv_replace_c(void *buf, MPI_Count count, MPI_Datatype type, int dest, int sendtag, int source,
                           int recvtag, MPI_Comm comm, MPI_Status *status)
{
	vmo_count_call(Sendrecv_replace_c);
	if (!vmo_sendrecv_concerns(count, type, dest, buf, count, type, source, comm))
		return shim.mpi.Sendrecv_replace_c(buf, count, type, dest, sendtag, source, recvtag, comm, status);
	return replace(buf, count, type, dest, sendtag, source, recvtag, comm, status);
}
#endif
