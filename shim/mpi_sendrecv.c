/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The combined calls. MPI's own MPI_Sendrecv never calls the public MPI_Send, so it is taken apart
 * here where either half may be one-copy: receive posted, send begun, both awaited.
 */
#include "mpi_shim.h"

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
static bool concerns(MPI_Count sendcount, MPI_Datatype sendtype, int dest, void *recvbuf, MPI_Count recvcount,
                     MPI_Datatype recvtype, int source, MPI_Comm comm)
{
	bool concerned = shim.active && (shim.held || !vmo_idle() ||
	                                 vmo_send_eligible(sendcount, sendtype, dest, comm) ||
	                                 may_rts(recvbuf, recvcount, recvtype, source, comm));

	if (!concerned)
		vmo_send_count_native(sendcount, sendtype, dest, comm, VMO_R_partner_call);
	return concerned;
}

static int sendrecv(const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, int dest, int sendtag,
                    void *recvbuf, MPI_Count recvcount, MPI_Datatype recvtype, int source, int recvtag,
                    MPI_Comm comm, MPI_Status *status)
{
	MPI_Request receive, send;

	if (source == MPI_PROC_NULL) {	/* MPICH's nonblocking receive has a wrong status then */
		int sent = vmo_send(sendbuf, sendcount, sendtype, dest, sendtag, comm, 'S');
		return sent == MPI_SUCCESS ? vmo_real_recv(recvbuf, recvcount, recvtype, source, recvtag, comm, status) : sent;
	}
	int rc = vmo_irecv(recvbuf, recvcount, recvtype, source, recvtag, comm, &receive);

	if (rc != MPI_SUCCESS)
		return rc;
	rc = vmo_isend(sendbuf, sendcount, sendtype, dest, sendtag, comm, 'S', &send);
	if (rc != MPI_SUCCESS) {
		shim.mpi.Cancel(&receive);
		vmo_wait_for(comm, &receive, MPI_STATUS_IGNORE);
		return rc;
	}
	int send_rc = vmo_wait_for(comm, &send, MPI_STATUS_IGNORE);
	rc = vmo_wait_for(comm, &receive, status);
	return rc != MPI_SUCCESS ? rc : send_rc;
}

int vmo_Sendrecv(const void *sendbuf, int sendcount, MPI_Datatype sendtype, int dest, int sendtag, void *recvbuf,
                 int recvcount, MPI_Datatype recvtype, int source, int recvtag, MPI_Comm comm, MPI_Status *status)
{
	vmo_count_call(Sendrecv);
	if (!concerns(sendcount, sendtype, dest, recvbuf, recvcount, recvtype, source, comm))
		return shim.mpi.Sendrecv(sendbuf, sendcount, sendtype, dest, sendtag, recvbuf, recvcount, recvtype,
		                         source, recvtag, comm, status);
	return sendrecv(sendbuf, sendcount, sendtype, dest, sendtag, recvbuf, recvcount, recvtype, source, recvtag,
	                comm, status);
}

/* The outgoing half leaves from a packed copy, so that the incoming one may overwrite the buffer. */
static int replace(void *buf, MPI_Count count, MPI_Datatype type, int dest, int sendtag, int source, int recvtag,
                   MPI_Comm comm, MPI_Status *status)
{
	struct vmo_layout layout;

	if (!vmo_layout_of(count, type, &layout) || layout.bytes > INT_MAX)
		return MPI_ERR_COUNT;
	char *copy = malloc((size_t)layout.bytes + 1);
	if (!copy)
		return MPI_ERR_NO_MEM;
	int rc = !vmo_layout_examine(&layout) ? MPI_ERR_TYPE : layout.bytes ? vmo_pack(buf, &layout, copy) : MPI_SUCCESS;
	if (rc == MPI_SUCCESS)
		rc = sendrecv(copy, layout.bytes, MPI_BYTE, dest, sendtag, buf, count, type, source, recvtag, comm, status);
	free(copy);
	return rc;
}

int vmo_Sendrecv_replace(void *buf, int count, MPI_Datatype type, int dest, int sendtag, int source, int recvtag,
                         MPI_Comm comm, MPI_Status *status)
{
	vmo_count_call(Sendrecv_replace);
	if (!concerns(count, type, dest, buf, count, type, source, comm))
		return shim.mpi.Sendrecv_replace(buf, count, type, dest, sendtag, source, recvtag, comm, status);
	return replace(buf, count, type, dest, sendtag, source, recvtag, comm, status);
}

#if MPI_VERSION >= 4
int vmo_Sendrecv_c(const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, int dest, int sendtag,
                   void *recvbuf, MPI_Count recvcount, MPI_Datatype recvtype, int source, int recvtag,
                   MPI_Comm comm, MPI_Status *status)
{
	vmo_count_call(Sendrecv_c);
	if (sendcount > INT_MAX || recvcount > INT_MAX ||
	    !concerns(sendcount, sendtype, dest, recvbuf, recvcount, recvtype, source, comm))
		return shim.mpi.Sendrecv_c(sendbuf, sendcount, sendtype, dest, sendtag, recvbuf, recvcount, recvtype,
		                           source, recvtag, comm, status);
	return sendrecv(sendbuf, sendcount, sendtype, dest, sendtag, recvbuf, recvcount, recvtype, source, recvtag,
	                comm, status);
}

