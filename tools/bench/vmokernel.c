/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmokernel.c: the communication of two NAS benchmarks with the work around it, end to end. Plain MPI, no shim inside. In
 * Fortran: vmokernelf.f90.
 *
 *   vmokernel --sizes 1048576 [--tests transpose,bucketsort] [--ms N] [--batches N]
 *
 * A size is what each pair of ranks exchanges in an iteration, about; it is rounded so that the problem fits.
 *
 *   transpose   FT's pattern: an N x N matrix of complex numbers, in blocks of rows. An iteration works on every number,
 *               packs the blocks, MPI_Alltoall, unpacks: the matrix is transposed. Every number is checked.
 *   bucketsort  IS's pattern: each rank has as many random keys. An iteration changes two keys, counts keys by bucket,
 *               MPI_Allreduce of the counts, divides the buckets among the ranks, sorts the keys by bucket, MPI_Alltoall
 *               of how many go where, MPI_Alltoallv of the keys, counts them by value. Checked: order within and between
 *               ranks, number, sum and sum of squares of all keys.
 *
 * Output as of vmocoll: one JSON line for each kernel and size, microseconds of one iteration (mean over the ranks),
 * median and least of the batches. The checks are outside the measured time. Exit status 3 if a result was wrong.
 */
#include "kernel.h"

enum { BUCKETS = 1024, KEY_BITS = 20, TILE = 16 };

/* ---- transpose ---- */

struct complex_number { double re, im; };

static struct {
	int rows;			/* of this rank; N = rows * ranks */
	struct complex_number *matrix, *out, *in;
	long iterations;		/* done */
} ft;

static size_t transpose_begin(size_t bytes)
{
	int rows = 1;

	while ((size_t)(rows + 1) * (size_t)(rows + 1) * sizeof(struct complex_number) <= bytes)
		rows++;
	size_t all = (size_t)rows * (size_t)rows * (size_t)world.size;
	ft.rows = rows;
	ft.iterations = 0;
	ft.matrix = allocate(all * sizeof *ft.matrix);
	ft.out = allocate(all * sizeof *ft.out);
	ft.in = allocate(all * sizeof *ft.in);
	for (size_t i = 0; i < all; i++)	/* the number's own place, row by row */
		ft.matrix[i].re = (double)(all * (size_t)world.rank + i);
	return (size_t)rows * (size_t)rows * sizeof(struct complex_number);
}

static void transpose_step(void)
{
	size_t rows = (size_t)ft.rows, columns = rows * (size_t)world.size, block = rows * rows;

	for (size_t top = 0; top < rows; top += TILE)	/* tiles of rows: a cache line is filled while it is near */
		for (size_t j = 0; j < columns; j++)
			for (size_t i = top; i < top + TILE && i < rows; i++) {
				struct complex_number z = ft.matrix[i * columns + j];
				z.im += 1;
				ft.out[j / rows * block + j % rows * rows + i] = z;	/* block for each rank, transposed */
			}
	MPI_Alltoall(ft.out, (int)(2 * block), MPI_DOUBLE, ft.in, (int)(2 * block), MPI_DOUBLE, MPI_COMM_WORLD);
	for (size_t r = 0; r < (size_t)world.size; r++)
		for (size_t i = 0; i < rows; i++)
			memcpy(ft.matrix + i * columns + r * rows, ft.in + r * block + i * rows, rows * sizeof *ft.in);
	ft.iterations++;
}

static void transpose_check(void)
{
	size_t rows = (size_t)ft.rows, columns = rows * (size_t)world.size, top = rows * (size_t)world.rank;

	for (size_t i = 0; i < rows; i++)
		for (size_t j = 0; j < columns; j++) {
			size_t place = ft.iterations % 2 ? j * columns + top + i : (top + i) * columns + j;
			struct complex_number z = ft.matrix[i * columns + j];
			if (z.re != (double)place || z.im != (double)ft.iterations)
				wrong("transpose: a number is wrong");
		}
}

static void transpose_end(void)
{
	free(ft.matrix);
	free(ft.out);
	free(ft.in);
}

/* ---- bucket sort ---- */

static struct {
	size_t keys, room, received;
	uint32_t *key, *out, *in, *count;
	int first[MAX_RANKS + 1];	/* bucket of each rank */
	uint64_t step;
} is;

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static size_t bucketsort_begin(size_t bytes)
{
	uint64_t state = 88172645463325252u + (uint64_t)world.rank * 7919;

	is.keys = bytes / 4 * (size_t)world.size;
	is.room = 2 * is.keys;
	is.step = 0;
	is.key = allocate(is.keys * 4);
	is.out = allocate(is.keys * 4);
	is.in = allocate(is.room * 4);
	is.count = allocate(4 << KEY_BITS);
	for (size_t i = 0; i < is.keys; i++)	/* IS's: the mean of four */
		is.key[i] = (uint32_t)(((next_random(&state) >> 44) + (next_random(&state) >> 44) +
		                        (next_random(&state) >> 44) + (next_random(&state) >> 44)) >> 2);
	return bytes / 4 * 4;
}

