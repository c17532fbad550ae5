/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A rank may be in MPI_Finalize while its messages, detached or staged, still wait to be pulled: they
 * arrive whole, though their receiver comes late, and a freed request of a send is no obstacle
 * (MPI 3.1, 8.7; 3.7.3).
 *
 * RUN: np=2 expect="pulled_messages 12"
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0 expect="pulled_messages 12"
 * RUN: np=2 VMONECOPY_MAP_BUDGET=0 expect="grant_copy_bytes [1-9]"
 * RUN: np=2 VMONECOPY_MAP_BUDGET=0 VMONECOPY_GRANT_COPY=0 expect="refusals 12"
 */
#include "t.h"

#define N 100000
#define MESSAGES 12

int main(int argc, char **argv)
{
	t_begin(&argc, &argv, 40);
	if (t_rank == 0) {
		for (int i = 0; i < MESSAGES; i++) {
			MPI_Request request;
			char *buf = malloc(N);
			t_fill(buf, N, 0, 1, i);
			if (i % 3) {
				MPI_Isend(buf, N, MPI_BYTE, 1, 1, MPI_COMM_WORLD, &request);
				i % 3 == 1 ? MPI_Wait(&request, MPI_STATUS_IGNORE) : MPI_Request_free(&request);
			} else {
				MPI_Send(buf, N, MPI_BYTE, 1, 1, MPI_COMM_WORLD);
			}
			if (i % 3 != 2)		/* a freed request's buffer stays as it is */
				memset(buf, 0, N);
		}
	} else {
		struct t_buf in = t_new(N, 0);
		usleep(300000);
		for (int i = 0; i < MESSAGES; i++) {
			t_poison(&in);
			MPI_Recv(in.at, N, MPI_BYTE, 0, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
			GOT(&in, N, 0, 1, i);
		}
	}
	return t_end();
}
