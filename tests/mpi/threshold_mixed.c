/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The threshold is the sender's own business: ranks with different ones understand each other. Rank 0
 * sends everything of 64 bytes or more by one copy, rank 1 nothing below 100 KB.
 *
 * RUN: np=2 expect="(onecopy|staged)_messages [1-9]"
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0
 */
#include "t.h"

static const int sizes[] = { 0, 63, 64, 65, 1000, 16384, 99999, 100000, 200000 };
#define SIZES 9
#define MOST 200000

/* The launcher's rank: MPI is not up when the library reads its options. */
static int early_rank(void)
{
	const char *rank = getenv("PMI_RANK");

	if (!rank)
		rank = getenv("OMPI_COMM_WORLD_RANK");
	return rank ? atoi(rank) : 0;
}

int main(int argc, char **argv)
{
	setenv("VMONECOPY_THRESHOLD", early_rank() ? "100000" : "64", 1);
	t_begin(&argc, &argv, 40);
	struct t_buf buf = t_new(MOST, 0);
	MPI_Status status;

	for (int i = 0; i < 4 * SIZES; i++) {
		int n = sizes[i % SIZES], from = i / SIZES % 2;
		if (t_rank == from) {
			t_fill(buf.at, (size_t)n, from, 1, i);
			MPI_Send(buf.at, n, MPI_BYTE, 1 - from, 1, MPI_COMM_WORLD);
		} else {
			t_poison(&buf);
			MPI_Recv(buf.at, MOST, MPI_BYTE, from, 1, MPI_COMM_WORLD, &status);
			STATUS(&status, from, 1, n);
			GOT(&buf, n, from, 1, i);
		}
	}
	t_free(&buf);
	return t_end();
}
