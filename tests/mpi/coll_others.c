/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Collectives and all that is around them: communicators that come and go (their private ones go with them: as many
 * handles are free afterwards as before), the user's own messages pending across collectives, threads with a communicator each,
 * ranks without a co-resident peer or with the library switched off, intercommunicators, nonblocking ones, wrong
 * arguments, and sizes that change when no rank but the sender knows.
 *
 * RUN: np=2 args=free expect="(onecopy|staged)_messages [1-9]"
 * RUN: np=3 XENEMU_DOMAINS=2 args=free expect="(onecopy|staged)_messages [1-9]"
 * RUN: np=3 args=pending expect="(onecopy|staged)_messages [1-9]"
 * RUN: np=3 args=pending VMONECOPY_PATIENCE_US=0 VMONECOPY_ADMISSION=1 expect="onecopy_messages [1-9]"
 * RUN: np=3 args=pending VMONECOPY_MAP_BUDGET=0 VMONECOPY_GRANT_COPY=0 expect="refusals [1-9]"
 * RUN: np=3 args=threads timeout=60 expect="(onecopy|staged)_messages [1-9]"
 * RUN: np=3 args=alone expect="(onecopy|staged)_messages [1-9]" expect="not_coresident [1-9]"
 * RUN: np=3 args=off
 * RUN: np=3 args=inter expect="fell_through.intercommunicator [1-9]"
 * RUN: np=3 args=later expect="fell_through.nonblocking_collective [1-9]"
 * RUN: np=3 args=wrong expect="(onecopy|staged)_messages [1-9]"
 * RUN: np=3 args=change expect="fell_through.not_agreed [1-9]" expect="(onecopy|staged)_messages [1-9]"
 * RUN: np=4 XENEMU_DOMAINS=2 args=vm expect="fell_through.no_pair [1-9]"
 */
#include "coll.h"

#include <pthread.h>

#define LARGE 40000	/* bytes; above the threshold */

/* Every rank gives every other one a piece; checked. Any communicator. */
static void exchange(MPI_Comm comm, int sequence, int bytes)
{
	int rank, size;

	MPI_Comm_rank(comm, &rank);
	MPI_Comm_size(comm, &size);
	char *out = malloc((size_t)bytes * (size_t)size + 8), *in = malloc((size_t)bytes * (size_t)size + 8);
	for (int r = 0; r < size; r++)
		t_fill(out + r * bytes, (size_t)bytes, rank, r, sequence);
	memset(in, T_POISON, (size_t)bytes * (size_t)size);
	MPI_Alltoall(out, bytes, MPI_BYTE, in, bytes, MPI_BYTE, comm);
	for (int r = 0; r < size; r++)
		VERIFY(in + r * bytes, bytes, r, rank, sequence);
	free(out);
	free(in);
}

static void broadcast(MPI_Comm comm, int root, int sequence, int bytes)
{
	char *buf = malloc((size_t)bytes);
	int rank;

	MPI_Comm_rank(comm, &rank);
	memset(buf, T_POISON, (size_t)bytes);
	if (rank == root)
		t_fill(buf, (size_t)bytes, root, 0, sequence);
	MPI_Bcast(buf, bytes, MPI_BYTE, root, comm);
	VERIFY(buf, bytes, root, 0, sequence);
	free(buf);
}

static void sum_up(MPI_Comm comm, int count)
{
	int *in = malloc(sizeof(int) * (size_t)count), *out = malloc(sizeof(int) * (size_t)count), size;

	MPI_Comm_size(comm, &size);
	for (int i = 0; i < count; i++)
		out[i] = i;
	MPI_Allreduce(out, in, count, MPI_INT, MPI_SUM, comm);
	for (int i = 0; i < count; i++)
		CHECK_EQ(in[i], size * i);
	free(in);
	free(out);
}

static void all_of_them(MPI_Comm comm, int sequence)
{
	int size;

	MPI_Comm_size(comm, &size);
	exchange(comm, sequence, LARGE);
	broadcast(comm, sequence % size, sequence, LARGE);
	sum_up(comm, LARGE);
}

#define FRESH 40

/* Handles (in Fortran's numbers) of so many communicators made now; an MPI takes freed ones again. */
static void fresh_handles(MPI_Fint handle[FRESH])
{
	MPI_Comm comm[FRESH];

	for (int i = 0; i < FRESH; i++) {
		MPI_Comm_dup(MPI_COMM_SELF, &comm[i]);
		handle[i] = MPI_Comm_c2f(comm[i]);
	}
	for (int i = 0; i < FRESH; i++)
		MPI_Comm_free(&comm[i]);
}

