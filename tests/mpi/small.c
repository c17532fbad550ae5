/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What must not be taken for an RTS or for a large message: empty messages, MPI_PROC_NULL, messages to
 * oneself, messages shorter than an RTS, genuine messages of exactly an RTS's 64 bytes; and a receive
 * buffer much larger than its message keeps its rest (MPI 3.1, 3.2.4, 3.11).
 *
 * RUN: np=2 expect="fell_through.to_self [1-9]"
 * RUN: np=2 VMONECOPY_THRESHOLD=64 expect="(onecopy|staged)_bytes [1-9]"
 * RUN: np=2 VMONECOPY_THRESHOLD=64 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0
 * RUN: np=2 VMONECOPY_THRESHOLD=64 VMONECOPY_MAP_BUDGET=0 VMONECOPY_GRANT_COPY=0 expect="refusals [1-9]"
 */
#include "t.h"

#define ROOM 50000

static void every_small_size(void)
{
	struct t_buf buf = t_new(ROOM, 5);
	MPI_Status status;

	for (int n = 0; n <= 200; n++) {
		if (t_rank == 0) {
			t_fill(buf.at, (size_t)n, 0, 1, n);
			MPI_Send(buf.at, n, MPI_BYTE, 1, 1, MPI_COMM_WORLD);
		} else {
			t_poison(&buf);
			MPI_Recv(buf.at, ROOM, MPI_BYTE, 0, 1, MPI_COMM_WORLD, &status);
			STATUS(&status, 0, 1, n);
			GOT(&buf, n, 0, 1, n);
		}
	}
	t_free(&buf);
}

/* The receive buffer is exactly as long as the message. */
static void exact_room(void)
{
	for (int n = 1; n <= 130; n += n < 60 ? 13 : 1) {
		struct t_buf buf = t_new((size_t)n, 4096 - 70);
		MPI_Request request;
		MPI_Status status;
		if (t_rank == 0) {
			t_fill(buf.at, (size_t)n, 0, 2, n);
			MPI_Isend(buf.at, n, MPI_BYTE, 1, 2, MPI_COMM_WORLD, &request);
		} else {
			MPI_Irecv(buf.at, n, MPI_BYTE, 0, 2, MPI_COMM_WORLD, &request);
		}
		MPI_Wait(&request, &status);
		if (t_rank == 1) {
			STATUS(&status, 0, 2, n);
			GOT(&buf, n, 0, 2, n);
		}
		t_free(&buf);
	}
}

static void proc_null(void)
{
	struct t_buf buf = t_new(ROOM, 0);
	MPI_Request request;
	MPI_Status status;

	MPI_Send(buf.at, ROOM, MPI_BYTE, MPI_PROC_NULL, 3, MPI_COMM_WORLD);
	MPI_Ssend(buf.at, ROOM, MPI_BYTE, MPI_PROC_NULL, 3, MPI_COMM_WORLD);
	MPI_Recv(buf.at, ROOM, MPI_BYTE, MPI_PROC_NULL, 3, MPI_COMM_WORLD, &status);
	STATUS(&status, MPI_PROC_NULL, MPI_ANY_TAG, 0);
	MPI_Isend(buf.at, ROOM, MPI_BYTE, MPI_PROC_NULL, 3, MPI_COMM_WORLD, &request);
	MPI_Wait(&request, MPI_STATUS_IGNORE);
	MPI_Irecv(buf.at, ROOM, MPI_BYTE, MPI_PROC_NULL, 3, MPI_COMM_WORLD, &request);
	MPI_Wait(&request, MPI_STATUS_IGNORE);	/* MPICH 4.0.2's own status is wrong here */
	UNTOUCHED(buf.at, buf.bytes);
	t_free(&buf);
}

static void to_self(void)
{
	static const int sizes[] = { 0, 10, 64, 1000, 16384, ROOM };
	struct t_buf from = t_new(ROOM, 0), to = t_new(ROOM, 9);
	MPI_Request request;
	MPI_Status status;

	for (int i = 0; i < 6; i++) {
		t_fill(from.at, (size_t)sizes[i], t_rank, 4, i);
		t_poison(&to);
		MPI_Irecv(to.at, ROOM, MPI_BYTE, t_rank, 4, MPI_COMM_WORLD, &request);
		MPI_Send(from.at, sizes[i], MPI_BYTE, t_rank, 4, MPI_COMM_WORLD);
		MPI_Wait(&request, &status);
		STATUS(&status, t_rank, 4, sizes[i]);
		GOT(&to, sizes[i], t_rank, 4, i);
		MPI_Isend(from.at, sizes[i], MPI_BYTE, 0, 5, MPI_COMM_SELF, &request);
		t_poison(&to);
		MPI_Recv(to.at, ROOM, MPI_BYTE, 0, 5, MPI_COMM_SELF, &status);
		MPI_Wait(&request, MPI_STATUS_IGNORE);
		STATUS(&status, 0, 5, sizes[i]);
		GOT(&to, sizes[i], t_rank, 4, i);
	}
	t_free(&from);
	t_free(&to);
}

/* Large and small in turn, one tag: the order stays (MPI 3.1, 3.5). */
static void in_turn(void)
{
	static const int sizes[] = { ROOM, 64, 20000, 0, 16384, 63, 64, ROOM, ROOM, 1 };
	struct t_buf buf = t_new(ROOM, 100);
	MPI_Status status;

	for (int i = 0; i < 40; i++) {
		int n = sizes[i % 10];
		if (t_rank == 0) {
			t_fill(buf.at, (size_t)n, 0, 6, i);
			MPI_Send(buf.at, n, MPI_BYTE, 1, 6, MPI_COMM_WORLD);
		} else {
			t_poison(&buf);
			MPI_Recv(buf.at, ROOM, MPI_BYTE, 0, 6, MPI_COMM_WORLD, &status);
			STATUS(&status, 0, 6, n);
			GOT(&buf, n, 0, 6, i);
		}
	}
	t_free(&buf);
}

int main(int argc, char **argv)
{
	t_begin(&argc, &argv, 15);
	every_small_size();
	exact_room();
	proc_null();
	to_self();
	in_turn();
	return t_end();
}
