/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Persistent receives (MPI 3.1, 3.9): many rounds of MPI_Start, MPI_Startall, every way to complete them;
 * inactive ones in completion calls; one freed while active; one cancelled; persistent sends beside them.
 *
 * RUN: np=2 expect="(onecopy|staged)_bytes [1-9]"
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0
 * RUN: np=2 VMONECOPY_THRESHOLD=64
 * RUN: np=2 VMONECOPY_MAP_BUDGET=0 VMONECOPY_GRANT_COPY=0 expect="refusals [1-9]"
 */
#include "t.h"

#define N 40000
#define ROUNDS 30
#define MANY 5

static int size_of(int round)
{
	static const int sizes[] = { N, 100, 20000, 64, 16385, 0 };

	return sizes[round % 6];
}

static void complete(MPI_Request *request, MPI_Status *status, int how)
{
	int flag = 0, index = -1, got = 0;

	switch (how % 5) {
	case 0:
		MPI_Wait(request, status);
		break;
	case 1:
		while (!flag)
			MPI_Test(request, &flag, status);
		break;
	case 2:
		MPI_Waitall(1, request, status);
		break;
	case 3:
		MPI_Waitany(1, request, &index, status);
		CHECK_EQ(index, 0);
		break;
	default:
		while (!got)
			MPI_Testsome(1, request, &got, &index, status);
		CHECK_EQ(got, 1);
	}
	CHECK(*request != MPI_REQUEST_NULL);
}

static void rounds(int source, int tag)
{
	struct t_buf buf = t_new(N, 32);
	MPI_Request request;
	MPI_Status status;

	if (t_rank == 1)
		MPI_Recv_init(buf.at, N, MPI_BYTE, source, tag, MPI_COMM_WORLD, &request);
	for (int i = 0; i < ROUNDS; i++) {
		if (t_rank == 0) {
			t_fill(buf.at, (size_t)size_of(i), 0, 1, i);
			MPI_Send(buf.at, size_of(i), MPI_BYTE, 1, 1, MPI_COMM_WORLD);
			continue;
		}
		t_poison(&buf);
		MPI_Start(&request);
		complete(&request, &status, i);
		STATUS(&status, 0, 1, size_of(i));
		GOT(&buf, size_of(i), 0, 1, i);
	}
	if (t_rank == 1) {
		MPI_Request_free(&request);
		CHECK(request == MPI_REQUEST_NULL);
	}
	t_sync();
	t_free(&buf);
}

static void startall(void)
{
	struct t_buf buf[MANY];
	MPI_Request request[MANY];
	MPI_Status status[MANY];

	for (int i = 0; i < MANY; i++) {
		buf[i] = t_new(N, (size_t)i * 99);
		if (t_rank == 1)
			MPI_Recv_init(buf[i].at, N, MPI_BYTE, 0, 2 + i, MPI_COMM_WORLD, &request[i]);
		else
			MPI_Send_init(buf[i].at, N, MPI_BYTE, 1, 2 + i, MPI_COMM_WORLD, &request[i]);
	}
	for (int round = 0; round < 8; round++) {
		for (int i = 0; i < MANY; i++)
			t_rank ? t_poison(&buf[i]) : t_fill(buf[i].at, N, 0, 2 + i, round);
		if (t_rank == 0 && round % 2) {		/* by persistent sends, or by one-copy ones */
			for (int i = 0; i < MANY; i++)
				MPI_Send(buf[i].at, N, MPI_BYTE, 1, 2 + i, MPI_COMM_WORLD);
			continue;
		}
		MPI_Startall(MANY, request);
		MPI_Waitall(MANY, request, status);
		for (int i = 0; t_rank == 1 && i < MANY; i++) {
			STATUS(&status[i], 0, 2 + i, N);
			GOT(&buf[i], N, 0, 2 + i, round);
		}
	}
	for (int i = 0; i < MANY; i++) {
		MPI_Request_free(&request[i]);
		t_free(&buf[i]);
	}
}

/* An inactive request is complete at once with an empty status (MPI 3.1, 3.7.3, 3.7.5). */
static void inactive(void)
{
	char *buf = malloc(N);
	MPI_Request request;
	MPI_Status status;
	int flag = 0, index = 0, got = 0;

	MPI_Recv_init(buf, N, MPI_BYTE, 1 - t_rank, 20, MPI_COMM_WORLD, &request);
	MPI_Wait(&request, &status);
	STATUS(&status, MPI_ANY_SOURCE, MPI_ANY_TAG, 0);
	MPI_Test(&request, &flag, &status);
	CHECK(flag);
	MPI_Waitany(1, &request, &index, &status);
	CHECK_EQ(index, MPI_UNDEFINED);
	MPI_Waitsome(1, &request, &got, &index, &status);
	CHECK_EQ(got, MPI_UNDEFINED);
	MPI_Waitall(1, &request, &status);
	STATUS(&status, MPI_ANY_SOURCE, MPI_ANY_TAG, 0);
	MPI_Testall(1, &request, &flag, MPI_STATUSES_IGNORE);
	CHECK(flag);
	CHECK(request != MPI_REQUEST_NULL);
	MPI_Request_free(&request);
	free(buf);
}

/* Freed while active: its message still arrives (MPI 3.1, 3.9, 3.7.3); how we know: a later token. */
static void freed_while_active(void)
{
	struct t_buf buf = t_new(N, 0), other = t_new(N, 0);
	MPI_Request request;

	for (int round = 0; round < 3; round++) {
		t_poison(&buf);
		if (t_rank == 1) {
			MPI_Recv_init(buf.at, N, MPI_BYTE, 0, 30, MPI_COMM_WORLD, &request);
			MPI_Start(&request);
			MPI_Request_free(&request);
			CHECK(request == MPI_REQUEST_NULL);
			t_token_send(0);
			MPI_Recv(other.at, N, MPI_BYTE, 0, 31, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
			GOT(&buf, N, 0, 30, round);
		} else {
			t_token_recv(1);
			t_fill(buf.at, N, 0, 30, round);
			MPI_Ssend(buf.at, N, MPI_BYTE, 1, 30, MPI_COMM_WORLD);
			MPI_Ssend(buf.at, N, MPI_BYTE, 1, 31, MPI_COMM_WORLD);
		}
	}
	t_free(&buf);
	t_free(&other);
}

static void cancelled(void)
{
	struct t_buf buf = t_new(N, 0);
	MPI_Request request;
	MPI_Status status;
	int flag = 0;

	if (t_rank == 1) {
		MPI_Recv_init(buf.at, N, MPI_BYTE, 0, 40, MPI_COMM_WORLD, &request);
		MPI_Start(&request);
		MPI_Cancel(&request);
		MPI_Wait(&request, &status);
		MPI_Test_cancelled(&status, &flag);
		CHECK(flag);
		MPI_Start(&request);
		t_token_send(0);
		MPI_Wait(&request, &status);
		STATUS(&status, 0, 40, N);
		GOT(&buf, N, 0, 40, 7);
		MPI_Request_free(&request);
	} else {
		t_token_recv(1);
		t_fill(buf.at, N, 0, 40, 7);
		MPI_Send(buf.at, N, MPI_BYTE, 1, 40, MPI_COMM_WORLD);
	}
	t_free(&buf);
}

int main(int argc, char **argv)
{
	t_begin(&argc, &argv, 20);
	rounds(0, 1);
	rounds(MPI_ANY_SOURCE, MPI_ANY_TAG);
	startall();
	inactive();
	freed_while_active();
	cancelled();
	return t_end();
}
