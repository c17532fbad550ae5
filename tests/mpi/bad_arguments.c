/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Wrong arguments of large messages: the MPI's own error class, its error handler called once, nothing sent, and all
 * goes on after (MPI 3.1, 8.4). Each call is made on MPI_COMM_WORLD's duplicate with a handler that counts.
 *
 * RUN: np=2 VMONECOPY=0
 * RUN: np=2 expect="(onecopy|staged)_bytes [1-9]"
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0
 * RUN: np=2 VMONECOPY_THRESHOLD=64
 */
#include "t.h"

#define N 100000

static MPI_Comm comm;
static char out[N], in[N];
static int calls;

static void handler(MPI_Comm *which, int *error, ...)
{
	calls++;
}

#define WRONG(call, wanted) do { \
	calls = 0; \
	int t_rc = (call); \
	CHECK_CLASS(t_rc, wanted); \
	CHECK_EQ(calls, 1); \
} while (0)

/* As MPI_Send, MPI_Isend, MPI_Ssend, MPI_Issend. */
static void wrong_sends(const void *buf, int n, MPI_Datatype type, int to, int tag, int wanted)
{
	MPI_Request request;

	WRONG(MPI_Send(buf, n, type, to, tag, comm), wanted);
	WRONG(MPI_Isend(buf, n, type, to, tag, comm, &request), wanted);
	WRONG(MPI_Ssend(buf, n, type, to, tag, comm), wanted);
	WRONG(MPI_Issend(buf, n, type, to, tag, comm, &request), wanted);
}

static void wrong_receives(void *buf, int n, MPI_Datatype type, int from, int tag, int wanted)
{
	MPI_Request request;
	MPI_Status status;

	WRONG(MPI_Recv(buf, n, type, from, tag, comm, &status), wanted);
	WRONG(MPI_Irecv(buf, n, type, from, tag, comm, &request), wanted);
	WRONG(MPI_Recv_init(buf, n, type, from, tag, comm, &request), wanted);
	WRONG(MPI_Sendrecv(out, N, MPI_BYTE, MPI_PROC_NULL, 0, buf, n, type, from, tag, comm, &status), wanted);
}

static void wrong_probes(int from, int tag, int wanted)
{
	MPI_Message message;
	MPI_Status status;
	int flag;

	WRONG(MPI_Probe(from, tag, comm, &status), wanted);
	WRONG(MPI_Iprobe(from, tag, comm, &flag, &status), wanted);
	WRONG(MPI_Mprobe(from, tag, comm, &message, &status), wanted);
	WRONG(MPI_Improbe(from, tag, comm, &flag, &message, &status), wanted);
}

static void all_wrong(int peer)
{
	wrong_sends(out, N, MPI_BYTE, 77, 0, MPI_ERR_RANK);
	wrong_sends(out, N, MPI_BYTE, -77, 0, MPI_ERR_RANK);
	wrong_sends(out, N, MPI_BYTE, MPI_ANY_SOURCE, 0, MPI_ERR_RANK);
	wrong_sends(out, N, MPI_BYTE, peer, -5, MPI_ERR_TAG);
	wrong_sends(out, N, MPI_BYTE, peer, MPI_ANY_TAG, MPI_ERR_TAG);
	wrong_sends(out, -1, MPI_BYTE, peer, 0, MPI_ERR_COUNT);
	wrong_sends(out, N, MPI_DATATYPE_NULL, peer, 0, MPI_ERR_TYPE);
	wrong_sends(NULL, N, MPI_BYTE, peer, 0, MPI_ERR_BUFFER);
	wrong_receives(in, N, MPI_BYTE, 77, 0, MPI_ERR_RANK);
	wrong_receives(in, N, MPI_BYTE, peer, -5, MPI_ERR_TAG);
	wrong_receives(in, -1, MPI_BYTE, peer, 0, MPI_ERR_COUNT);
	wrong_receives(in, N, MPI_DATATYPE_NULL, peer, 0, MPI_ERR_TYPE);
	wrong_receives(NULL, N, MPI_BYTE, peer, 0, MPI_ERR_BUFFER);
	wrong_probes(77, 0, MPI_ERR_RANK);
	wrong_probes(peer, -5, MPI_ERR_TAG);
}

static void one_right(int peer, int sequence)
{
	MPI_Status status;

	t_fill(out, N, t_rank, 1, sequence);
	MPI_Sendrecv(out, N, MPI_BYTE, peer, 1, in, N, MPI_BYTE, peer, 1, comm, &status);
	STATUS(&status, peer, 1, N);
	VERIFY(in, N, peer, 1, sequence);
}

int main(int argc, char **argv)
{
	MPI_Errhandler function;

	t_begin(&argc, &argv, 20);
	MPI_Comm_dup(MPI_COMM_WORLD, &comm);
	MPI_Comm_create_errhandler(handler, &function);
	MPI_Comm_set_errhandler(comm, function);
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, function);
	for (int i = 0; i < 3; i++) {
		MPI_Request pending;
		char more[100];
		MPI_Irecv(more, sizeof more, MPI_BYTE, 1 - t_rank, 9, comm, &pending);	/* not idle */
		all_wrong(1 - t_rank);
		one_right(1 - t_rank, i);
		MPI_Send(out, sizeof more, MPI_BYTE, 1 - t_rank, 9, comm);
		MPI_Wait(&pending, MPI_STATUS_IGNORE);
		all_wrong(1 - t_rank);
	}
	MPI_Errhandler_free(&function);
	return t_end();
}
