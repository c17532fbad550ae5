/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * MPI_THREAD_MULTIPLE: threads that receive, each into a buffer of its own, a datatype in which a request to send would end
 * within an element, so that it comes to a landing first. Messages that are there before their receive and such that are
 * not, large and small; meanwhile the other threads' progress looks at the receive. All data arrives in the buffer.
 *
 * RUN: np=2 VMONECOPY_THRESHOLD=64 expect="pulled_messages [1-9]"
 * RUN: np=2 VMONECOPY_THRESHOLD=4096 expect="pulled_messages [1-9]"
 * RUN: np=2 args=free VMONECOPY_THRESHOLD=64 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0 expect="pulled_messages [1-9]"
 */
#include "t.h"

#include <pthread.h>
#include <sched.h>

#define THREADS 4
#define ROUNDS 300
#define MOST 2000

struct part {
	double number;
	int count;
};

static MPI_Datatype type;
static bool frees;		/* the datatype, while the receive is pending */

static int size_of(int round)
{
	static const int sizes[] = { MOST, 6, 700, 40 };

	return sizes[round % 4];
}

static MPI_Datatype make_type(void)
{
	const int lengths[] = { 1, 1 };
	const MPI_Aint at[] = { offsetof(struct part, number), offsetof(struct part, count) };
	const MPI_Datatype types[] = { MPI_DOUBLE, MPI_INT };
	MPI_Datatype bare, made;

	MPI_Type_create_struct(2, lengths, at, types, &bare);
	MPI_Type_create_resized(bare, 0, sizeof(struct part), &made);
	MPI_Type_free(&bare);
	MPI_Type_commit(&made);
	return made;
}

static int value(int thread, int round, int i)
{
	return thread * 1000000 + round * 2003 + i;
}

static void send_one(int thread, int round, struct part *part)
{
	int n = size_of(round);

	for (int i = 0; i < n; i++)
		part[i] = (struct part){ .number = value(thread, round, i), .count = -value(thread, round, i) };
	MPI_Send(part, n, type, 1, thread, MPI_COMM_WORLD);
}

static void receive_one(int thread, int round, struct part *part)
{
	MPI_Datatype own = frees ? make_type() : type;
	int n = size_of(round);
	MPI_Request request;

	memset(part, 0xee, MOST * sizeof *part);
	for (int i = 0; i < round % 5; i++)	/* its message may be there before */
		sched_yield();
	if (round % 3) {
		MPI_Irecv(part, MOST, own, 0, thread, MPI_COMM_WORLD, &request);
		if (frees)
			MPI_Type_free(&own);
		MPI_Wait(&request, MPI_STATUS_IGNORE);
	} else {
		MPI_Recv(part, MOST, own, 0, thread, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		if (frees)
			MPI_Type_free(&own);
	}
	for (int i = 0; i < n; i++)
		CHECK(part[i].number == value(thread, round, i) && part[i].count == -value(thread, round, i));
}

static void *run(void *arg)
{
	int thread = (int)(intptr_t)arg;
	struct part *part = calloc(MOST, sizeof *part);

	for (int round = 0; round < ROUNDS; round++)
		(t_rank == 0 ? send_one : receive_one)(thread, round, part);
	free(part);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread[THREADS];

	t_begin_thread(&argc, &argv, 50, MPI_THREAD_MULTIPLE);
	frees = argc > 1;
	type = make_type();
	for (int i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&thread[i], NULL, run, (void *)(intptr_t)i));
	for (int i = 0; i < THREADS; i++)
		CHECK(!pthread_join(thread[i], NULL));
	MPI_Type_free(&type);
	return t_end();
}
