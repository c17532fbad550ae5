/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmonas.c: three more communication patterns of the NAS benchmarks (two are in vmokernel.c), end to end. Plain MPI, no shim.
 * In Fortran: vmonasf.f90.
 *
 *   vmonas --sizes 1048576 [--tests halo,wavefront,cg] [--ms N] [--batches N]
 *
 * A size is what neighbours exchange in one message, about. Every result has a closed form, and every number is checked.
 *
 *   halo       MG's pattern: a strip of rows per rank; each iteration exchanges the outer rows by MPI_Irecv, MPI_Isend,
 *              MPI_Waitall and averages the four neighbours, plus 1. u(t, i, j) = i + 2 j + t solves it exactly.
 *   wavefront  LU's pattern: v(i, j) = v(i-1, j) + v(i, j-1) modulo 2^64, swept in blocks of columns from rank to rank. The
 *              upper edge is t in sweep t, so v is t times that of the first sweep, which each rank computes alone.
 *   cg         CG's pattern: conjugate gradients on a matrix that couples each row with two near ones and one of the partner
 *              rank's; whole segments by MPI_Sendrecv, two MPI_Allreduce. The solution is given and must be found.
 *
 * Output as of vmokernel. The checks are outside the measured time. Exit status 3 if a result was wrong.
 */
#pragma GCC diagnostic ignored "-Wstringop-overflow"	/* MPI_STATUSES_IGNORE is no array */
#include "kernel.h"

enum { ROWS = 16, BLOCKS = 4, CYCLE = 30 };

/* ---- halo ---- */

static struct {
	int columns;
	double *now, *next;	/* ROWS rows and one above and below; the first and last column are edges */
	long t;
} mg;

static double exact(long t, int row, int column)
{
	return (double)(world.rank * ROWS + row) + 2.0 * column + (double)t;
}

static double *at(double *field, int row)
{
	return field + (size_t)row * (size_t)mg.columns;
}

static size_t halo_begin(size_t bytes)
{
	mg.columns = (int)(bytes / sizeof(double));
	mg.t = 0;
	mg.now = allocate((ROWS + 2) * (size_t)mg.columns * sizeof(double));
	mg.next = allocate((ROWS + 2) * (size_t)mg.columns * sizeof(double));
	for (int i = 0; i < ROWS + 2; i++)
		for (int j = 0; j < mg.columns; j++)
			at(mg.now, i)[j] = exact(0, i, j);
	return (size_t)mg.columns * sizeof(double);
}

/* Beyond the first and last rank the solution itself is the edge. */
static void edge(double *row, long t, int number)
{
	for (int j = 0; j < mg.columns; j++)
		row[j] = exact(t, number, j);
}

static void halo_exchange(void)
{
	int above = world.rank ? world.rank - 1 : MPI_PROC_NULL, below = world.rank + 1 < world.size ? world.rank + 1 : MPI_PROC_NULL;
	MPI_Request request[4];

	MPI_Irecv(at(mg.now, 0), mg.columns, MPI_DOUBLE, above, 1, MPI_COMM_WORLD, &request[0]);
	MPI_Irecv(at(mg.now, ROWS + 1), mg.columns, MPI_DOUBLE, below, 2, MPI_COMM_WORLD, &request[1]);
	MPI_Isend(at(mg.now, 1), mg.columns, MPI_DOUBLE, above, 2, MPI_COMM_WORLD, &request[2]);
	MPI_Isend(at(mg.now, ROWS), mg.columns, MPI_DOUBLE, below, 1, MPI_COMM_WORLD, &request[3]);
	MPI_Waitall(4, request, MPI_STATUSES_IGNORE);
	if (above == MPI_PROC_NULL)
		edge(at(mg.now, 0), mg.t, 0);
	if (below == MPI_PROC_NULL)
		edge(at(mg.now, ROWS + 1), mg.t, ROWS + 1);
}

static void halo_step(void)
{
	halo_exchange();
	for (int i = 1; i <= ROWS; i++) {
		const double *up = at(mg.now, i - 1), *mid = at(mg.now, i), *down = at(mg.now, i + 1);
		double *out = at(mg.next, i);
		for (int j = 1; j + 1 < mg.columns; j++)
			out[j] = (up[j] + down[j] + mid[j - 1] + mid[j + 1]) / 4 + 1;
		out[0] = exact(mg.t + 1, i, 0);
		out[mg.columns - 1] = exact(mg.t + 1, i, mg.columns - 1);
	}
	double *was = mg.now;
	mg.now = mg.next;
	mg.next = was;
	mg.t++;
}

static void halo_check(void)
{
	for (int i = 1; i <= ROWS; i++)
		for (int j = 0; j < mg.columns; j++)
			if (at(mg.now, i)[j] != exact(mg.t, i, j))
				wrong("halo: a number is wrong");
}

static void halo_end(void)
{
	free(mg.now);
	free(mg.next);
}

/* ---- wavefront ---- */

static struct {
	size_t columns;		/* of a block */
	uint64_t *above, *row, *first;	/* BLOCKS blocks each: the row that came, this rank's last one, the same of sweep 1 */
	uint64_t left[ROWS];
	uint64_t t;
} lu;

/* ROWS rows below `above`, of one block; the last one remains in `row`. */
static void sweep_block(const uint64_t *above, uint64_t *row, uint64_t *left)
{
	memcpy(row, above, lu.columns * sizeof *row);
	for (int i = 0; i < ROWS; i++)
		for (size_t j = 0; j < lu.columns; j++)
			row[j] = left[i] += row[j];
}

static void fill_above(uint64_t *above, uint64_t value)
{
	for (size_t j = 0; j < BLOCKS * lu.columns; j++)
		above[j] = value;
}