static bool among(MPI_Fint handle, const MPI_Fint handles[FRESH])
{
	for (int i = 0; i < FRESH; i++)
		if (handles[i] == handle)
			return true;
	return false;
}

static void run_free(void)
{
	MPI_Fint before[FRESH], after[FRESH];

	all_of_them(MPI_COMM_WORLD, 0);
	fresh_handles(before);
	for (int i = 0; i < 25; i++) {
		MPI_Comm comm;
		MPI_Comm_split(MPI_COMM_WORLD, 0, i % 2 ? t_rank : -t_rank, &comm);
		all_of_them(comm, i);
		MPI_Comm_free(&comm);
	}
	fresh_handles(after);
	for (int i = 0; i < FRESH; i++)
		CHECK(among(after[i], before));
}

static void run_pending(void)
{
	int to = (t_rank + 1) % t_size, from = (t_rank + t_size - 1) % t_size;
	char *out = malloc(300000), *in = malloc(300000);
	MPI_Request requests[2];

	for (int i = 0; i < 20; i++) {
		t_fill(out, 300000, t_rank, 9, i);
		MPI_Irecv(in, 300000, MPI_BYTE, from, 9, MPI_COMM_WORLD, &requests[0]);
		all_of_them(MPI_COMM_WORLD, i);
		MPI_Isend(out, 300000, MPI_BYTE, to, 9, MPI_COMM_WORLD, &requests[1]);
		all_of_them(MPI_COMM_WORLD, i + 1000);
		if (i % 2)
			MPI_Send(out, 0, MPI_BYTE, to, 10, MPI_COMM_WORLD);
		all_of_them(MPI_COMM_WORLD, i + 2000);
		MPI_Waitall(2, requests, MPI_STATUSES_IGNORE);
		VERIFY(in, 300000, from, 9, i);
		if (i % 2)
			MPI_Recv(in, 0, MPI_BYTE, from, 10, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	}
	free(in);
	free(out);
}

static void *in_thread(void *comm)
{
	for (int i = 0; i < 15; i++)
		all_of_them(*(MPI_Comm *)comm, i);
	return NULL;
}

static void run_threads(void)
{
	pthread_t thread[3];
	MPI_Comm comm[3];

	for (int i = 0; i < 3; i++)
		MPI_Comm_dup(MPI_COMM_WORLD, &comm[i]);
	for (int i = 0; i < 3; i++)
		pthread_create(&thread[i], NULL, in_thread, &comm[i]);
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	for (int i = 0; i < 3; i++)
		MPI_Comm_free(&comm[i]);
}

static void run_plain(void)
{
	for (int i = 0; i < 20; i++)
		all_of_them(MPI_COMM_WORLD, i);
}

static void run_inter(void)
{
	MPI_Comm half, inter;
	char *buf = malloc(LARGE);

	MPI_Comm_split(MPI_COMM_WORLD, t_rank == 0, 0, &half);
	MPI_Intercomm_create(half, 0, MPI_COMM_WORLD, t_rank == 0, 3, &inter);
	t_fill(buf, LARGE, 0, 0, 1);
	if (t_rank)
		memset(buf, T_POISON, LARGE);
	MPI_Bcast(buf, LARGE, MPI_BYTE, t_rank ? 0 : MPI_ROOT, inter);
	VERIFY(buf, LARGE, 0, 0, 1);
	char *in = malloc((size_t)(LARGE * t_size));
	t_fill(buf, LARGE, t_rank, 0, 2);
	MPI_Allgather(buf, LARGE, MPI_BYTE, in, LARGE, MPI_BYTE, inter);
	for (int i = 0; t_rank == 0 && i < t_size - 1; i++)
		VERIFY(in + i * LARGE, LARGE, i + 1, 0, 2);
	if (t_rank)
		VERIFY(in, LARGE, 0, 0, 2);
	free(in);
	free(buf);
	MPI_Comm_free(&inter);
	MPI_Comm_free(&half);
}

static void run_later(void)
{
	char *out = malloc((size_t)(LARGE * t_size)), *in = malloc((size_t)(LARGE * t_size));
	MPI_Request request;

	for (int i = 0; i < 10; i++) {
		for (int r = 0; r < t_size; r++)
			t_fill(out + r * LARGE, LARGE, t_rank, r, i);
		MPI_Ialltoall(out, LARGE, MPI_BYTE, in, LARGE, MPI_BYTE, MPI_COMM_WORLD, &request);
		all_of_them(MPI_COMM_WORLD, i);
		MPI_Wait(&request, MPI_STATUS_IGNORE);
		for (int r = 0; r < t_size; r++)
			VERIFY(in + r * LARGE, LARGE, r, t_rank, i);
	}
	free(in);
	free(out);
}

/* All ranks call wrongly, get the MPI's own error, and go on. */
static void run_wrong(void)
{
	static double a[LARGE], b[LARGE];
	MPI_Datatype pair;

	MPI_Type_contiguous(2, MPI_DOUBLE, &pair);
	MPI_Type_commit(&pair);
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
	for (int i = 0; i < 3; i++) {
		CHECK_CLASS(MPI_Bcast(a, -1, MPI_DOUBLE, 0, MPI_COMM_WORLD), MPI_ERR_COUNT);
		CHECK_CLASS(MPI_Bcast(a, LARGE, MPI_DOUBLE, 99, MPI_COMM_WORLD), MPI_ERR_ROOT);
		CHECK_CLASS(MPI_Bcast(a, LARGE, MPI_DATATYPE_NULL, 0, MPI_COMM_WORLD), MPI_ERR_TYPE);
		CHECK_CLASS(MPI_Allreduce(a, b, LARGE, MPI_DOUBLE, MPI_OP_NULL, MPI_COMM_WORLD), MPI_ERR_OP);
		CHECK_CLASS(MPI_Allreduce(a, b, LARGE / 2, pair, MPI_SUM, MPI_COMM_WORLD), MPI_ERR_OP);
		CHECK_CLASS(MPI_Allreduce(a, b, LARGE, MPI_DOUBLE, MPI_BXOR, MPI_COMM_WORLD), MPI_ERR_OP);
		all_of_them(MPI_COMM_WORLD, i);
	}
	MPI_Type_free(&pair);
}

/* Only one rank has something large to give, and it begins suddenly. */
static void run_change(void)
{
	int scounts[8], rcounts[8], displs[8];
	char *out = malloc((size_t)(LARGE * t_size)), *in = malloc((size_t)(LARGE * t_size));

	for (int i = 0; i < 400; i++) {
		for (int r = 0; r < t_size; r++) {
			bool large = i > 150 && i % 3 == 0;
			scounts[r] = large && t_rank == 1 ? LARGE - r : 8;
			rcounts[r] = large && r == 1 ? LARGE - t_rank : 8;
			displs[r] = LARGE * r;
			t_fill(out + displs[r], (size_t)scounts[r], t_rank, r, i);
		}
		MPI_Alltoallv(out, scounts, displs, MPI_BYTE, in, rcounts, displs, MPI_BYTE, MPI_COMM_WORLD);
		for (int r = 0; r < t_size; r++)
			VERIFY(in + displs[r], rcounts[r], r, t_rank, i);
	}
	free(in);
	free(out);
}

/* A communicator within one VM: no pair is on. */
static void run_vm(void)
{
	MPI_Comm vm;

	MPI_Comm_split(MPI_COMM_WORLD, t_rank % 2, 0, &vm);
	for (int i = 0; i < 5; i++)
		all_of_them(vm, i);
	MPI_Comm_free(&vm);
}

static const struct { const char *name; void (*run)(void); } runs[] = {
	{ "free", run_free }, { "pending", run_pending }, { "threads", run_threads }, { "alone", run_plain },
	{ "off", run_plain }, { "inter", run_inter }, { "later", run_later }, { "wrong", run_wrong },
	{ "change", run_change }, { "vm", run_vm },
};

/* Before MPI_Init: the last rank has other options. */
static void change_environment(const char *name)
{
	const char *rank = getenv("PMI_RANK") ? getenv("PMI_RANK") : getenv("OMPI_COMM_WORLD_RANK");

	if (!rank || atoi(rank) != 2)
		return;
	if (!strcmp(name, "alone"))
		setenv("VMONECOPY_XEN", "real", 1);
	if (!strcmp(name, "off"))
		setenv("VMONECOPY", "0", 1);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "free";
	bool done = false;

	change_environment(name);
	if (!strcmp(name, "threads"))
		t_begin_thread(&argc, &argv, 50, MPI_THREAD_MULTIPLE);
	else
		t_begin(&argc, &argv, 50);
	for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++)
		if (!strcmp(runs[i].name, name)) {
			runs[i].run();
			done = true;
		}
	CHECK(done);
	return t_end();
}
