/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A message longer than its receive: MPI_ERR_TRUNCATE through the communicator's error handler, from
 * MPI_Recv, MPI_Wait, MPI_Test, MPI_Waitall and MPI_Waitsome (MPI_ERR_IN_STATUS), MPI_Waitany and
 * MPI_Sendrecv; nothing beyond the receive buffer is touched; the sender completes; the next message is
 * fine (MPI 3.1, 3.2.4, 3.7.5, 8.3).
 *
 * RUN: np=2 expect="(onecopy|staged)_bytes [1-9]"
 * RUN: np=2 VMONECOPY_ADMISSION=1
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0
 * RUN: np=2 VMONECOPY_THRESHOLD=64
 * RUN: np=2 VMONECOPY_MAP_BUDGET=0 expect="grant_copy_bytes [1-9]"
 * RUN: np=2 VMONECOPY_MAP_BUDGET=0 VMONECOPY_GRANT_COPY=0 expect="refusals [1-9]"
 */
#include "t.h"

#define N 100000

/* Small ones are truncated by MPI itself, also while the shim follows other receives. */
static const struct { int sent, room; } cases[] = {
	{ N, N - 1 }, { N, 65536 }, { N, 4096 }, { N, 64 }, { N, 63 }, { N, 1 }, { 3000, 2000 }, { 300, 64 }, { 300, 10 },
};
#define CASES ((int)(sizeof cases / sizeof cases[0]))

enum how { RECV, WAIT, TEST, WAITALL, WAITANY, WAITSOME, SENDRECV, HOWS };

static int complete(enum how how, MPI_Request *request)
{
	MPI_Request two[2] = { MPI_REQUEST_NULL, *request };
	MPI_Status status[2];
	int rc = MPI_SUCCESS, flag = 0, index, got;

	switch (how) {
	case WAIT:
		return MPI_Wait(request, MPI_STATUS_IGNORE);
	case TEST:
		while (!flag && rc == MPI_SUCCESS)
			rc = MPI_Test(request, &flag, &status[0]);
		return rc;
	case WAITANY:
		rc = MPI_Waitany(2, two, &index, &status[0]);
		CHECK_EQ(index, 1);
		return rc;
	case WAITSOME:
		rc = MPI_Waitsome(2, two, &got, &index, status);
		CHECK_EQ(got, 1);
		CHECK_EQ(index, 1);
		CHECK_CLASS(rc, MPI_ERR_IN_STATUS);
		return status[0].MPI_ERROR;
	default:
		rc = MPI_Waitall(2, two, status);
		CHECK_CLASS(rc, MPI_ERR_IN_STATUS);
		CHECK_EQ(status[0].MPI_ERROR, MPI_SUCCESS);
		return status[1].MPI_ERROR;
	}
}

/*
 * Open MPI 4.1.4 itself writes beyond the buffer when it truncates what it fetches from the sender's memory
 * (5000 bytes into 4000, say), so only the shim's deliveries are looked at.
 */
static bool ours(int sent, int room)
{
	return sent >= 16384 && room >= T_RTS_BYTES;
}

static void truncated(enum how how, int sent, int room, MPI_Comm comm)
{
	struct t_buf buf = t_new((size_t)room, 40);
	MPI_Request request;
	int rc;

	if (how == RECV) {
		rc = MPI_Recv(buf.at, room, MPI_BYTE, 0, how, comm, MPI_STATUS_IGNORE);
	} else if (how == SENDRECV) {
		rc = MPI_Sendrecv(NULL, 0, MPI_BYTE, 0, 77, buf.at, room, MPI_BYTE, 0, how, comm, MPI_STATUS_IGNORE);
	} else {
		MPI_Irecv(buf.at, room, MPI_BYTE, 0, how, comm, &request);
		rc = complete(how, &request);
	}
	CHECK_CLASS(rc, MPI_ERR_TRUNCATE);
	if (ours(sent, room))
		GUARDED(&buf);
	t_free(&buf);
}

