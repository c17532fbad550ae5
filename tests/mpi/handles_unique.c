/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The shim keys its table of receives by their native handles. That rests on a fact about the MPI, not on
 * the standard: handles of receives that are pending at one time differ, from each other and from those of
 * sends, persistent and collective ones, also where the message was there before the receive.
 *
 * RUN: np=2
 * RUN: np=2 VMONECOPY=0 expect="INACTIVE: switched off"
 */
#include "t.h"

#define EACH 300
#define N 20000

static MPI_Request all[8 * EACH];
static int count;

static int by_value(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(MPI_Request));
}

static void check_distinct(void)
{
	MPI_Request sorted[8 * EACH];

	memcpy(sorted, all, sizeof sorted);
	qsort(sorted, (size_t)count, sizeof *sorted, by_value);
	for (int i = 1; i < count; i++)
		CHECK(sorted[i] != sorted[i - 1]);
}

int main(int argc, char **argv)
{
	static char small[3][EACH][100], large[EACH][N], out[N];
	MPI_Request send[2 * EACH], barrier;

	t_begin(&argc, &argv, 20);
	int peer = 1 - t_rank;

	for (int i = 0; i < EACH; i++)		/* small ones, before their receives */
		MPI_Isend(out, i % 100, MPI_BYTE, peer, 1, MPI_COMM_WORLD, &send[i]);
	MPI_Waitall(EACH, send, MPI_STATUSES_IGNORE);
	t_sync();
	for (int i = 0; i < EACH; i++)
		MPI_Irecv(small[0][i], 100, MPI_BYTE, peer, 1, MPI_COMM_WORLD, &all[count++]);
	for (int i = 0; i < EACH; i++)
		MPI_Irecv(small[1][i], 100, MPI_BYTE, MPI_ANY_SOURCE, 2, MPI_COMM_WORLD, &all[count++]);
	for (int i = 0; i < EACH; i++)
		MPI_Irecv(large[i], N, MPI_BYTE, peer, 3, MPI_COMM_WORLD, &all[count++]);
	for (int i = 0; i < EACH; i++)
		MPI_Recv_init(small[2][i], 100, MPI_BYTE, peer, 4, MPI_COMM_WORLD, &all[count++]);
	int receives = count;
	MPI_Ibarrier(MPI_COMM_WORLD, &barrier);
	all[count++] = barrier;
	check_distinct();
	t_sync();	/* the receives are posted */
	for (int i = 0; i < EACH; i++)
		MPI_Isend(out, 100, MPI_BYTE, peer, 2, MPI_COMM_WORLD, &send[i]);
	for (int i = 0; i < EACH; i++)
		MPI_Isend(out, N, MPI_BYTE, peer, 3, MPI_COMM_WORLD, &send[EACH + i]);
	/* pending sends may share handles among themselves, but with no receive */
	for (int i = 0; i < 2 * EACH; i++)
		for (int k = 0; k < receives; k++)
			CHECK(send[i] == MPI_REQUEST_NULL || send[i] != all[k]);
	MPI_Waitall(2 * EACH, send, MPI_STATUSES_IGNORE);
	MPI_Waitall(3 * EACH, all, MPI_STATUSES_IGNORE);
	MPI_Wait(&all[receives], MPI_STATUS_IGNORE);
	for (int i = 3 * EACH; i < receives; i++)
		MPI_Request_free(&all[i]);
	return t_end();
}
