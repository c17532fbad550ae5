/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * MPI_THREAD_MULTIPLE: threads that all receive into one and the same buffer, as benchmarks of message rates do. MPI
 * forbids it (3.1, 3.7.2), and what is in the buffer afterwards is nobody's; but every message arrives, its status
 * is right, and no sender is left waiting. Blocking and nonblocking receives, small and large messages; "vector": into a
 * datatype with gaps.
 *
 * RUN: np=2 VMONECOPY=0
 * RUN: np=2 VMONECOPY_THRESHOLD=64 expect="staged_messages [1-9]"
 * RUN: np=2 VMONECOPY_THRESHOLD=64 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0
 * RUN: np=2 VMONECOPY_THRESHOLD=64 VMONECOPY_MAP_BUDGET=0 VMONECOPY_GRANT_COPY=0 expect="refusals [1-9]"
 * RUN: np=2 args=vector VMONECOPY_THRESHOLD=64 expect="staged_messages [1-9]"
 * RUN: np=2 args=vector VMONECOPY_THRESHOLD=64 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0
 */
#include "t.h"

#include <pthread.h>

#define THREADS 4
#define ROUNDS 400
#define WINDOW 8
#define MOST 20000

static char from[MOST], to[2 * MOST];
static MPI_Datatype type = MPI_CHAR;	/* of what is received */
static int count = MOST;
static int received[THREADS];

/* Whoever receives it: the tag says how long it is. */
static int size_of(int round)
{
	static const int sizes[] = { 64, 64, MOST, 100, 64, 4096, 63 };

	return sizes[round % 7];
}

static void expect_size(const MPI_Status *status)
{
	int bytes;

	MPI_Get_elements((MPI_Status *)(uintptr_t)status, type, &bytes);
	CHECK(bytes == size_of(status->MPI_TAG));
}

static void send_some(int round)
{
	MPI_Request request[WINDOW];

	if (round % 2) {
		for (int k = 0; k < WINDOW; k++)
			MPI_Send(from, size_of(round), MPI_CHAR, !t_rank, round % 7, MPI_COMM_WORLD);
		return;
	}
	for (int k = 0; k < WINDOW; k++)
		MPI_Isend(from, size_of(round), MPI_CHAR, !t_rank, round % 7, MPI_COMM_WORLD, &request[k]);
	MPI_Waitall(WINDOW, request, MPI_STATUSES_IGNORE);
}

static void receive_some(int round)
{
	MPI_Request request[WINDOW];
	MPI_Status status[WINDOW];

	for (int k = 0; k < WINDOW; k++)
		if (round % 3)
			MPI_Recv(to, count, type, !t_rank, MPI_ANY_TAG, MPI_COMM_WORLD, &status[k]);
		else
			MPI_Irecv(to, count, type, !t_rank, MPI_ANY_TAG, MPI_COMM_WORLD, &request[k]);
	if (round % 3 == 0)
		MPI_Waitall(WINDOW, request, status);
	for (int k = 0; k < WINDOW; k++)
		expect_size(&status[k]);
}

/* Half of the threads of each rank send, half receive. */
static void *run(void *arg)
{
	int thread = (int)(intptr_t)arg;

	for (int round = 0; round < ROUNDS; round++)
		if ((thread + t_rank) % 2)
			send_some(round);
		else
			receive_some(round);
	received[thread] = ROUNDS;
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread[THREADS];

	t_begin_thread(&argc, &argv, 50, MPI_THREAD_MULTIPLE);
	if (argc > 1) {
		MPI_Type_vector(MOST / 4, 4, 8, MPI_CHAR, &type);
		MPI_Type_commit(&type);
		count = 1;
	}
	for (int i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&thread[i], NULL, run, (void *)(intptr_t)i));
	for (int i = 0; i < THREADS; i++)
		CHECK(!pthread_join(thread[i], NULL) && received[i] == ROUNDS);
	return t_end();
}