/* Everything else goes on: another receive was pending all the while. */
static void one_case(enum how how, int sent, int room, MPI_Comm comm, int sequence)
{
	struct t_buf buf = t_new(N, 0), other = t_new(N, 16);
	MPI_Request request;
	MPI_Status status;

	if (t_rank == 0) {
		t_fill(buf.at, N, 0, how, sequence);
		MPI_Send(buf.at, sent, MPI_BYTE, 1, how, comm);
		if (how == SENDRECV)
			MPI_Recv(NULL, 0, MPI_BYTE, 1, 77, comm, MPI_STATUS_IGNORE);
		MPI_Send(buf.at, N, MPI_BYTE, 1, how, comm);
		MPI_Send(buf.at, 40, MPI_BYTE, 1, 50, comm);
	} else {
		MPI_Irecv(other.at, N, MPI_BYTE, 0, 50, comm, &request);
		truncated(how, sent, room, comm);
		CHECK_EQ(MPI_Recv(buf.at, N, MPI_BYTE, 0, how, comm, &status), MPI_SUCCESS);
		STATUS(&status, 0, how, N);
		GOT(&buf, N, 0, how, sequence);
		CHECK_EQ(MPI_Wait(&request, &status), MPI_SUCCESS);
		STATUS(&status, 0, 50, 40);
		GOT(&other, 40, 0, how, sequence);
	}
	t_free(&buf);
	t_free(&other);
}

/* In a Waitall one of three is too long: the other two are there, and say so. */
static void among_others(MPI_Comm comm)
{
	struct t_buf buf[3] = { t_new(N, 0), t_new(N, 4), t_new(N, 8) };
	MPI_Request request[3];
	MPI_Status status[3];
	int room[3] = { N, N / 2, N };

	for (int i = 0; i < 3; i++) {
		if (t_rank == 0) {
			t_fill(buf[i].at, N, 0, 60 + i, i);
			MPI_Send(buf[i].at, N, MPI_BYTE, 1, 60 + i, comm);
		} else {
			MPI_Irecv(buf[i].at, room[i], MPI_BYTE, 0, 60 + i, comm, &request[i]);
		}
	}
	if (t_rank == 0)
		return;
	CHECK_CLASS(MPI_Waitall(3, request, status), MPI_ERR_IN_STATUS);
	for (int i = 0; i < 3; i++)
		if (status[i].MPI_ERROR == MPI_ERR_PENDING)
			status[i].MPI_ERROR = MPI_Wait(&request[i], &status[i]);
		else
			CHECK(request[i] == MPI_REQUEST_NULL);
	CHECK_EQ(status[0].MPI_ERROR, MPI_SUCCESS);
	CHECK_CLASS(status[1].MPI_ERROR, MPI_ERR_TRUNCATE);
	CHECK_EQ(status[2].MPI_ERROR, MPI_SUCCESS);
	STATUS(&status[0], 0, 60, N);
	STATUS(&status[2], 0, 62, N);
	GOT(&buf[0], N, 0, 60, 0);
	UNTOUCHED(buf[1].at + N / 2, (size_t)N - N / 2);
	GOT(&buf[2], N, 0, 62, 2);
	for (int i = 0; i < 3; i++)
		t_free(&buf[i]);
}

/*
 * MPI itself truncated a receive; its handle comes again for another one. Nothing of the first may be left:
 * its buffer is the program's again.
 */
static void handle_comes_again(MPI_Comm comm)
{
	char first[4 * 32], second[10];
	int lengths[2] = { 1, 3 };
	MPI_Aint at[2] = { 0, 8 };
	MPI_Datatype types[2] = { MPI_CHAR, MPI_DOUBLE }, gappy;
	MPI_Request request;
	MPI_Status status;

	MPI_Type_create_struct(2, lengths, at, types, &gappy);
	MPI_Type_commit(&gappy);
	for (int round = 0; round < 5; round++) {
		if (t_rank == 0) {
			char out[300];
			t_fill(out, sizeof out, 0, 80, round);
			MPI_Send(out, sizeof out, MPI_BYTE, 1, 80, comm);
			MPI_Send(out, sizeof second, MPI_BYTE, 1, 81, comm);
			continue;
		}
		MPI_Irecv(first, 4, gappy, 0, 80, comm, &request);
		CHECK_CLASS(MPI_Wait(&request, MPI_STATUS_IGNORE), MPI_ERR_TRUNCATE);
		memset(first, T_POISON, sizeof first);
		MPI_Irecv(second, sizeof second, MPI_BYTE, 0, 81, comm, &request);
		MPI_Wait(&request, &status);
		STATUS(&status, 0, 81, (int)sizeof second);
		VERIFY(second, sizeof second, 0, 80, round);
		UNTOUCHED(first, sizeof first);
	}
	MPI_Type_free(&gappy);
}

int main(int argc, char **argv)
{
	MPI_Comm comm;

	t_begin(&argc, &argv, 20);
	MPI_Comm_dup(MPI_COMM_WORLD, &comm);
	MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);	/* errors of arrays may be raised there */
	for (int how = 0; how < HOWS; how++)
		for (int i = 0; i < CASES; i++)
			one_case((enum how)how, cases[i].sent, cases[i].room, comm, how * CASES + i);
	among_others(comm);
	handle_comes_again(comm);
	MPI_Comm_free(&comm);
	return t_end();
}
