/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every call is intercepted exactly once: the counters in the report, sums over two ranks, are twice the
 * calls that each rank makes here. What the MPI, or the shim, calls inside is not counted.
 *
 * RUN: np=2 expect="MPI_Init_thread 2\b" expect="MPI_Finalize 2\b" expect="MPI_Send 8\b" expect="MPI_Ssend 2\b" expect="MPI_Rsend 2\b" expect="MPI_Bsend 2\b" expect="MPI_Isend 8\b" expect="MPI_Issend 2\b" expect="MPI_Irsend 2\b" expect="MPI_Ibsend 2\b"
 * RUN: np=2 expect="MPI_Recv 2\b" expect="MPI_Irecv 18\b" expect="MPI_Recv_init 2\b" expect="MPI_Start 4\b" expect="MPI_Startall 2\b" expect="MPI_Sendrecv 4\b" expect="MPI_Sendrecv_replace 2\b" expect="MPI_Probe 2\b" expect="MPI_Iprobe 2\b" expect="MPI_Mprobe 4\b" expect="MPI_Improbe 2\b" expect="MPI_Mrecv 2\b" expect="MPI_Imrecv 2\b"
 * RUN: np=2 expect="MPI_Wait 20\b" expect="MPI_Waitall 14\b" expect="MPI_Waitany 2\b" expect="MPI_Waitsome 2\b" expect="MPI_Test 2\b" expect="MPI_Testall 2\b" expect="MPI_Testany 2\b" expect="MPI_Testsome 2\b" expect="MPI_Request_get_status 2\b" expect="MPI_Request_free 2\b" expect="MPI_Cancel 2\b"
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0 expect="MPI_Send 8\b" expect="MPI_Isend 8\b" expect="MPI_Irecv 18\b" expect="MPI_Wait 20\b" expect="MPI_Waitall 14\b" expect="MPI_Request_free 2\b"
 */
#include "t.h"

#define N 50000

static char in[N], out[N], other[N], buffer[4 * N];
static MPI_Comm world;
static int peer;

/* By each rank: 1 MPI_Irecv, 1 MPI_Waitall, and the call. The barrier lets a ready send find its receive. */
#define EXCHANGE(call) do { \
	MPI_Request two[2] = { MPI_REQUEST_NULL, MPI_REQUEST_NULL }; \
	MPI_Irecv(in, N, MPI_BYTE, peer, 1, world, &two[0]); \
	MPI_Barrier(world); \
	call; \
	MPI_Waitall(2, two, MPI_STATUSES_IGNORE); \
} while (0)

static void sends(void)
{
	int size = sizeof buffer;
	void *detached;

	MPI_Buffer_attach(buffer, size);
	EXCHANGE(MPI_Send(out, N, MPI_BYTE, peer, 1, world));
	EXCHANGE(MPI_Ssend(out, N, MPI_BYTE, peer, 1, world));
	EXCHANGE(MPI_Rsend(out, N, MPI_BYTE, peer, 1, world));
	EXCHANGE(MPI_Bsend(out, N, MPI_BYTE, peer, 1, world));
	EXCHANGE(MPI_Issend(out, N, MPI_BYTE, peer, 1, world, &two[1]));
	EXCHANGE(MPI_Irsend(out, N, MPI_BYTE, peer, 1, world, &two[1]));
	EXCHANGE(MPI_Ibsend(out, N, MPI_BYTE, peer, 1, world, &two[1]));
	MPI_Buffer_detach(&detached, &size);
}

/* 1 MPI_Isend and 1 MPI_Wait, of a message that needs no receive to complete. */
static void isend(int n)
{
	MPI_Request request;

	MPI_Isend(out, n, MPI_BYTE, peer, 1, world, &request);
	MPI_Wait(&request, MPI_STATUS_IGNORE);
}