int vmo_Sendrecv_replace_c(void *buf, MPI_Count count, MPI_Datatype type, int dest, int sendtag, int source,
                           int recvtag, MPI_Comm comm, MPI_Status *status)
{
	vmo_count_call(Sendrecv_replace_c);
	if (count > INT_MAX || !concerns(count, type, dest, buf, count, type, source, comm))
		return shim.mpi.Sendrecv_replace_c(buf, count, type, dest, sendtag, source, recvtag, comm, status);
	return replace(buf, count, type, dest, sendtag, source, recvtag, comm, status);
}

/*
 * The nonblocking ones have one request for both halves. The sending half is MPI's; the request is
 * followed like a receive's, whose status it also carries (MPI 4.0, 3.10).
 */
static int follow(struct vmo_rx *rx, bool may, int rc, MPI_Count sendcount, MPI_Datatype sendtype, int dest,
                  MPI_Comm comm, MPI_Request *request)
{
	if (rc == MPI_SUCCESS)
		vmo_send_count_native(sendcount, sendtype, dest, comm, VMO_R_partner_call);
	if (may && rc == MPI_SUCCESS) {
		vmo_recv_track(rx, *request, false);
	} else if (may) {
		vmo_landing_free(rx);
		vmo_map_drop(rx->map);
	}
	return rc;
}

/* A probe has taken in the message that the receiving half matches: the sending half is awaited here. */
static int isendrecv_held(struct vmo_held *held, const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype,
                          int dest, int sendtag, void *recvbuf, MPI_Count recvcount, MPI_Datatype recvtype,
                          MPI_Comm comm, MPI_Request *request)
{
	MPI_Request send;
	int source, tag, error;
	MPI_Count bytes;
	int rc = vmo_isend(sendbuf, sendcount, sendtype, dest, sendtag, comm, 'S', &send);

	vmo_held_deliver(held, recvbuf, recvcount, recvtype, &source, &tag, &bytes, &error);
	if (rc == MPI_SUCCESS)
		rc = vmo_wait_for(comm, &send, MPI_STATUS_IGNORE);
	return rc == MPI_SUCCESS ? vmo_request_done(request, comm, source, tag, bytes, error) : rc;
}

int vmo_Isendrecv(const void *sendbuf, int sendcount, MPI_Datatype sendtype, int dest, int sendtag, void *recvbuf,
                  int recvcount, MPI_Datatype recvtype, int source, int recvtag, MPI_Comm comm, MPI_Request *request)
{
	struct vmo_held *held = shim.held ? vmo_held_take(comm, source, recvtag) : NULL;
	if (held)
		return isendrecv_held(held, sendbuf, sendcount, sendtype, dest, sendtag, recvbuf, recvcount, recvtype,
		                      comm, request);
	struct vmo_rx rx;
	bool may = vmo_rx_may_rts(&rx, recvbuf, recvcount, recvtype, source, comm);
	MPI_Count room = recvcount;
	if (may)
		vmo_landing_place(&rx, &recvbuf, &room, &recvtype);
	int rc = shim.mpi.Isendrecv(sendbuf, sendcount, sendtype, dest, sendtag, recvbuf, (int)room, recvtype, source,
	                            recvtag, comm, request);

	vmo_count_call(Isendrecv);
	return follow(&rx, may, rc, sendcount, sendtype, dest, comm, request);
}

int vmo_Isendrecv_c(const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, int dest, int sendtag,
                    void *recvbuf, MPI_Count recvcount, MPI_Datatype recvtype, int source, int recvtag, MPI_Comm comm,
                    MPI_Request *request)
{
	struct vmo_held *held = shim.held ? vmo_held_take(comm, source, recvtag) : NULL;
	if (held)
		return isendrecv_held(held, sendbuf, sendcount, sendtype, dest, sendtag, recvbuf, recvcount, recvtype,
		                      comm, request);
	struct vmo_rx rx;
	bool may = vmo_rx_may_rts(&rx, recvbuf, recvcount, recvtype, source, comm);
	if (may)
		vmo_landing_place(&rx, &recvbuf, &recvcount, &recvtype);
	int rc = shim.mpi.Isendrecv_c(sendbuf, sendcount, sendtype, dest, sendtag, recvbuf, recvcount, recvtype,
	                              source, recvtag, comm, request);

	vmo_count_call(Isendrecv_c);
	return follow(&rx, may, rc, sendcount, sendtype, dest, comm, request);
}

int vmo_Isendrecv_replace(void *buf, int count, MPI_Datatype type, int dest, int sendtag, int source, int recvtag,
                          MPI_Comm comm, MPI_Request *request)
{
	struct vmo_rx rx;
	bool may = vmo_rx_may_rts(&rx, buf, count, type, source, comm);
	int rc = shim.mpi.Isendrecv_replace(buf, count, type, dest, sendtag, source, recvtag, comm, request);

	vmo_count_call(Isendrecv_replace);
	return follow(&rx, may, rc, count, type, dest, comm, request);
}

int vmo_Isendrecv_replace_c(void *buf, MPI_Count count, MPI_Datatype type, int dest, int sendtag, int source,
                            int recvtag, MPI_Comm comm, MPI_Request *request)
{
	struct vmo_rx rx;
	bool may = vmo_rx_may_rts(&rx, buf, count, type, source, comm);
	int rc = shim.mpi.Isendrecv_replace_c(buf, count, type, dest, sendtag, source, recvtag, comm, request);

	vmo_count_call(Isendrecv_replace_c);
	return follow(&rx, may, rc, count, type, dest, comm, request);
}
#endif
