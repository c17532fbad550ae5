/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A receiver that computes for 300 ms before it receives, and a sender that has something posted itself:
 * everything arrives; with an endless patience the sender waits, with the default one it goes on, and may
 * change its buffer without changing the message (MPI 3.1, 3.4, 3.7).
 *
 * RUN: np=2 timeout=60 expect="(onecopy|staged)_bytes [1-9]"
 * RUN: np=2 timeout=60 VMONECOPY_ADMISSION=1
 * RUN: np=2 timeout=60 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=100000000 expect="onecopy_messages [1-9]"
 * RUN: np=2 timeout=60 VMONECOPY_MAP_BUDGET=0 VMONECOPY_GRANT_COPY=0 expect="refusals [1-9]"
 */
#include "t.h"

#define N 300000

int main(int argc, char **argv)
{
	t_begin(&argc, &argv, 40);
	struct t_buf out = t_new(N, 0), in = t_new(N, 100);
	MPI_Request request;
	MPI_Status status;

	for (int round = 0; round < 3; round++) {
		int peer = 1 - t_rank;
		t_fill(out.at, N, t_rank, 1, round);
		t_poison(&in);
		if (t_rank == 0) {
			MPI_Irecv(in.at, N, MPI_BYTE, peer, 1, MPI_COMM_WORLD, &request);
			MPI_Send(out.at, N, MPI_BYTE, peer, 1, MPI_COMM_WORLD);
			memset(out.at, 0, N);
			MPI_Wait(&request, &status);
		} else {
			usleep(300000);
			MPI_Recv(in.at, N, MPI_BYTE, peer, 1, MPI_COMM_WORLD, &status);
			MPI_Send(out.at, N, MPI_BYTE, peer, 1, MPI_COMM_WORLD);
		}
		STATUS(&status, peer, 1, N);
		GOT(&in, N, peer, 1, round);
	}
	t_free(&out);
	t_free(&in);
	return t_end();
}
