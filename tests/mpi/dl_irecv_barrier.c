/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * No deadlock: one rank posts its receive and goes into a barrier (the MPI's own, where the shim gets no
 * turn), the other sends and then goes there. Correct by MPI 3.1, 3.5 "progress", 3.7.4: the send must
 * complete without the receiver's MPI_Wait. The same with a broadcast, a reduction and MPI_Comm_dup.
 *
 * RUN: np=2 timeout=60 expect="(onecopy|staged)_bytes [1-9]"
 * RUN: np=2 timeout=60 VMONECOPY_ADMISSION=1
 * RUN: np=2 timeout=60 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0
 * RUN: np=2 timeout=60 VMONECOPY_SUBSTITUTE=0 expect="staged_bytes [1-9]"
 * RUN: np=2 timeout=60 VMONECOPY_MAP_BUDGET=0 expect="grant_copy_bytes [1-9]"
 * RUN: np=4 timeout=60 XENEMU_DOMAINS=4 VMONECOPY_ADMISSION=1
 */
#include "t.h"

#define N 300000

static void collective(int which)
{
	int value = t_rank, sum;
	MPI_Comm dup;

	switch (which % 4) {
	case 0:
		MPI_Barrier(MPI_COMM_WORLD);
		break;
	case 1:
		MPI_Bcast(&value, 1, MPI_INT, 0, MPI_COMM_WORLD);
		MPI_Barrier(MPI_COMM_WORLD);	/* its root need not wait */
		break;
	case 2:
		MPI_Allreduce(&value, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
		break;
	default:
		MPI_Comm_dup(MPI_COMM_WORLD, &dup);
		MPI_Comm_free(&dup);
	}
}

int main(int argc, char **argv)
{
	t_begin(&argc, &argv, 40);
	struct t_buf out = t_new(N, 0), in = t_new(N, 100);
	int to = t_rank ^ 1;

	for (int round = 0; round < 12; round++) {
		MPI_Request request;
		MPI_Status status;
		bool sends = (t_rank + round) % 2;
		if (sends) {
			t_fill(out.at, N, t_rank, 1, round);
			MPI_Send(out.at, N, MPI_BYTE, to, 1, MPI_COMM_WORLD);
			memset(out.at, 0, N);
		} else {
			t_poison(&in);
			MPI_Irecv(in.at, N, MPI_BYTE, to, 1, MPI_COMM_WORLD, &request);
		}
		collective(round / 2);
		if (sends)
			continue;
		MPI_Wait(&request, &status);
		STATUS(&status, to, 1, N);
		GOT(&in, N, to, 1, round);
	}
	t_free(&out);
	t_free(&in);
	return t_end();
}
