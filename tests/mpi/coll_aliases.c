/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Large collectives on buffers that may not be the same one end as without the library. MPICH says MPI_ERR_BUFFER at
 * once, on the rank that errs, even if the others are not in the call; Open MPI does not look, so it is not asked.
 * MPI_Reduce_scatter_block in place leaves the result at the beginning, and MPICH also where the own segment was.
 *
 * RUN: np=2 timeout=30 VMONECOPY_ADMISSION=1
 * RUN: np=4 timeout=30
 */
#include "t.h"

#define WORDS 65536

static long *a, *b;
static int counts[8], displs[8];

#ifdef MPICH_NUMVERSION
#define REFUSED(call) do { \
	int class = MPI_SUCCESS, rc = (call); \
	if (rc != MPI_SUCCESS) \
		MPI_Error_class(rc, &class); \
	CHECK(class == MPI_ERR_BUFFER); \
} while (0)

static void rank_0_alone(void)
{
	MPI_Comm comm = MPI_COMM_WORLD;

	REFUSED(MPI_Gather(a, WORDS, MPI_LONG, a, WORDS, MPI_LONG, 0, comm));
	REFUSED(MPI_Gatherv(a, WORDS, MPI_LONG, a, counts, displs, MPI_LONG, 0, comm));
	REFUSED(MPI_Scatter(a, WORDS, MPI_LONG, a, WORDS, MPI_LONG, 0, comm));
	REFUSED(MPI_Scatterv(a, counts, displs, MPI_LONG, a, WORDS, MPI_LONG, 0, comm));
	REFUSED(MPI_Allgather(a, WORDS, MPI_LONG, a, WORDS, MPI_LONG, comm));
	REFUSED(MPI_Allgatherv(a, WORDS, MPI_LONG, a, counts, displs, MPI_LONG, comm));
	REFUSED(MPI_Alltoall(a, WORDS, MPI_LONG, a, WORDS, MPI_LONG, comm));
	REFUSED(MPI_Alltoallv(a, counts, displs, MPI_LONG, a, counts, displs, MPI_LONG, comm));
	REFUSED(MPI_Reduce(a, a, WORDS, MPI_LONG, MPI_SUM, 0, comm));
	REFUSED(MPI_Allreduce(a, a, WORDS * t_size, MPI_LONG, MPI_SUM, comm));
	REFUSED(MPI_Reduce_scatter(a, a, counts, MPI_LONG, MPI_SUM, comm));
	REFUSED(MPI_Reduce_scatter_block(a, a, WORDS, MPI_LONG, MPI_SUM, comm));
}
#else
static void rank_0_alone(void)
{
}
#endif

static void block_in_place(void)
{
	for (int r = 0; r < t_size; r++)
		for (int i = 0; i < WORDS; i++)
			a[r * WORDS + i] = t_rank + 10 * r + i;
	MPI_Reduce_scatter_block(MPI_IN_PLACE, a, WORDS, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
	for (int i = 0; i < WORDS; i++) {
		long sum = t_size * (t_size - 1) / 2 + (long)t_size * (10 * t_rank + i);
		CHECK(a[i] == sum);
#ifdef MPICH_NUMVERSION
		CHECK(a[t_rank * WORDS + i] == sum);
#endif
	}
}

int main(int argc, char **argv)
{
	t_begin(&argc, &argv, 25);
	a = calloc((size_t)t_size * WORDS, sizeof *a);
	b = calloc((size_t)t_size * WORDS, sizeof *b);
	for (int r = 0; r < t_size; r++) {
		counts[r] = WORDS;
		displs[r] = r * WORDS;
	}
	MPI_Allgather(b, WORDS, MPI_LONG, a, WORDS, MPI_LONG, MPI_COMM_WORLD);	/* what a communicator agrees upon first */
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
	if (t_rank == 0)
		rank_0_alone();
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_ARE_FATAL);
	MPI_Barrier(MPI_COMM_WORLD);
	block_in_place();
	free(a);
	free(b);
	return t_end();
}
