/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * MPI_THREAD_MULTIPLE (MPI 3.1, 12.4): four threads of each rank, each with its own partner thread, tags and
 * half of them with a communicator of their own; large and small messages; blocking, nonblocking, probed,
 * persistent and combined calls at once.
 *
 * RUN: np=2 expect="(onecopy|staged)_bytes [1-9]"
 * RUN: np=2 VMONECOPY_ADMISSION=1
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0
 * RUN: np=2 VMONECOPY_MAP_BUDGET=0 expect="grant_copy_bytes [1-9]"
 * RUN: np=2 VMONECOPY_MAP_BUDGET=0 VMONECOPY_GRANT_COPY=0 expect="refusals [1-9]"
 */
#include "t.h"

#include <pthread.h>

#define THREADS 4
#define ROUNDS 50
#define MOST 60000
#define WINDOW 3

static MPI_Comm comm_of[THREADS];
static int peer;

struct worker {
	int id;
	MPI_Comm comm;
	struct t_buf out[WINDOW], in[WINDOW];
};

static int size_of(int round, int k)
{
	static const int sizes[] = { MOST, 100, 16384, 64, 40000, 0, 33333 };

	return sizes[(round + k) % 7];
}

static void exchange(struct worker *w, int tag, int round)
{
	MPI_Request request[2 * WINDOW];
	MPI_Status status[2 * WINDOW];

	for (int k = 0; k < WINDOW; k++) {
		t_poison(&w->in[k]);
		MPI_Irecv(w->in[k].at, MOST, MPI_BYTE, peer, tag + k, w->comm, &request[k]);
	}
	for (int k = 0; k < WINDOW; k++) {
		t_fill(w->out[k].at, (size_t)size_of(round, k), t_rank, tag + k, round);
		MPI_Isend(w->out[k].at, size_of(round, k), MPI_BYTE, peer, tag + k, w->comm, &request[WINDOW + k]);
	}
	if (round % 2) {
		MPI_Waitall(2 * WINDOW, request, status);
	} else {
		for (int left = 2 * WINDOW, index; left; left--) {
			MPI_Status one;
			MPI_Waitany(2 * WINDOW, request, &index, &one);
			status[index] = one;
		}
	}
	for (int k = 0; k < WINDOW; k++) {
		STATUS(&status[k], peer, tag + k, size_of(round, k));
		GOT(&w->in[k], size_of(round, k), peer, tag + k, round);
	}
}

static void in_turn(struct worker *w, int tag, int round)
{
	int n = size_of(round, 0);
	MPI_Status status;

	t_poison(&w->in[0]);
	t_fill(w->out[0].at, (size_t)n, t_rank, tag, round);
	if (t_rank == 0)
		MPI_Send(w->out[0].at, n, MPI_BYTE, peer, tag, w->comm);
	if (round % 3 == 0) {
		MPI_Message message;
		MPI_Mprobe(peer, tag, w->comm, &message, &status);
		STATUS(&status, peer, tag, n);
		MPI_Mrecv(w->in[0].at, MOST, MPI_BYTE, &message, &status);
	} else if (round % 3 == 1) {
		MPI_Probe(peer, tag, w->comm, &status);
		STATUS(&status, peer, tag, n);
		MPI_Recv(w->in[0].at, MOST, MPI_BYTE, peer, tag, w->comm, &status);
	} else {
		MPI_Recv(w->in[0].at, MOST, MPI_BYTE, peer, tag, w->comm, &status);
	}
	if (t_rank == 1)
		MPI_Send(w->out[0].at, n, MPI_BYTE, peer, tag, w->comm);
	STATUS(&status, peer, tag, n);
	GOT(&w->in[0], n, peer, tag, round);
}

static void combined(struct worker *w, int tag, int round)
{
	int n = size_of(round, 1);
	MPI_Status status;

	t_poison(&w->in[1]);
	t_fill(w->out[1].at, (size_t)n, t_rank, tag, round);
	MPI_Sendrecv(w->out[1].at, n, MPI_BYTE, peer, tag, w->in[1].at, MOST, MPI_BYTE, peer, tag, w->comm, &status);
	STATUS(&status, peer, tag, n);
	GOT(&w->in[1], n, peer, tag, round);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	int tag = 100 * (w->id + 1);

	for (int round = 0; round < ROUNDS; round++) {
		exchange(w, tag, round);
		in_turn(w, tag + 10, round);
		combined(w, tag + 20, round);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct worker worker[THREADS];
	pthread_t thread[THREADS];

	t_begin_thread(&argc, &argv, 30, MPI_THREAD_MULTIPLE);
	peer = 1 - t_rank;
	for (int i = 0; i < THREADS; i++) {
		comm_of[i] = MPI_COMM_WORLD;
		if (i % 2)
			MPI_Comm_dup(MPI_COMM_WORLD, &comm_of[i]);
		worker[i] = (struct worker){ .id = i, .comm = comm_of[i] };
		for (int k = 0; k < WINDOW; k++) {
			worker[i].in[k] = t_new(MOST, (size_t)k * 40);
			worker[i].out[k] = t_new(MOST, (size_t)k * 8);
		}
	}
	for (int i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&thread[i], NULL, work, &worker[i]));
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	return t_end();
}
