/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * More messages on their way at once than the first page of a channel has slots (15): it grows, and none of them falls
 * through.
 *
 * RUN: np=2 VMONECOPY_SUBSTITUTE=0 expect="staged_messages 140" expect=", 0.0 % fell through"
 * RUN: np=2 VMONECOPY_ADMISSION=1 expect="onecopy_messages [1-9]" expect=", 0.0 % fell through"
 * RUN: np=2 VMONECOPY_SUBSTITUTE=0 VMONECOPY_PATIENCE_US=0 expect="staged_messages 140" expect=", 0.0 % fell through"
 */
#include "t.h"

#define FEW 12
#define MANY 64
#define BYTES ((size_t)32 << 10)

static struct t_buf buffer[MANY];

static void exchange(int messages, int sequence)
{
	MPI_Request request[MANY];

	for (int i = 0; t_rank == 0 && i < messages; i++) {
		t_fill(buffer[i].at, BYTES, 0, i, sequence);
		MPI_Isend(buffer[i].at, (int)BYTES, MPI_BYTE, 1, i, MPI_COMM_WORLD, &request[i]);
	}
	if (t_rank == 0)
		t_token_send(1);
	else
		t_token_recv(0);	/* none is received before all are sent */
	for (int i = 0; t_rank == 1 && i < messages; i++) {
		t_poison(&buffer[i]);
		MPI_Irecv(buffer[i].at, (int)BYTES, MPI_BYTE, 0, i, MPI_COMM_WORLD, &request[i]);
	}
	MPI_Waitall(messages, request, MPI_STATUSES_IGNORE);
	for (int i = 0; t_rank == 1 && i < messages; i++)
		GOT(&buffer[i], BYTES, 0, i, sequence);
}

int main(int argc, char **argv)
{
	t_begin(&argc, &argv, 30);
	for (int i = 0; i < MANY; i++)
		buffer[i] = t_new(BYTES, 0);
	exchange(MANY, 1);
	exchange(FEW, 2);
	exchange(MANY, 3);
	for (int i = 0; i < MANY; i++)
		t_free(&buffer[i]);
	return t_end();
}
