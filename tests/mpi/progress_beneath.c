/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A large buffered message, which is MPI's own, gets to its receiver while its sender waits within the library: for
 * the one-copy message after it, or in a collective (MPI 3.1, 3.5 "Progress"). The receiver takes the buffered one first.
 *
 * RUN: np=2 timeout=30 VMONECOPY_PATIENCE_US=1000000000 VMONECOPY_ADMISSION=1 expect="fell_through.buffered_mode [1-9]"
 * RUN: np=3 timeout=30 VMONECOPY_PATIENCE_US=1000000000 XENEMU_DOMAINS=3
 */
#include "t.h"

#define LARGE (4 << 20)
#define ROUNDS 4

static char *first, *second, *room;
static int to;

static void send_behind(int round)
{
	if (t_rank == 0) {
		t_fill(first, LARGE, 0, 1, round);
		t_fill(second, LARGE, 0, 2, round);
		MPI_Bsend(first, LARGE, MPI_BYTE, to, 1, MPI_COMM_WORLD);
		MPI_Send(second, LARGE, MPI_BYTE, to, 2, MPI_COMM_WORLD);
	} else if (t_rank == to) {
		MPI_Recv(first, LARGE, MPI_BYTE, 0, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		VERIFY(first, LARGE, 0, 1, round);
		MPI_Recv(second, LARGE, MPI_BYTE, 0, 2, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		VERIFY(second, LARGE, 0, 2, round);
	}
}

static void collective_behind(int round)
{
	if (t_rank == 0) {
		t_fill(first, LARGE, 0, 3, round);
		t_fill(second, LARGE, 0, 4, round);
		MPI_Bsend(first, LARGE, MPI_BYTE, to, 3, MPI_COMM_WORLD);
	} else if (t_rank == to) {
		MPI_Recv(first, LARGE, MPI_BYTE, 0, 3, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		VERIFY(first, LARGE, 0, 3, round);
	}
	MPI_Bcast(second, LARGE, MPI_BYTE, 0, MPI_COMM_WORLD);
	VERIFY(second, LARGE, 0, 4, round);
}

int main(int argc, char **argv)
{
	int bytes = 2 * ROUNDS * (LARGE + MPI_BSEND_OVERHEAD);

	t_begin(&argc, &argv, 25);
	to = t_size - 1;
	first = malloc(LARGE);
	second = malloc(LARGE);
	room = malloc((size_t)bytes);
	MPI_Buffer_attach(room, bytes);
	for (int round = 0; round < ROUNDS; round++) {
		send_behind(round);
		collective_behind(round);
	}
	MPI_Buffer_detach(&room, &bytes);
	free(first);
	free(second);
	free(room);
	return t_end();
}