/* 3 MPI_Isend, 4 MPI_Wait, 1 MPI_Probe, Recv, Mrecv, Imrecv, Iprobe, Improbe, 2 MPI_Mprobe. */
static void probes(void)
{
	MPI_Message message;
	MPI_Request request;
	int flag;

	isend(10);
	MPI_Probe(peer, 1, world, MPI_STATUS_IGNORE);
	MPI_Recv(in, N, MPI_BYTE, peer, 1, world, MPI_STATUS_IGNORE);
	isend(64);
	MPI_Mprobe(peer, 1, world, &message, MPI_STATUS_IGNORE);
	MPI_Mrecv(in, N, MPI_BYTE, &message, MPI_STATUS_IGNORE);
	isend(10);
	MPI_Mprobe(peer, 1, world, &message, MPI_STATUS_IGNORE);
	MPI_Imrecv(in, N, MPI_BYTE, &message, &request);
	MPI_Wait(&request, MPI_STATUS_IGNORE);
	MPI_Iprobe(peer, 9, world, &flag, MPI_STATUS_IGNORE);
	MPI_Improbe(peer, 9, world, &flag, &message, MPI_STATUS_IGNORE);
}

/* 1 MPI_Irecv, 1 MPI_Isend, 2 MPI_Wait; 1 of each other way to complete, of null requests: one call is enough. */
static void completions(void)
{
	MPI_Request request[2], null[2] = { MPI_REQUEST_NULL, MPI_REQUEST_NULL };
	int flag, index[2], got;

	MPI_Irecv(in, N, MPI_BYTE, peer, 1, world, &request[0]);
	MPI_Isend(out, N, MPI_BYTE, peer, 1, world, &request[1]);
	MPI_Waitany(2, null, &index[0], MPI_STATUS_IGNORE);
	MPI_Waitsome(2, null, &got, index, MPI_STATUSES_IGNORE);
	MPI_Test(&null[0], &flag, MPI_STATUS_IGNORE);
	MPI_Testall(2, null, &flag, MPI_STATUSES_IGNORE);
	MPI_Testany(2, null, &index[0], &flag, MPI_STATUS_IGNORE);
	MPI_Testsome(2, null, &got, index, MPI_STATUSES_IGNORE);
	MPI_Request_get_status(null[0], &flag, MPI_STATUS_IGNORE);
	MPI_Wait(&request[0], MPI_STATUS_IGNORE);
	MPI_Wait(&request[1], MPI_STATUS_IGNORE);
}

/* 1 MPI_Recv_init, 2 MPI_Start, 1 MPI_Startall, 3 MPI_Wait, 3 MPI_Send, 1 MPI_Request_free. */
static void persistent(void)
{
	MPI_Request request;

	MPI_Recv_init(in, N, MPI_BYTE, peer, 1, world, &request);
	for (int i = 0; i < 3; i++) {
		if (i < 2)
			MPI_Start(&request);
		else
			MPI_Startall(1, &request);
		MPI_Send(out, N, MPI_BYTE, peer, 1, world);
		MPI_Wait(&request, MPI_STATUS_IGNORE);
	}
	MPI_Request_free(&request);
}

/* 2 MPI_Sendrecv, 1 MPI_Sendrecv_replace; 1 MPI_Irecv, MPI_Cancel, MPI_Wait. */
static void others(void)
{
	MPI_Request request;

	for (int i = 0; i < 2; i++)
		MPI_Sendrecv(out, N, MPI_BYTE, peer, 1, in, N, MPI_BYTE, peer, 1, world, MPI_STATUS_IGNORE);
	MPI_Sendrecv_replace(out, N, MPI_BYTE, peer, 1, peer, 1, world, MPI_STATUS_IGNORE);
	MPI_Irecv(other, N, MPI_BYTE, peer, 9, world, &request);
	MPI_Cancel(&request);
	MPI_Wait(&request, MPI_STATUS_IGNORE);
}

int main(int argc, char **argv)
{
	t_begin_thread(&argc, &argv, 10, MPI_THREAD_FUNNELED);
	world = MPI_COMM_WORLD;
	peer = 1 - t_rank;
	sends();
	probes();
	completions();
	persistent();
	others();
	return t_end();
}
