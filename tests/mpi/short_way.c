/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the library remembers so that small messages cost little never stands for something else: a communicator's handle
 * that comes again with other ranks, types by turns, receives of small messages that are pending while large ones come
 * (their sizes straddle the RTS's), in arrays with them and alone.
 *
 * RUN: np=2 VMONECOPY_ADMISSION=1 expect="onecopy_bytes [1-9]"
 * RUN: np=2 VMONECOPY_THRESHOLD=100
 */
#include "t.h"

#define LARGE 100000
#define ROOM 16000	/* bytes; below the threshold */

static char in[LARGE + 64], out[LARGE + 64], few[4][ROOM];
static int sequence;

/* Rank 1 sends so many bytes to rank 0 on a communicator where their ranks are these. */
static void one_way(MPI_Comm comm, int zero, int one, size_t bytes)
{
	MPI_Status status;
	int count;

	sequence++;
	if (t_rank == 1) {
		t_fill(out, bytes, 1, 5, sequence);
		MPI_Send(out, (int)bytes, MPI_BYTE, zero, 5, comm);
		return;
	}
	memset(in, T_POISON, sizeof in);
	MPI_Recv(in, LARGE, MPI_BYTE, one, 5, comm, &status);
	MPI_Get_count(&status, MPI_BYTE, &count);
	CHECK_EQ(count, bytes);
	CHECK_EQ(status.MPI_SOURCE, one);
	CHECK_EQ(t_wrong(in, bytes, 1, 5, sequence), -1);
}

/* The same handle again and again, with the ranks one way and the other. */
static void handles_come_again(void)
{
	for (int i = 0; i < 40; i++) {
		MPI_Comm comm;
		int reversed = i % 2;
		MPI_Comm_split(MPI_COMM_WORLD, 0, reversed ? -t_rank : t_rank, &comm);
		one_way(comm, reversed, !reversed, LARGE);
		one_way(comm, reversed, !reversed, T_RTS_BYTES);
		one_way(comm, reversed, !reversed, 1000);
		MPI_Comm_free(&comm);
	}
}

/* More communicators than are remembered, by turns. */
static void many_communicators(void)
{
	MPI_Comm comm[6];

	for (int i = 0; i < 6; i++)
		MPI_Comm_split(MPI_COMM_WORLD, 0, i % 2 ? -t_rank : t_rank, &comm[i]);
	for (int i = 0; i < 36; i++)
		one_way(comm[i * 5 % 6], i * 5 % 6 % 2, !(i * 5 % 6 % 2), i % 3 ? LARGE : 500);
	for (int i = 0; i < 6; i++)
		MPI_Comm_free(&comm[i]);
}

static void types_by_turns(void)
{
	const MPI_Datatype types[] = {MPI_CHAR, MPI_SIGNED_CHAR, MPI_UNSIGNED_CHAR, MPI_BYTE, MPI_SHORT, MPI_UNSIGNED_SHORT, MPI_INT,
	                              MPI_UNSIGNED, MPI_LONG, MPI_UNSIGNED_LONG, MPI_LONG_LONG, MPI_UNSIGNED_LONG_LONG, MPI_FLOAT,
	                              MPI_DOUBLE, MPI_INT8_T, MPI_INT16_T, MPI_INT32_T, MPI_INT64_T, MPI_UINT8_T, MPI_UINT16_T,
	                              MPI_UINT32_T, MPI_UINT64_T, MPI_C_DOUBLE_COMPLEX, MPI_AINT};
	const int sizes[] = {16, T_RTS_BYTES, 1600, LARGE / 16 * 16};

	for (int k = 0; k < 3 * (int)(sizeof types / sizeof *types) * 4; k++) {
		MPI_Datatype type = types[(k * 7) % (int)(sizeof types / sizeof *types)];
		int bytes = sizes[k % 4], size, count;
		MPI_Status status;
		MPI_Type_size(type, &size);
		sequence++;
		if (t_rank == 1) {
			t_fill(out, (size_t)bytes, 1, 6, sequence);
			MPI_Send(out, bytes / size, type, 0, 6, MPI_COMM_WORLD);
			continue;
		}
		MPI_Recv(in, LARGE / size, type, 1, 6, MPI_COMM_WORLD, &status);
		MPI_Get_count(&status, type, &count);
		CHECK_EQ(count, bytes / size);
		CHECK_EQ(t_wrong(in, (size_t)bytes, 1, 6, sequence), -1);
	}
}

/* Rank 0 has receives with little room pending while large messages come and go and small ones are sent. */
static void small_ones_wait(int how)
{
	const int sizes[4] = {10, T_RTS_BYTES, 65, 9000};
	MPI_Request request[4];
	MPI_Status status[4];
	int count, flag = 0;

	sequence++;
	for (int i = 0; i < 4 && t_rank == 0; i++)
		MPI_Irecv(few[i], ROOM, MPI_BYTE, 1, 10 + i, MPI_COMM_WORLD, &request[i]);
	one_way(MPI_COMM_WORLD, 0, 1, LARGE);
	if (t_rank == 0)
		MPI_Send(out, 100, MPI_BYTE, 1, 7, MPI_COMM_WORLD);
	else
		MPI_Recv(in, ROOM, MPI_BYTE, 0, 7, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	MPI_Sendrecv(out, 200, MPI_BYTE, 1 - t_rank, 8, in, ROOM, MPI_BYTE, 1 - t_rank, 8, MPI_COMM_WORLD, &status[0]);
	MPI_Get_count(&status[0], MPI_BYTE, &count);
	CHECK_EQ(count, 200);
	for (int i = 0; i < 4 && t_rank == 1; i++) {
		t_fill(out, (size_t)sizes[i], 1, 10 + i, sequence);
		MPI_Send(out, sizes[i], MPI_BYTE, 0, 10 + i, MPI_COMM_WORLD);
	}
	if (t_rank == 1)
		return;
	if (how == 0)
		MPI_Waitall(4, request, status);
	for (int i = 3; i >= 0 && how == 1; i--)
		MPI_Wait(&request[i], &status[i]);
	while (how == 2 && !flag)
		MPI_Testall(4, request, &flag, status);
	for (int i = 0; i < 4; i++) {
		MPI_Get_count(&status[i], MPI_BYTE, &count);
		CHECK_EQ(count, sizes[i]);
		CHECK(request[i] == MPI_REQUEST_NULL);
		CHECK_EQ(t_wrong(few[i], (size_t)sizes[i], 1, 10 + i, sequence), -1);
	}
}

int main(int argc, char **argv)
{
	t_begin(&argc, &argv, 40);
	handles_come_again();
	many_communicators();
	types_by_turns();
	for (int i = 0; i < 30; i++)
		small_ones_wait(i % 3);
	return t_end();
}
