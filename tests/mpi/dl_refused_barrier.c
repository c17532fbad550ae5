/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A known limit, shown so that it is not forgotten: a message that its receiver can neither map nor copy is
 * delivered by MPI, for which its sender must get a turn. A sender that sits in one of the MPI's own
 * collectives gets none, and if the receiver has to come there too, both wait for ever. The same programs
 * pass where anything can be mapped or copied. The last run's time, 3 s, begins after MPI_Init and is the only one
 * that is short: it has to end so.
 *
 * RUN: np=2 timeout=50
 * RUN: np=2 timeout=50 VMONECOPY_MAP_BUDGET=0
 * RUN: np=2 timeout=50 VMONECOPY_GRANT_COPY=0
 * RUN: np=2 timeout=50 VMONECOPY_MAP_BUDGET=0 VMONECOPY_GRANT_COPY=0 args=stuck must-fail=1 expect=Alarm
 */
#include "t.h"

#define N 100000

int main(int argc, char **argv)
{
	t_begin(&argc, &argv, 40);
	if (argc > 1)
		alarm(3);
	struct t_buf buf = t_new(N, 0);

	if (t_rank == 0) {
		t_fill(buf.at, N, 0, 1, 0);
		MPI_Send(buf.at, N, MPI_BYTE, 1, 1, MPI_COMM_WORLD);	/* staged: it returns at once */
		MPI_Send(NULL, 0, MPI_BYTE, 1, 2, MPI_COMM_WORLD);
	} else {
		MPI_Recv(NULL, 0, MPI_BYTE, 0, 2, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		usleep(100000);		/* rank 0 is in the barrier */
		MPI_Recv(buf.at, N, MPI_BYTE, 0, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		GOT(&buf, N, 0, 1, 0);
	}
	MPI_Barrier(MPI_COMM_WORLD);
	t_free(&buf);
	return t_end();
}
