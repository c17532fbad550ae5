/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * No deadlock: both ranks are in a blocking send to each other, with the receives posted before. Correct by
 * MPI 3.1, 3.5 "progress" and 3.7.4: each posted receive is matched, so each send must complete.
 *
 * RUN: np=2 timeout=60 expect="(onecopy|staged)_bytes [1-9]"
 * RUN: np=2 timeout=60 VMONECOPY_ADMISSION=1
 * RUN: np=2 timeout=60 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0
 * RUN: np=2 timeout=60 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=100000000 expect="onecopy_bytes [1-9]"
 * RUN: np=2 timeout=60 VMONECOPY_MAP_BUDGET=0 VMONECOPY_GRANT_COPY=0 expect="refusals [1-9]"
 */
#include "t.h"

#define N 300000

int main(int argc, char **argv)
{
	t_begin(&argc, &argv, 40);
	struct t_buf out = t_new(N, 0), in = t_new(N, 100);
	int peer = 1 - t_rank;

	for (int round = 0; round < 20; round++) {
		MPI_Request request;
		MPI_Status status;
		t_poison(&in);
		t_fill(out.at, N, t_rank, 1, round);
		MPI_Irecv(in.at, N, MPI_BYTE, peer, 1, MPI_COMM_WORLD, &request);
		t_sync();
		if (round % 2)
			MPI_Send(out.at, N, MPI_BYTE, peer, 1, MPI_COMM_WORLD);
		else
			MPI_Ssend(out.at, N, MPI_BYTE, peer, 1, MPI_COMM_WORLD);
		MPI_Wait(&request, &status);
		STATUS(&status, peer, 1, N);
		GOT(&in, N, peer, 1, round);
	}
	t_free(&out);
	t_free(&in);
	return t_end();
}
