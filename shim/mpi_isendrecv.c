/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * MPI 4: MPI_Isendrecv and its like. MPI's own has one request for both halves, whose status MPICH 4.0.2 leaves
 * unset, so it could not be told that a request to send came in. Where either half may be one-copy it is taken
 * apart: two requests as of MPI_Isend and MPI_Irecv, which progress completes, and a generalized one for the
 * program, complete when both are. It carries the receive's status and error (MPI 4.0, 3.10).
 *
 * Threads: the list is under the shim's lock; who advances a pair marks it busy and lets go of the lock.
 */
#include "mpi_shim.h"

#if MPI_VERSION >= 4

#include <stdlib.h>

struct vmo_pair {
	struct vmo_pair *next, *prev;
	struct vmo_op *op;		/* of the program's request */
	MPI_Request send, receive;
	MPI_Status status;		/* the receive's */
	int error;
	void *copy;			/* what leaves in place of the buffer, or NULL */
	bool asked;			/* the program waits for it */
	bool busy;
};

void vmo_pair_asked(struct vmo_pair *pair)
{
	pair->asked = true;
}

static bool half_done(MPI_Request *half, bool asked, MPI_Status *status, int *error)
{
	int rc;

	if (*half == MPI_REQUEST_NULL)
		return true;
	if (!vmo_test_half(half, asked, status, &rc))
		return false;
	if (*error == MPI_SUCCESS)
		*error = rc;
	return *half == MPI_REQUEST_NULL;
}

static bool advance(struct vmo_pair *pair)
{
	MPI_Status ignored;
	bool received = half_done(&pair->receive, pair->asked, &pair->status, &pair->error);

	return half_done(&pair->send, pair->asked, &ignored, &pair->error) && received;
}

/* The program may complete its request, and the op is gone, as soon as MPI has been told. */
static void complete(struct vmo_pair *pair)
{
	struct vmo_op *op = pair->op;
	MPI_Request handle = op->handle;

	op->source = pair->status.MPI_SOURCE;
	op->tag = pair->status.MPI_TAG;
	shim.mpi.Get_elements_x(&pair->status, MPI_BYTE, &op->bytes);
	op->error = pair->error;
	vmo_enter();
	DL_DELETE(shim.pairs, pair);
	op->pair = NULL;
	op->pulled = true;
	vmo_leave();
	free(pair->copy);
	free(pair);
	shim.mpi.Grequest_complete(handle);
}

static struct vmo_pair *take_idle(void)
{
	struct vmo_pair *pair;

	vmo_enter();
	DL_FOREACH(shim.pairs, pair)
		if (!pair->busy)
			break;
	if (pair) {			/* at the end: the next round takes another */
		pair->busy = true;
		DL_DELETE(shim.pairs, pair);
		DL_APPEND(shim.pairs, pair);
	}
	vmo_leave();
	return pair;
}

void vmo_pairs_progress(void)
{
	struct vmo_pair *pair = take_idle();

	if (!pair)
		return;
	if (advance(pair)) {
		complete(pair);
		return;
	}
	vmo_enter();
	pair->busy = false;
	vmo_leave();
}

/* Posts both halves. After an error there is no request. */
static int begin(struct vmo_pair *pair, const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, int dest,
                 int sendtag, void *recvbuf, MPI_Count recvcount, MPI_Datatype recvtype, int source, int recvtag,
                 MPI_Comm comm)
{
	int rc = MPI_SUCCESS;

	if (source == MPI_PROC_NULL)	/* MPICH's nonblocking receive has a wrong status then */
		rc = vmo_real_recv(recvbuf, recvcount, recvtype, source, recvtag, comm, &pair->status);
	else
		rc = vmo_irecv(recvbuf, recvcount, recvtype, source, recvtag, comm, &pair->receive);
	if (rc != MPI_SUCCESS)
		return rc;
	rc = vmo_sendrecv_send(sendbuf, sendcount, sendtype, dest, sendtag, comm, &pair->send);
	if (rc != MPI_SUCCESS && pair->receive != MPI_REQUEST_NULL) {
		shim.mpi.Cancel(&pair->receive);
		vmo_wait_for(comm, &pair->receive, MPI_STATUS_IGNORE);
	}
	return rc;
}

static struct vmo_pair *new_pair(void *copy)
{
	struct vmo_pair *pair = vmo_fault(pair) ? NULL : calloc(1, sizeof *pair);

