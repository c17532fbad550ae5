/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A probe finds a large message; short ones of other tags came before it from the same source. Persistent
 * receives started after the probe get those (MPI 3.1, 3.8.1, 3.9), however small their buffers are.
 *
 * RUN: np=2
 * RUN: np=2 VMONECOPY_THRESHOLD=64
 */
#include "t.h"

#define N 50000
#define SMALL 4

static const int bytes[SMALL] = { 0, 1, 63, 64 };

static void receive_small(struct t_buf *in, bool all)
{
	MPI_Request request[SMALL];
	MPI_Status status[SMALL];

	for (int i = 0; i < SMALL; i++)
		MPI_Recv_init(in[i].at, bytes[i], MPI_BYTE, 0, 10 + i, MPI_COMM_WORLD, &request[i]);
	if (all)
		MPI_Startall(SMALL, request);
	for (int i = 0; i < SMALL && !all; i++)
		MPI_Start(&request[i]);
	MPI_Waitall(SMALL, request, status);
	for (int i = 0; i < SMALL; i++) {
		MPI_Request_free(&request[i]);
		STATUS(&status[i], 0, 10 + i, bytes[i]);
		GOT(&in[i], bytes[i], 0, 10 + i, all);
	}
}

int main(int argc, char **argv)
{
	struct t_buf large = t_new(N, 8), small[SMALL];
	MPI_Status status;
	int count;

	t_begin(&argc, &argv, 20);
	for (int i = 0; i < SMALL; i++)
		small[i] = t_new(T_RTS_BYTES, 100);
	for (int all = 0; all < 2; all++) {
		for (int i = 0; i < SMALL; i++)
			t_poison(&small[i]);
		if (t_rank == 0) {
			for (int i = 0; i < SMALL; i++) {
				t_fill(small[i].at, (size_t)bytes[i], 0, 10 + i, all);
				MPI_Send(small[i].at, bytes[i], MPI_BYTE, 1, 10 + i, MPI_COMM_WORLD);
			}
			t_fill(large.at, N, 0, 1, all);
			MPI_Send(large.at, N, MPI_BYTE, 1, 1, MPI_COMM_WORLD);
		} else {
			MPI_Probe(0, 1, MPI_COMM_WORLD, &status);
			MPI_Get_count(&status, MPI_BYTE, &count);
			CHECK_EQ(count, N);
			receive_small(small, all);
			MPI_Recv(large.at, N, MPI_BYTE, 0, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
			VERIFY(large.at, N, 0, 1, all);
		}
	}
	return t_end();
}
