/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * No deadlock: a ring of blocking sends, each rank's receive posted before (MPI 3.1, 3.5, 3.7.4). With
 * several messages per turn, and two rounds in flight.
 *
 * RUN: np=2 timeout=15 expect="(onecopy|staged)_bytes [1-9]"
 * RUN: np=2 timeout=15 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=100000000
 * RUN: np=4 timeout=25 VMONECOPY_ADMISSION=1
 * RUN: np=4 timeout=25 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0
 * RUN: np=4 timeout=25 XENEMU_DOMAINS=2
 * RUN: np=3 timeout=25 VMONECOPY_MAP_BUDGET=0 VMONECOPY_GRANT_COPY=0 expect="refusals [1-9]"
 */
#include "t.h"

#define N 100000
#define MESSAGES 3

int main(int argc, char **argv)
{
	t_begin(&argc, &argv, 20);
	struct t_buf out[MESSAGES], in[MESSAGES];
	int to = (t_rank + 1) % t_size, from = (t_rank + t_size - 1) % t_size;

	for (int i = 0; i < MESSAGES; i++) {
		out[i] = t_new(N, (size_t)i * 8);
		in[i] = t_new(N, (size_t)i * 16);
	}
	for (int round = 0; round < 8; round++) {
		MPI_Request request[MESSAGES];
		MPI_Status status[MESSAGES];
		for (int i = 0; i < MESSAGES; i++) {
			t_poison(&in[i]);
			MPI_Irecv(in[i].at, N, MPI_BYTE, from, i, MPI_COMM_WORLD, &request[i]);
		}
		for (int i = 0; i < MESSAGES; i++) {
			t_fill(out[i].at, N, t_rank, i, round);
			MPI_Send(out[i].at, N, MPI_BYTE, to, i, MPI_COMM_WORLD);
		}
		MPI_Waitall(MESSAGES, request, status);
		for (int i = 0; i < MESSAGES; i++) {
			STATUS(&status[i], from, i, N);
			GOT(&in[i], N, from, i, round);
		}
	}
	for (int i = 0; i < MESSAGES; i++) {
		t_free(&out[i]);
		t_free(&in[i]);
	}
	return t_end();
}
