/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A program that makes its first thread after it has sent messages with gaps: nothing that this thread writes
 * into the gaps, at any time, is lost, though the matrix goes on being sent; the messages are right, also those
 * still under way when the thread was made.
 *
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=1000000 expect="spaced_messages [1-9]" expect="thread_releases [1-9]"
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0 expect="thread_releases [1-9]"
 */
#include "t.h"
#include <pthread.h>

#define ROWS 400
#define ROW 128			/* doubles; the first half of each row is sent, the second is the thread's */
#define BYTES (ROWS * ROW / 2 * 8)

static double *matrix;
static int stop;

static void *writer(void *unused)
{
	for (double value = 1; !__atomic_load_n(&stop, __ATOMIC_RELAXED); value++)
		for (int r = 0; r < ROWS; r++)
			for (int c = ROW / 2; c < ROW; c++) {
				volatile double *cell = &matrix[r * ROW + c];
				*cell = value;
				if (*cell != value)
					FAIL("row %d, column %d: a thread's write is lost", r, c);
			}
	return NULL;
}

static void fill(int round, double *scratch)
{
	t_fill(scratch, BYTES, 0, 5, round);
	for (int r = 0; r < ROWS; r++)
		memcpy(&matrix[r * ROW], &scratch[r * ROW / 2], ROW / 2 * 8);
}

int main(int argc, char **argv)
{
	double *scratch = malloc(BYTES);
	MPI_Datatype half;
	MPI_Request request;
	pthread_t thread;

	t_begin(&argc, &argv, 40);
	MPI_Type_vector(ROWS, ROW / 2, ROW, MPI_DOUBLE, &half);
	MPI_Type_commit(&half);
	matrix = calloc(ROWS * ROW, 8);
	for (int round = 0; round < 30; round++) {
		if (t_rank == 1) {
			if (round == 10)
				t_token_recv(0);	/* late: that message was under way when the thread was made */
			MPI_Recv(scratch, BYTES / 8, MPI_DOUBLE, 0, 5, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
			VERIFY(scratch, BYTES, 0, 5, round);
		} else if (t_rank == 0) {
			fill(round, scratch);
			MPI_Isend(matrix, 1, half, 1, 5, MPI_COMM_WORLD, &request);
			if (round == 10) {
				CHECK(!pthread_create(&thread, NULL, writer, NULL));
				t_token_send(1);
			}
			MPI_Wait(&request, MPI_STATUS_IGNORE);
		}
	}
	if (t_rank == 0) {
		__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
		pthread_join(thread, NULL);
	}
	MPI_Type_free(&half);
	free(matrix);
	free(scratch);
	return t_end();
}
