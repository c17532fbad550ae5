/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What bandwidth benchmarks do, though MPI forbids it (3.1, 3.7.2): a window of receives, all into one
 * buffer. Every message comes, one of them is in the buffer whole, no transfer is left over, nothing is
 * complained of, and the messages do go by one copy.
 *
 * RUN: np=2 expect="pulled_messages 1[56][0-9][0-9]"
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=5000000 expect="onecopy_messages 1600" expect="pulled_messages 1600"
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0
 * RUN: np=2 VMONECOPY_MAP_BUDGET=0 expect="grant_copy_bytes [1-9]"
 * RUN: np=2 VMONECOPY_THRESHOLD=64
 */
#include "t.h"

#define WINDOW 64
#define N 40000

static void window(struct t_buf *buf, int tag, bool same_tag, int round)
{
	MPI_Request request[WINDOW];
	MPI_Status status[WINDOW];

	for (int i = 0; i < WINDOW; i++) {
		int t = same_tag ? tag : tag + i;
		if (t_rank == 0)
			MPI_Isend(buf->at, N, MPI_BYTE, 1, t, MPI_COMM_WORLD, &request[i]);
		else
			MPI_Irecv(buf->at, N, MPI_BYTE, 0, t, MPI_COMM_WORLD, &request[i]);
	}
	MPI_Waitall(WINDOW, request, status);
	for (int i = 0; t_rank == 1 && i < WINDOW; i++)
		STATUS(&status[i], 0, same_tag ? tag : tag + i, N);
	if (t_rank == 1)
		GOT(buf, N, 0, 1, round);
}

/* A receive that completes is posted again at once, into the same buffer. */
static void replenished(struct t_buf *buf, int total)
{
	MPI_Request request[WINDOW];
	MPI_Status status;
	int index, posted = 0;

	for (; posted < WINDOW; posted++)
		if (t_rank == 0)
			MPI_Isend(buf->at, N, MPI_BYTE, 1, 300, MPI_COMM_WORLD, &request[posted]);
		else
			MPI_Irecv(buf->at, N, MPI_BYTE, 0, 300, MPI_COMM_WORLD, &request[posted]);
	for (int done = 0; done < total; done++) {
		MPI_Waitany(WINDOW, request, &index, &status);
		if (t_rank == 1)
			STATUS(&status, 0, 300, N);
		if (posted++ >= total)
			continue;
		if (t_rank == 0)
			MPI_Isend(buf->at, N, MPI_BYTE, 1, 300, MPI_COMM_WORLD, &request[index]);
		else
			MPI_Irecv(buf->at, N, MPI_BYTE, 0, 300, MPI_COMM_WORLD, &request[index]);
	}
}

int main(int argc, char **argv)
{
	t_begin(&argc, &argv, 20);
	struct t_buf buf = t_new(N, 0);

	for (int round = 0; round < 20; round++) {
		if (t_rank == 0)
			t_fill(buf.at, N, 0, 1, round);
		window(&buf, 100, round % 2, round);
		t_sync();
	}
	replenished(&buf, 5 * WINDOW);
	t_free(&buf);
	return t_end();
}
