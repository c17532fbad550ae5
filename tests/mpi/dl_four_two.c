/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * No deadlock, and no starvation: four ranks in two VMs, more than there are cores perhaps, all to all with
 * large messages by MPI_Isend, MPI_Irecv and MPI_Waitall (MPI 3.1, 3.5).
 *
 * RUN: np=4 timeout=25 XENEMU_DOMAINS=2 expect="fell_through.same_vm" expect="(onecopy|staged)_bytes [1-9]"
 * RUN: np=4 timeout=25 XENEMU_DOMAINS=2 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=100000000
 * RUN: np=4 timeout=25 XENEMU_DOMAINS=2 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0
 * RUN: np=4 timeout=25 XENEMU_DOMAINS=2 VMONECOPY_MAP_BUDGET=0 VMONECOPY_GRANT_COPY=0 expect="refusals [1-9]"
 * RUN: np=4 timeout=25 XENEMU_DOMAINS=2 XENEMU_LIMIT=200 expect="fell_through.no_pool"
 */
#include "t.h"

#define N 150000
#define ROUNDS 4

int main(int argc, char **argv)
{
	t_begin(&argc, &argv, 20);
	struct t_buf out = t_new(N, 0), in[8];
	MPI_Request request[16];
	MPI_Status status[16];

	for (int r = 0; r < t_size; r++)
		in[r] = t_new(N, (size_t)r * 64);
	for (int round = 0; round < ROUNDS; round++) {
		t_fill(out.at, N, t_rank, 1, round);
		for (int r = 0; r < t_size; r++) {
			t_poison(&in[r]);
			MPI_Irecv(in[r].at, N, MPI_BYTE, r, 1, MPI_COMM_WORLD, &request[r]);
		}
		for (int r = 0; r < t_size; r++)
			MPI_Isend(out.at, N, MPI_BYTE, (t_rank + r) % t_size, 1, MPI_COMM_WORLD, &request[t_size + r]);
		MPI_Waitall(2 * t_size, request, status);
		for (int r = 0; r < t_size; r++) {
			STATUS(&status[r], r, 1, N);
			GOT(&in[r], N, r, 1, round);
		}
	}
	return t_end();
}
