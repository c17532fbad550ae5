/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the library has nothing to do it says so, once, and why; the program runs as if it were not there.
 *
 * RUN: np=2 XENEMU_DOMAINS=1 expect="INACTIVE: .*one VM"
 * RUN: np=2 VMONECOPY=0 expect="INACTIVE: switched off"
 * RUN: np=1 expect="INACTIVE: "
 * RUN: np=2 VMONECOPY_XEN=real expect="INACTIVE: "
 */
#include "t.h"

#define N 100000

int main(int argc, char **argv)
{
	t_begin(&argc, &argv, 40);
	struct t_buf out = t_new(N, 0), in = t_new(N, 0);
	int to = (t_rank + 1) % t_size, from = (t_rank + t_size - 1) % t_size;
	MPI_Status status;

	for (int round = 0; round < 3; round++) {
		t_poison(&in);
		t_fill(out.at, N, t_rank, 1, round);
		MPI_Sendrecv(out.at, N, MPI_BYTE, to, 1, in.at, N, MPI_BYTE, from, 1, MPI_COMM_WORLD, &status);
		STATUS(&status, from, 1, N);
		GOT(&in, N, from, 1, round);
	}
	t_free(&out);
	t_free(&in);
	return t_end();
}
