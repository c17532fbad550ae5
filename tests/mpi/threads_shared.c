/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * MPI_THREAD_MULTIPLE with threads that meet on one communicator (MPI 3.1, 12.4): one thread only looks (MPI_Iprobe)
 * while others receive, in order, what it sees; threads share the messages of one tag by matched probes; completion
 * calls of all kinds; communicators are made and freed meanwhile.
 *
 * RUN: np=2 VMONECOPY=0
 * RUN: np=2 expect="(onecopy|staged)_bytes [1-9]" expect="held_messages [1-9]"
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0
 * RUN: np=2 VMONECOPY_THRESHOLD=64
 * RUN: np=2 VMONECOPY_THRESHOLD=64 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0
 * RUN: np=2 VMONECOPY_MAP_BUDGET=0 VMONECOPY_GRANT_COPY=0 expect="refusals [1-9]"
 */
#include "t.h"

#include <pthread.h>
#include <sched.h>

#define ROUNDS 60
#define MOST 40000
#define RECEIVERS 2
#define TAKERS 2
#define WINDOW 4

static MPI_Comm comm;
static int peer, stop, taken;

static int size_of(int round)
{
	static const int sizes[] = { MOST, 64, 20000, 8, 100, 16384, 0 };

	return sizes[round % 7];
}

/* Sees whatever comes, and leaves it to others. */
static void *watcher(void *arg)
{
	MPI_Status status;
	int flag;

	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, comm, &flag, &status);
		if (flag)
			CHECK_EQ(status.MPI_SOURCE, peer);
		sched_yield();
	}
	return NULL;
}

static void *send_in_order(void *arg)
{
	int tag = (int)(long)arg;
	struct t_buf out = t_new(MOST, 0);

	for (int round = 0; round < ROUNDS; round++) {
		t_fill(out.at, (size_t)size_of(round), t_rank, tag, round);
		MPI_Send(out.at, size_of(round), MPI_BYTE, peer, tag, comm);
	}
	t_free(&out);
	return NULL;
}

static void *receive_in_order(void *arg)
{
	int tag = (int)(long)arg;
	struct t_buf in = t_new(MOST, 8);
	MPI_Request request;
	MPI_Status status;

	for (int round = 0; round < ROUNDS; round++) {
		t_poison(&in);
		if (round % 3 == 0) {
			MPI_Irecv(in.at, MOST, MPI_BYTE, peer, tag, comm, &request);
			MPI_Wait(&request, &status);
		} else {
			MPI_Recv(in.at, MOST, MPI_BYTE, round % 3 == 1 ? peer : MPI_ANY_SOURCE, tag, comm, &status);
		}
		STATUS(&status, peer, tag, size_of(round));
		GOT(&in, size_of(round), peer, tag, round);
	}
	t_free(&in);
	return NULL;
}

/* Messages of tag 50 say in their first bytes which they are. */
static void *give(void *arg)
{
	struct t_buf out = t_new(MOST, 0);

	for (int round = 0; round < ROUNDS; round++) {
		int n = 1000 + 613 * round;
		t_fill(out.at, (size_t)n, t_rank, 50, round);
		MPI_Send(out.at, n, MPI_BYTE, peer, 50, comm);
	}
	t_free(&out);
	return NULL;
}

static void *take(void *arg)
{
	struct t_buf in = t_new(MOST, 16);
	MPI_Message message;
	MPI_Status status;
	int n;

	while (__atomic_fetch_add(&taken, 1, __ATOMIC_RELAXED) < ROUNDS) {
		MPI_Mprobe(MPI_ANY_SOURCE, 50, comm, &message, &status);
		MPI_Get_count(&status, MPI_BYTE, &n);
		t_poison(&in);
		MPI_Mrecv(in.at, n, MPI_BYTE, &message, &status);
		STATUS(&status, peer, 50, n);
		CHECK_EQ((n - 1000) % 613, 0);
		GOT(&in, n, peer, 50, (n - 1000) / 613);
	}
	t_free(&in);
	return NULL;
}

static void complete(int how, int n, MPI_Request *request)
{
	int flag = 0, index, got, indices[2 * WINDOW];

	switch (how) {
	case 0:
		MPI_Waitall(n, request, MPI_STATUSES_IGNORE);
		break;
	case 1:
		for (int left = n; left; left--)
			MPI_Waitany(n, request, &index, MPI_STATUS_IGNORE);
		break;
	case 2:
		for (int left = n; left; left -= got)
			MPI_Waitsome(n, request, &got, indices, MPI_STATUSES_IGNORE);
		break;
	case 3:
		while (!flag)
			MPI_Testall(n, request, &flag, MPI_STATUSES_IGNORE);
		break;
	case 4:
		for (int left = n; left; left -= got)
			MPI_Testsome(n, request, &got, indices, MPI_STATUSES_IGNORE);
		break;
	default:
		for (int left = n; left; left -= flag)
			MPI_Testany(n, request, &index, &flag, MPI_STATUS_IGNORE);
	}
}

/* Windows on communicators that come and go. The partner thread of the other rank does the same. */
static void *windows(void *arg)
{
	MPI_Comm mine, own = *(MPI_Comm *)arg;
	struct t_buf out[WINDOW], in[WINDOW];
	MPI_Request request[2 * WINDOW];

	for (int k = 0; k < WINDOW; k++) {
		out[k] = t_new(MOST, 0);
		in[k] = t_new(MOST, (size_t)k * 8);
	}
	for (int round = 0; round < ROUNDS; round++) {
		bool fresh = round % 10 == 0;
		mine = own;
		if (fresh)
			MPI_Comm_dup(own, &mine);
		for (int k = 0; k < WINDOW; k++) {
			int n = size_of(round + k);
			t_poison(&in[k]);
			t_fill(out[k].at, (size_t)n, t_rank, k, round);
			MPI_Irecv(in[k].at, MOST, MPI_BYTE, peer, k, mine, &request[k]);
			MPI_Isend(out[k].at, n, MPI_BYTE, peer, k, mine, &request[WINDOW + k]);
		}
		if (fresh)
			MPI_Comm_free(&mine);
		complete(round % 6, 2 * WINDOW, request);
		for (int k = 0; k < WINDOW; k++)
			GOT(&in[k], size_of(round + k), peer, k, round);
	}
	for (int k = 0; k < WINDOW; k++) {
		t_free(&out[k]);
		t_free(&in[k]);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread[16], watching;
	MPI_Comm own;
	int n = 0;

	t_begin_thread(&argc, &argv, 50, MPI_THREAD_MULTIPLE);
	peer = 1 - t_rank;
	MPI_Comm_dup(MPI_COMM_WORLD, &comm);
	MPI_Comm_dup(MPI_COMM_WORLD, &own);
	CHECK(!pthread_create(&watching, NULL, watcher, NULL));
	for (long i = 0; i < RECEIVERS; i++) {
		CHECK(!pthread_create(&thread[n++], NULL, send_in_order, (void *)(i + 1)));
		CHECK(!pthread_create(&thread[n++], NULL, receive_in_order, (void *)(i + 1)));
	}
	CHECK(!pthread_create(&thread[n++], NULL, give, NULL));
	for (int i = 0; i < TAKERS; i++)
		CHECK(!pthread_create(&thread[n++], NULL, take, NULL));
	CHECK(!pthread_create(&thread[n++], NULL, windows, &own));
	while (n)
		pthread_join(thread[--n], NULL);
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	pthread_join(watching, NULL);
	MPI_Comm_free(&own);
	MPI_Comm_free(&comm);
	return t_end();
}
