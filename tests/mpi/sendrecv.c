/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * MPI_Sendrecv and MPI_Sendrecv_replace (MPI 3.1, 3.10): both directions large or small, MPI_PROC_NULL on
 * either side, to oneself, one half against plain sends and receives, derived types.
 *
 * RUN: np=2 expect="(onecopy|staged)_bytes [1-9]"
 * RUN: np=2 VMONECOPY_ADMISSION=1
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0
 * RUN: np=2 VMONECOPY_THRESHOLD=64
 * RUN: np=2 VMONECOPY_MAP_BUDGET=0 VMONECOPY_GRANT_COPY=0 expect="refusals [1-9]"
 * RUN: np=3 XENEMU_DOMAINS=2 expect="fell_through.same_vm"
 */
#include "t.h"

#define MOST 200000
static const int sizes[] = { MOST, 100, 0, 16384, 64, 65537 };
#define SIZES 6

static int left, right;

/* In a ring; what goes out and what comes in have sizes of their own. */
static void ring(int sequence)
{
	int n = sizes[(t_rank + sequence) % SIZES], m = sizes[(left + sequence) % SIZES];
	struct t_buf out = t_new(MOST, 72), in = t_new(MOST, 1000);
	MPI_Status status;

	t_fill(out.at, (size_t)n, t_rank, 1, sequence);
	MPI_Sendrecv(out.at, n, MPI_BYTE, right, 1, in.at, MOST, MPI_BYTE, left, sequence % 2 ? 1 : MPI_ANY_TAG,
	             MPI_COMM_WORLD, &status);
	STATUS(&status, left, 1, m);
	GOT(&in, m, left, 1, sequence);
	VERIFY(out.at, n, t_rank, 1, sequence);
	t_free(&out);
	t_free(&in);
}

static void ring_replace(int sequence)
{
	int n = sizes[sequence % SIZES];
	struct t_buf buf = t_new(MOST, 40);
	MPI_Status status;

	t_fill(buf.at, (size_t)n, t_rank, 2, sequence);
	MPI_Sendrecv_replace(buf.at, n, MPI_BYTE, right, 2, left, 2, MPI_COMM_WORLD, &status);
	STATUS(&status, left, 2, n);
	GOT(&buf, n, left, 2, sequence);
	t_free(&buf);
}

/* A shift without wrap-around: the ends have MPI_PROC_NULL. */
static void shift(bool replace, int sequence)
{
	int to = t_rank + 1 < t_size ? t_rank + 1 : MPI_PROC_NULL, from = t_rank ? t_rank - 1 : MPI_PROC_NULL;
	struct t_buf out = t_new(MOST, 0), in = t_new(MOST, 8);
	MPI_Status status;

	t_fill(out.at, MOST, t_rank, 3, sequence);
	if (replace)
		MPI_Sendrecv_replace(out.at, MOST, MPI_BYTE, to, 3, from, 3, MPI_COMM_WORLD, &status);
	else
		MPI_Sendrecv(out.at, MOST, MPI_BYTE, to, 3, in.at, MOST, MPI_BYTE, from, 3, MPI_COMM_WORLD, &status);
	if (from == MPI_PROC_NULL) {
		STATUS(&status, MPI_PROC_NULL, MPI_ANY_TAG, 0);
		UNTOUCHED(in.at, in.bytes);
		VERIFY(out.at, MOST, t_rank, 3, sequence);	/* nothing came to replace it */
	} else {
		STATUS(&status, from, 3, MOST);
		GOT(replace ? &out : &in, MOST, from, 3, sequence);
	}
	t_free(&out);
	t_free(&in);
}

static void to_self(void)
{
	struct t_buf out = t_new(MOST, 0), in = t_new(MOST, 8);
	MPI_Status status;

	t_fill(out.at, MOST, t_rank, 4, 0);
	MPI_Sendrecv(out.at, MOST, MPI_BYTE, t_rank, 4, in.at, MOST, MPI_BYTE, t_rank, 4, MPI_COMM_WORLD, &status);
	STATUS(&status, t_rank, 4, MOST);
	GOT(&in, MOST, t_rank, 4, 0);
	t_free(&out);
	t_free(&in);
}

/* One rank says MPI_Sendrecv, the other MPI_Send and MPI_Irecv. */
static void against_plain(int sequence)
{
	struct t_buf out = t_new(MOST, 0), in = t_new(MOST, 8);
	MPI_Request request;
	MPI_Status status;

	if (t_rank > 1)
		return;
	t_fill(out.at, MOST, t_rank, 5, sequence);
	if (t_rank == sequence % 2) {
		MPI_Sendrecv(out.at, MOST, MPI_BYTE, 1 - t_rank, 5, in.at, MOST, MPI_BYTE, MPI_ANY_SOURCE, 5,
		             MPI_COMM_WORLD, &status);
	} else {
		MPI_Irecv(in.at, MOST, MPI_BYTE, 1 - t_rank, 5, MPI_COMM_WORLD, &request);
		MPI_Send(out.at, MOST, MPI_BYTE, 1 - t_rank, 5, MPI_COMM_WORLD);
		MPI_Wait(&request, &status);
	}
	STATUS(&status, 1 - t_rank, 5, MOST);
	GOT(&in, MOST, 1 - t_rank, 5, sequence);
	t_free(&out);
	t_free(&in);
}

/* Every other int, both ways and in place; the ints between keep their values. */
static void derived(bool replace)
{
	const int n = 20000;
	int *out = malloc(2 * sizeof(int) * (size_t)n), *in = malloc(2 * sizeof(int) * (size_t)n);
	MPI_Datatype stride;
	MPI_Status status;
	int got;

	MPI_Type_vector(n, 1, 2, MPI_INT, &stride);
	MPI_Type_commit(&stride);
	for (int i = 0; i < 2 * n; i++) {
		out[i] = t_rank * 1000000 + i;
		in[i] = -1;
	}
	int *to = replace ? out : in;
	if (replace)
		MPI_Sendrecv_replace(out, 1, stride, right, 6, left, 6, MPI_COMM_WORLD, &status);
	else
		MPI_Sendrecv(out, 1, stride, right, 6, in, 1, stride, left, 6, MPI_COMM_WORLD, &status);
	MPI_Get_count(&status, stride, &got);
	CHECK_EQ(got, 1);
	for (int i = 0; i < 2 * n - 1; i++) {
		int between = replace ? t_rank * 1000000 + i : -1;
		CHECK_EQ(to[i], i % 2 ? between : left * 1000000 + i);
	}
	MPI_Type_free(&stride);
	free(in);
	free(out);
}

int main(int argc, char **argv)
{
	t_begin(&argc, &argv, 15);
	left = (t_rank + t_size - 1) % t_size;
	right = (t_rank + 1) % t_size;
	for (int i = 0; i < 2 * SIZES; i++) {
		ring(i);
		ring_replace(i);
	}
	for (int i = 0; i < 4; i++) {
		shift(i % 2, i);
		against_plain(i);
	}
	to_self();
	derived(false);
	derived(true);
	return t_end();
}