/* Alone, all ranks' rows down to this one's. */
static void sweep_alone(void)
{
	uint64_t *above = lu.above;

	fill_above(above, 1);
	for (int r = 0; r <= world.rank; r++) {
		memset(lu.left, 0, sizeof lu.left);
		for (size_t b = 0; b < BLOCKS; b++)
			sweep_block(above + b * lu.columns, lu.first + b * lu.columns, lu.left);
		memcpy(above, lu.first, BLOCKS * lu.columns * sizeof *above);
	}
}

static size_t wavefront_begin(size_t bytes)
{
	lu.columns = bytes / sizeof(uint64_t);
	lu.t = 0;
	lu.above = allocate(BLOCKS * lu.columns * sizeof(uint64_t));
	lu.row = allocate(BLOCKS * lu.columns * sizeof(uint64_t));
	lu.first = allocate(BLOCKS * lu.columns * sizeof(uint64_t));
	sweep_alone();
	return lu.columns * sizeof(uint64_t);
}

static void wavefront_step(void)
{
	lu.t++;
	memset(lu.left, 0, sizeof lu.left);
	if (world.rank == 0)
		fill_above(lu.above, lu.t);
	for (size_t b = 0; b < BLOCKS; b++) {
		uint64_t *above = lu.above + b * lu.columns, *row = lu.row + b * lu.columns;
		if (world.rank)
			MPI_Recv(above, (int)lu.columns, MPI_UINT64_T, world.rank - 1, 3, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		sweep_block(above, row, lu.left);
		if (world.rank + 1 < world.size)
			MPI_Send(row, (int)lu.columns, MPI_UINT64_T, world.rank + 1, 3, MPI_COMM_WORLD);
	}
}

static void wavefront_check(void)
{
	for (size_t j = 0; j < BLOCKS * lu.columns; j++)
		if (lu.row[j] != lu.t * lu.first[j])
			wrong("wavefront: a number is wrong");
}

static void wavefront_end(void)
{
	free(lu.above);
	free(lu.row);
	free(lu.first);
}

/* ---- conjugate gradients ---- */

static struct {
	int rows, partner, iteration;
	double *x, *r, *p, *q, *of_partner, rho;
	long cycle;
} cg;

static double solution(int row)
{
	return 1.0 + (double)((row * 7L + world.rank * 3L + cg.cycle) % 11);
}

/* q = A v: 8 on the diagonal, -1 to both neighbours around, -2 to the partner's same row. Symmetric, diagonally dominant. */
static void multiply(const double *v)
{
	const double *theirs = v;

	if (cg.partner < world.size) {
		MPI_Sendrecv(v, cg.rows, MPI_DOUBLE, cg.partner, 4, cg.of_partner, cg.rows, MPI_DOUBLE, cg.partner, 4,
		             MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		theirs = cg.of_partner;
	}
	for (int i = 0; i < cg.rows; i++)
		cg.q[i] = 8 * v[i] - v[i ? i - 1 : cg.rows - 1] - v[i + 1 < cg.rows ? i + 1 : 0] - 2 * theirs[i];
}

static double dot(const double *a, const double *b)
{
	double mine = 0, all;

	for (int i = 0; i < cg.rows; i++)
		mine += a[i] * b[i];
	MPI_Allreduce(&mine, &all, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
	return all;
}

/* A new right side, from a solution that is known. */
static void start_cycle(void)
{
	cg.cycle++;
	cg.iteration = 0;
	for (int i = 0; i < cg.rows; i++)
		cg.x[i] = solution(i);
	multiply(cg.x);
	for (int i = 0; i < cg.rows; i++) {
		cg.x[i] = 0;
		cg.r[i] = cg.p[i] = cg.q[i];
	}
	cg.rho = dot(cg.r, cg.r);
}

static size_t cg_begin(size_t bytes)
{
	cg.rows = (int)(bytes / sizeof(double));
	cg.partner = world.rank ^ 1;
	cg.cycle = 0;
	cg.x = allocate(bytes);
	cg.r = allocate(bytes);
	cg.p = allocate(bytes);
	cg.q = allocate(bytes);
	cg.of_partner = allocate(bytes);
	start_cycle();
	return (size_t)cg.rows * sizeof(double);
}

static void iterate(void)
{
	multiply(cg.p);
	double alpha = cg.rho / dot(cg.p, cg.q), before = cg.rho;

	for (int i = 0; i < cg.rows; i++) {
		cg.x[i] += alpha * cg.p[i];
		cg.r[i] -= alpha * cg.q[i];
	}
	cg.rho = dot(cg.r, cg.r);
	for (int i = 0; i < cg.rows; i++)
		cg.p[i] = cg.r[i] + cg.rho / before * cg.p[i];
	cg.iteration++;
}

static void cg_compare(void)
{
	for (int i = 0; i < cg.rows; i++) {
		double off = cg.x[i] - solution(i);
		if (!(off < 1e-5 && off > -1e-5))
			wrong("cg: the solution is wrong");
	}
}

static void cg_step(void)
{
	if (cg.iteration == CYCLE)
		start_cycle();
	iterate();
}

static void cg_check(void)
{
	while (cg.iteration < CYCLE)
		iterate();
	cg_compare();
}

static void cg_end(void)
{
	free(cg.x);
	free(cg.r);
	free(cg.p);
	free(cg.q);
	free(cg.of_partner);
}

static const struct kernel kernels[] = {
	{"halo", halo_begin, halo_step, halo_check, halo_end},
	{"wavefront", wavefront_begin, wavefront_step, wavefront_check, wavefront_end},
	{"cg", cg_begin, cg_step, cg_check, cg_end},
};

int main(int argc, char **argv)
{
	return kernels_main(argc, argv, kernels, sizeof kernels / sizeof *kernels);
}
