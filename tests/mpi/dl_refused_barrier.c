/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A known limit, shown so that it is not forgotten: a message that its receiver can neither map nor copy is
 * delivered by MPI, for which its sender must get a turn. A sender that sits in one of the MPI's own
 * collectives gets none, and if the receiver has to come there too, both wait for ever. The same programs
 * pass where anything can be mapped or copied.
 *
 * RUN: np=2 timeout=15
 * RUN: np=2 timeout=15 VMONECOPY_MAP_BUDGET=0
 * RUN: np=2 timeout=15 VMONECOPY_GRANT_COPY=0
 * RUN: np=2 timeout=15 VMONECOPY_MAP_BUDGET=0 VMONECOPY_GRANT_COPY=0 must-fail=1
 */
#include "t.h"

#define N 100000

int main(int argc, char **argv)
{
	t_begin(&argc, &argv, 3);
	struct t_buf buf = t_new(N, 0);

	if (t_rank == 0) {
		t_fill(buf.at, N, 0, 1, 0);
		MPI_Send(buf.at, N, MPI_BYTE, 1, 1, MPI_COMM_WORLD);
	} else {
		usleep(100000);		/* staged: the send has returned */
		MPI_Recv(buf.at, N, MPI_BYTE, 0, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		GOT(&buf, N, 0, 1, 0);
	}
	MPI_Barrier(MPI_COMM_WORLD);
	t_free(&buf);
	return t_end();
}