	if (pair) {
		pair->send = pair->receive = MPI_REQUEST_NULL;
		pair->copy = copy;
	}
	return pair;
}

/* `copy` is freed whatever happens. */
static int isendrecv(void *copy, const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, int dest, int sendtag,
                     void *recvbuf, MPI_Count recvcount, MPI_Datatype recvtype, int source, int recvtag,
                     MPI_Comm comm, MPI_Request *request)
{
	struct vmo_pair *pair = new_pair(copy);
	int rc = pair ? MPI_SUCCESS : vmo_raise(comm, MPI_ERR_NO_MEM);

	if (!pair)
		goto give_up;
	rc = vmo_request_new(request, comm, &pair->op);
	if (rc != MPI_SUCCESS)
		goto give_up;
	rc = begin(pair, sendbuf, sendcount, sendtype, dest, sendtag, recvbuf, recvcount, recvtype, source, recvtag, comm);
	if (rc != MPI_SUCCESS) {
		vmo_request_drop(request, pair->op);
		goto give_up;
	}
	vmo_enter();
	pair->op->pair = pair;
	DL_APPEND(shim.pairs, pair);
	vmo_leave();
	return MPI_SUCCESS;
give_up:
	free(copy);
	free(pair);
	return rc;
}

int vmo_Isendrecv(const void *sendbuf, int sendcount, MPI_Datatype sendtype, int dest, int sendtag, void *recvbuf,
                  int recvcount, MPI_Datatype recvtype, int source, int recvtag, MPI_Comm comm, MPI_Request *request)
{
	vmo_count_call(Isendrecv);
	if (!vmo_sendrecv_concerns(sendcount, sendtype, dest, recvbuf, recvcount, recvtype, source, comm))
		return shim.mpi.Isendrecv(sendbuf, sendcount, sendtype, dest, sendtag, recvbuf, recvcount, recvtype,
		                          source, recvtag, comm, request);
	return isendrecv(NULL, sendbuf, sendcount, sendtype, dest, sendtag, recvbuf, recvcount, recvtype, source,
	                 recvtag, comm, request);
}

int vmo_Isendrecv_c(const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, int dest, int sendtag,
                    void *recvbuf, MPI_Count recvcount, MPI_Datatype recvtype, int source, int recvtag, MPI_Comm comm,
                    MPI_Request *request)
{
	vmo_count_call(Isendrecv_c);
	if (!vmo_sendrecv_concerns(sendcount, sendtype, dest, recvbuf, recvcount, recvtype, source, comm))
		return shim.mpi.Isendrecv_c(sendbuf, sendcount, sendtype, dest, sendtag, recvbuf, recvcount, recvtype,
		                            source, recvtag, comm, request);
	return isendrecv(NULL, sendbuf, sendcount, sendtype, dest, sendtag, recvbuf, recvcount, recvtype, source,
	                 recvtag, comm, request);
}

static int replace(void *buf, MPI_Count count, MPI_Datatype type, int dest, int sendtag, int source, int recvtag,
                   MPI_Comm comm, MPI_Request *request)
{
	struct vmo_outgoing out;
	int rc = vmo_sendrecv_copy(buf, count, type, &out);

	return rc != MPI_SUCCESS ? vmo_raise(comm, rc) : isendrecv(out.copy, out.copy, out.count, out.type, dest, sendtag, buf, count,
	                                          type, source, recvtag, comm, request);
}

int vmo_Isendrecv_replace(void *buf, int count, MPI_Datatype type, int dest, int sendtag, int source, int recvtag,
                          MPI_Comm comm, MPI_Request *request)
{
	vmo_count_call(Isendrecv_replace);
	if (!vmo_sendrecv_concerns(count, type, dest, buf, count, type, source, comm))
		return shim.mpi.Isendrecv_replace(buf, count, type, dest, sendtag, source, recvtag, comm, request);
	return replace(buf, count, type, dest, sendtag, source, recvtag, comm, request);
}

int vmo_Isendrecv_replace_c(void *buf, MPI_Count count, MPI_Datatype type, int dest, int sendtag, int source,
                            int recvtag, MPI_Comm comm, MPI_Request *request)
{
	vmo_count_call(Isendrecv_replace_c);
	if (!vmo_sendrecv_concerns(count, type, dest, buf, count, type, source, comm))
		return shim.mpi.Isendrecv_replace_c(buf, count, type, dest, sendtag, source, recvtag, comm, request);
	return replace(buf, count, type, dest, sendtag, source, recvtag, comm, request);
}
#endif
