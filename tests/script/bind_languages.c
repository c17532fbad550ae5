/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bind_languages.c: two ranks, symmetrical; every call of calls.def that is not of MPI 4 alone, a
 * known number of times: see the table in bind_languages.sh. bind_languages.F90 is its twin.
 */
#include <mpi.h>

#include <stdlib.h>

static int me, other, a[8], b[8], wrong;
#define W MPI_COMM_WORLD
#define IN b, 8, MPI_INT, other, 0, W
#define OUT a, 8, MPI_INT, other, 0, W
#define IGNORE MPI_STATUS_IGNORE
#define ALL MPI_STATUSES_IGNORE

static void check(void)
{
	for (int i = 0; i < 8; i++) {
		wrong += b[i] != 100 * other + i;
		b[i] = -1;
	}
}

static void blocking(void)
{
	int (*const send[])(const void *, int, MPI_Datatype, int, int, MPI_Comm) = {
		MPI_Send, MPI_Send, MPI_Send, MPI_Ssend, MPI_Bsend };

	for (int i = 0; i < 5; i++) {
		if (me == 0)
			send[i](OUT);
		MPI_Recv(IN, IGNORE);
		check();
		if (me == 1)
			send[i](OUT);
	}
	MPI_Sendrecv(a, 8, MPI_INT, other, 0, b, 8, MPI_INT, other, 0, W, IGNORE);
	check();
	for (int i = 0; i < 8; i++)
		b[i] = a[i];
	MPI_Sendrecv_replace(b, 8, MPI_INT, other, 0, other, 0, W, IGNORE);
	check();
}

static void nonblocking(void)
{
	MPI_Request r[2];
	int index;

	MPI_Irecv(IN, &r[0]);
	MPI_Barrier(W);
	MPI_Rsend(OUT);
	MPI_Wait(&r[0], IGNORE);
	check();
	MPI_Irecv(IN, &r[0]);
	MPI_Barrier(W);
	MPI_Irsend(OUT, &r[1]);
	MPI_Waitall(2, r, ALL);
	check();
	MPI_Irecv(IN, &r[0]);
	MPI_Isend(OUT, &r[1]);
	MPI_Waitall(2, r, ALL);
	check();
	MPI_Irecv(IN, &r[0]);
	MPI_Issend(OUT, &r[1]);
	MPI_Waitall(2, r, ALL);
	check();
	MPI_Irecv(IN, &r[0]);
	MPI_Ibsend(OUT, &r[1]);
	MPI_Waitany(2, r, &index, IGNORE);
	MPI_Waitany(2, r, &index, IGNORE);
	check();
	MPI_Irecv(b, 8, MPI_INT, other, 99, W, &r[0]);
	MPI_Cancel(&r[0]);
	MPI_Wait(&r[0], IGNORE);
}

static void probing(void)
{
	MPI_Request r[2];
	MPI_Message message;
	int flag;

	MPI_Iprobe(other, 98, W, &flag, IGNORE);
	MPI_Isend(OUT, &r[0]);
	MPI_Probe(other, 0, W, IGNORE);
	MPI_Recv(IN, IGNORE);
	MPI_Wait(&r[0], IGNORE);
	check();
	MPI_Isend(OUT, &r[0]);
	MPI_Mprobe(other, 0, W, &message, IGNORE);
	MPI_Mrecv(b, 8, MPI_INT, &message, IGNORE);
	MPI_Wait(&r[0], IGNORE);
	check();
	MPI_Isend(OUT, &r[0]);
	MPI_Probe(other, 0, W, IGNORE);
	MPI_Improbe(other, 0, W, &flag, &message, IGNORE);
	MPI_Imrecv(b, 8, MPI_INT, &message, &r[1]);
	MPI_Waitall(2, r, ALL);
	check();
}

static void persistent(void)
{
	MPI_Request r[2], s[2];

	MPI_Recv_init(IN, &r[0]);
	MPI_Recv_init(a + 4, 0, MPI_INT, other, 1, W, &r[1]);
	MPI_Startall(2, r);
	MPI_Isend(OUT, &s[0]);
	MPI_Isend(a, 0, MPI_INT, other, 1, W, &s[1]);
	MPI_Waitall(2, s, ALL);
	MPI_Waitall(2, r, ALL);
	check();
	MPI_Start(&r[0]);
	MPI_Isend(OUT, &s[0]);
	MPI_Waitall(1, s, ALL);
	MPI_Wait(&r[0], IGNORE);
	check();
	MPI_Request_free(&r[0]);
	MPI_Request_free(&r[1]);
}

static void nothing(void)
{
	MPI_Request r[2] = { MPI_REQUEST_NULL, MPI_REQUEST_NULL };
	int flag, count, index, indices[2];

	MPI_Test(&r[0], &flag, IGNORE);
	MPI_Testall(2, r, &flag, ALL);
	MPI_Testany(2, r, &index, &flag, IGNORE);
	MPI_Testsome(2, r, &count, indices, ALL);
	MPI_Waitsome(2, r, &count, indices, ALL);
	MPI_Request_get_status(r[0], &flag, IGNORE);
}

int main(int argc, char **argv)
{
	static char buffer[4096];
	void *detached;
	int bytes, provided;

	if (argc > 1)
		MPI_Init_thread(&argc, &argv, MPI_THREAD_SINGLE, &provided);
	else
		MPI_Init(&argc, &argv);
	MPI_Comm_rank(W, &me);
	other = 1 - me;
	for (int i = 0; i < 8; i++)
		a[i] = 100 * me + i;
	MPI_Buffer_attach(buffer, sizeof buffer);
	blocking();
	nonblocking();
	probing();
	persistent();
	nothing();
	MPI_Buffer_detach(&detached, &bytes);
	MPI_Finalize();
	return wrong != 0;
}