static int bucket_of(uint32_t key)
{
	return (int)(key / ((1u << KEY_BITS) / BUCKETS));
}

/* As many keys for each rank as whole buckets allow. */
static void divide(const int *all)
{
	size_t total = is.keys * (size_t)world.size, seen = 0;
	int rank = 0;

	is.first[0] = 0;
	for (int b = 0; b < BUCKETS; b++) {
		seen += (size_t)all[b];
		while (rank + 1 < world.size && seen >= total / (size_t)world.size * (size_t)(rank + 1))
			is.first[++rank] = b + 1;
	}
	while (++rank <= world.size)
		is.first[rank] = BUCKETS;
}

static void sort_by_bucket(const int *mine)
{
	size_t place[BUCKETS], at = 0;

	for (int b = 0; b < BUCKETS; b++) {
		place[b] = at;
		at += (size_t)mine[b];
	}
	for (size_t i = 0; i < is.keys; i++)
		is.out[place[bucket_of(is.key[i])]++] = is.key[i];
}

static void count_values(void)
{
	memset(is.count, 0, 4 << KEY_BITS);
	for (size_t i = 0; i < is.received; i++)
		is.count[is.in[i]]++;
}

static void bucketsort_step(void)
{
	int mine[BUCKETS] = {0}, all[BUCKETS], to[MAX_RANKS], from[MAX_RANKS], to_at[MAX_RANKS], from_at[MAX_RANKS];
	int out_at = 0, in_at = 0;

	is.step++;
	is.key[is.step % is.keys] = (uint32_t)(is.step % (1u << KEY_BITS));
	is.key[(is.step * 31) % is.keys] = (1u << KEY_BITS) - 1 - (uint32_t)(is.step % 1000);
	for (size_t i = 0; i < is.keys; i++)
		mine[bucket_of(is.key[i])]++;
	MPI_Allreduce(mine, all, BUCKETS, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
	divide(all);
	sort_by_bucket(mine);
	for (int r = 0; r < world.size; r++) {
		to[r] = 0;
		for (int b = is.first[r]; b < is.first[r + 1]; b++)
			to[r] += mine[b];
	}
	MPI_Alltoall(to, 1, MPI_INT, from, 1, MPI_INT, MPI_COMM_WORLD);
	for (int r = 0; r < world.size; r++) {
		to_at[r] = out_at;
		from_at[r] = in_at;
		out_at += to[r];
		in_at += from[r];
	}
	if ((size_t)in_at > is.room)
		ranks_fail("bucketsort: keys are too uneven");
	MPI_Alltoallv(is.out, to, to_at, MPI_UINT32_T, is.in, from, from_at, MPI_UINT32_T, MPI_COMM_WORLD);
	is.received = (size_t)in_at;
	count_values();
}

/* Number, sum and sum of squares of all keys, as they are and as they arrived. */
static void bucketsort_check(void)
{
	uint64_t sums[6] = {is.keys, 0, 0, is.received, 0, 0}, all[6];
	long bounds[2], before[2] = {-1, -1};

	for (size_t i = 0; i < is.keys; i++) {
		sums[1] += is.key[i];
		sums[2] += (uint64_t)is.key[i] * is.key[i];
	}
	bounds[0] = 1L << KEY_BITS;
	bounds[1] = -1;
	for (long v = 0; v < 1L << KEY_BITS; v++)
		if (is.count[v]) {
			sums[4] += (uint64_t)v * is.count[v];
			sums[5] += (uint64_t)v * (uint64_t)v * is.count[v];
			bounds[0] = v < bounds[0] ? v : bounds[0];
			bounds[1] = v;
		}
	MPI_Allreduce(sums, all, 6, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
	if (memcmp(all, all + 3, 3 * sizeof *all))
		wrong("bucketsort: the keys are not those that were sorted");
	MPI_Exscan(&bounds[1], &before[1], 1, MPI_LONG, MPI_MAX, MPI_COMM_WORLD);
	if (world.rank && before[1] >= bounds[0])
		wrong("bucketsort: the order between ranks is wrong");
}

static void bucketsort_end(void)
{
	free(is.key);
	free(is.out);
	free(is.in);
	free(is.count);
}

static const struct kernel kernels[] = {
	{"transpose", transpose_begin, transpose_step, transpose_check, transpose_end},
	{"bucketsort", bucketsort_begin, bucketsort_step, bucketsort_check, bucketsort_end},
};

int main(int argc, char **argv)
{
	return kernels_main(argc, argv, kernels, sizeof kernels / sizeof *kernels);
}
