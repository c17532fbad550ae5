/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A synchronous send does not complete before its receive has started (MPI 3.1, 3.4), not even when its
 * buffer is free, and completes without the receiver's MPI_Wait once the receive is posted.
 *
 * RUN: np=2 timeout=60 expect="(onecopy|staged)_bytes [1-9]"
 * RUN: np=2 timeout=60 VMONECOPY_ADMISSION=1
 * RUN: np=2 timeout=60 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0
 * RUN: np=2 timeout=60 VMONECOPY_SUBSTITUTE=0 expect="staged_bytes [1-9]"
 */
#include "t.h"

#define N 200000

/* The receiver says "now" by a small message before it posts; the sender must not have completed before. */
static void not_before(bool nonblocking, int round)
{
	struct t_buf buf = t_new(N, 0);
	MPI_Request request, word;
	int flag = 0;

	if (t_rank == 0) {
		t_fill(buf.at, N, 0, 1, round);
		MPI_Irecv(NULL, 0, MPI_BYTE, 1, 2, MPI_COMM_WORLD, &word);
		if (nonblocking) {
			MPI_Issend(buf.at, N, MPI_BYTE, 1, 1, MPI_COMM_WORLD, &request);
			double until = MPI_Wtime() + 0.1;
			while (MPI_Wtime() < until) {
				MPI_Test(&request, &flag, MPI_STATUS_IGNORE);
				CHECK(!flag);
			}
			t_token_send(1);
			MPI_Wait(&request, MPI_STATUS_IGNORE);
		} else {
			MPI_Ssend(buf.at, N, MPI_BYTE, 1, 1, MPI_COMM_WORLD);
		}
		for (int i = 0; !flag && i < 1000; i++) {
			MPI_Test(&word, &flag, MPI_STATUS_IGNORE);
			usleep(100);
		}
		CHECK(flag);	/* the word was sent before the receive was posted */
	} else {
		if (nonblocking)
			t_token_recv(0);
		else
			usleep(100000);
		MPI_Send(NULL, 0, MPI_BYTE, 0, 2, MPI_COMM_WORLD);
		MPI_Irecv(buf.at, N, MPI_BYTE, 0, 1, MPI_COMM_WORLD, &request);
		MPI_Barrier(MPI_COMM_WORLD);	/* the send completes while we are here */
		MPI_Wait(&request, MPI_STATUS_IGNORE);
		GOT(&buf, N, 0, 1, round);
	}
	if (t_rank == 0)
		MPI_Barrier(MPI_COMM_WORLD);
	t_free(&buf);
}

int main(int argc, char **argv)
{
	t_begin(&argc, &argv, 40);
	for (int round = 0; round < 6; round++)
		not_before(round % 2, round);
	return t_end();
}
