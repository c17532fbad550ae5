/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VMONECOPY_CHECK=1: a program that writes to its buffer during a send, which MPI forbids, is found by the checksum that
 * its receiver compares, whatever the datatypes and also where a reduction reads in place; right programs are not blamed.
 *
 * RUN: np=2 VMONECOPY_CHECK=1 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=60000000 args=wrong expect="CHECK: the message of 1048576 bytes from rank 0" expect="checksum_errors 3\n" expect="checked_messages [1-9]"
 * RUN: np=2 VMONECOPY_CHECK=1 VMONECOPY_ADMISSION=1 args=right expect="\A(?![\s\S]*CHECK:)" expect="checked_messages [1-9][0-9]" expect="operand_bytes [1-9]" expect="spaced_messages [1-9]"
 * RUN: np=2 VMONECOPY_CHECK=1 VMONECOPY_SUBSTITUTE=0 args=right expect="\A(?![\s\S]*CHECK:)" expect="checked_messages [1-9][0-9]"
 * RUN: np=2 VMONECOPY_CHECK=1 VMONECOPY_ADMISSION=1 VMONECOPY_MAP_BUDGET=0 args=right expect="\A(?![\s\S]*CHECK:)" expect="checked_messages [1-9][0-9]"
 * RUN: np=2 VMONECOPY_ADMISSION=1 args=right expect="\A(?![\s\S]*check)"
 */
#include "t.h"

#define BYTES (1 << 20)
#define DOUBLES (BYTES / 8)
#define ROUNDS 4

static MPI_Datatype rows;	/* every second block of 512 doubles */

/* A message from rank 0 whose receiver comes when the sender has written. */
static void written(char *buf, int count, MPI_Datatype type, size_t where)
{
	MPI_Request request;

	if (t_rank) {
		t_token_recv(0);
		MPI_Recv(buf, count, type, 0, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		return;
	}
	for (int warm = 0; warm < 2; warm++) {
		MPI_Isend(buf, count, type, 1, 1, MPI_COMM_WORLD, &request);
		if (warm)
			buf[where] ^= 1;
		t_token_send(1);
		MPI_Wait(&request, MPI_STATUS_IGNORE);
	}
}

static void wrong(char *a, char *b)
{
	written(a, BYTES, MPI_BYTE, BYTES / 2);
	if (t_rank)
		written(b, BYTES, MPI_BYTE, 0);
	written(a, DOUBLES / 512, rows, 2 * 512 * 8 * 4 + 5);
	if (t_rank)
		written(b, DOUBLES, MPI_DOUBLE, 0);
	written(a, DOUBLES, MPI_DOUBLE, BYTES - 4096);
	if (t_rank)
		written(b, DOUBLES / 512, rows, 0);
}

static void exchange(void *from, int n, MPI_Datatype from_type, void *to, int m, MPI_Datatype to_type, int tag)
{
	MPI_Sendrecv(from, n, from_type, 1 - t_rank, tag, to, m, to_type, 1 - t_rank, tag, MPI_COMM_WORLD,
	             MPI_STATUS_IGNORE);
}

static void right(char *a, char *b)
{
	double *sums = calloc(DOUBLES, 8), *numbers = calloc(DOUBLES, 8);

	for (int i = 0; i < ROUNDS; i++) {
		t_fill(a, BYTES, t_rank, 1, i);
		exchange(a, BYTES, MPI_BYTE, b, BYTES, MPI_BYTE, 1);
		VERIFY(b, BYTES, 1 - t_rank, 1, i);
		exchange(a + 13, BYTES - 100, MPI_BYTE, b + 7, BYTES, MPI_BYTE, 1);
		t_fill(a, 2 * BYTES, t_rank, 2, i);
		exchange(a, DOUBLES / 512, rows, b, DOUBLES, MPI_DOUBLE, 2);
		exchange(a, DOUBLES, MPI_DOUBLE, b, DOUBLES / 512, rows, 2);
		exchange(a, DOUBLES / 512, rows, b, DOUBLES / 512, rows, 2);
		for (int k = 0; k < DOUBLES; k++)
			numbers[k] = t_rank + k + i;
		MPI_Allreduce(numbers, sums, DOUBLES, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
		for (int k = 0; k < DOUBLES; k++)
			CHECK(sums[k] == 1 + 2.0 * (k + i));
		MPI_Alltoall(a, BYTES / 2, MPI_BYTE, b, BYTES / 2, MPI_BYTE, MPI_COMM_WORLD);
	}
	free(sums);
	free(numbers);
}

int main(int argc, char **argv)
{
	char *a = calloc(2, BYTES + 4096), *b = calloc(2, BYTES + 4096);

	t_begin(&argc, &argv, 40);
	MPI_Type_vector(1, 512, 1024, MPI_DOUBLE, &rows);
	MPI_Type_create_resized(rows, 0, 1024 * 8, &rows);
	MPI_Type_commit(&rows);
	if (argc > 1 && !strcmp(argv[1], "wrong"))
		wrong(a, b);
	else
		right(a, b);
	MPI_Type_free(&rows);
	return t_end();
}
