/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pair.h: two ranks and two ways between them: MPI, or memcpy out of a kept shared mapping.
 *
 * The second is the limit that the first can reach: the sender writes into the mapping as it would into its
 * send buffer, raises a counter, the receiver copies into a private buffer and raises another.
 */
#ifndef VMOBENCH_PAIR_H
#define VMOBENCH_PAIR_H

#include <mpi.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WINDOW = 256 };

/* The two ends and the way between them: MPI, or shared memory. send and recv move `count` messages of one size. */
static struct pair {
	const char *name;
	int rank;
	long errors;              /* seen by this rank */
	char *out;                /* send buffer */
	char *in[MAX_WINDOW];     /* receive buffers */
	void (*send)(size_t bytes, int count);
	void (*recv)(size_t bytes, int count);
	long (*agree)(long value); /* both get rank 0's value; a barrier of sorts */
	long (*add)(long value);   /* sum over both ranks */
} pair;

static void fail(const char *what)
{
	fprintf(stderr, "vmobench: %s\n", what);
	exit(2);
}

/* ---- the pair over MPI ---- */

static void mpi_send(size_t bytes, int count)
{
	MPI_Request request[MAX_WINDOW];
	MPI_Status status[MAX_WINDOW];

	if (count == 1) {
		MPI_Send(pair.out, (int)bytes, MPI_BYTE, 1 - pair.rank, 1, MPI_COMM_WORLD);
		return;
	}
	for (int i = 0; i < count; i++)
		MPI_Isend(pair.out, (int)bytes, MPI_BYTE, 1 - pair.rank, 2, MPI_COMM_WORLD, &request[i]);
	MPI_Waitall(count, request, status);
}

static void check_status(MPI_Status *status, size_t bytes)
{
	int count = -1;

	MPI_Get_count(status, MPI_BYTE, &count);
	if ((size_t)count != bytes && pair.errors++ == 0)
		fprintf(stderr, "vmobench: rank %d: status says %d bytes, sent were %zu\n", pair.rank, count, bytes);
}

static void mpi_recv(size_t bytes, int count)
{
	MPI_Request request[MAX_WINDOW];
	MPI_Status status[MAX_WINDOW];

	if (count == 1)
		MPI_Recv(pair.in[0], (int)bytes, MPI_BYTE, 1 - pair.rank, 1, MPI_COMM_WORLD, &status[0]);
	for (int i = 0; count > 1 && i < count; i++)
		MPI_Irecv(pair.in[i], (int)bytes, MPI_BYTE, 1 - pair.rank, 2, MPI_COMM_WORLD, &request[i]);
	if (count > 1)
		MPI_Waitall(count, request, status);
	for (int i = 0; i < count; i++)
		check_status(&status[i], bytes);
}

static long mpi_agree(long value)
{
	MPI_Barrier(MPI_COMM_WORLD);
	MPI_Bcast(&value, 1, MPI_LONG, 0, MPI_COMM_WORLD);
	return value;
}

static long mpi_add(long value)
{
	long sum = 0;

	MPI_Allreduce(&value, &sum, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
	return sum;
}

/* ---- the pair over a kept shared mapping: the limit ---- */

/* From one rank to the other: posted and taken count messages. The reader copies out of the writer's buffer. */
struct lane {
	_Alignas(64) _Atomic long posted;
	_Alignas(64) _Atomic long taken;
	_Alignas(64) _Atomic long turn; /* of agree and add */
	long value;
	char *buffer;
};
static struct lane *lane; /* [2], by writer */

static long spin_turns = 20000; /* on one core only: none */

static void await(_Atomic long *counter, long least)
{
	for (long turns = 0; atomic_load_explicit(counter, memory_order_acquire) < least; turns++)
		if (turns >= spin_turns)
			sched_yield(); /* one core only, or a late peer */
}

static void memory_send(size_t bytes, int count)
{
	struct lane *mine = &lane[pair.rank];
	long posted = atomic_load_explicit(&mine->posted, memory_order_relaxed) + count;

	(void)bytes;
	atomic_store_explicit(&mine->posted, posted, memory_order_release);
	await(&mine->taken, posted);
}

static void memory_recv(size_t bytes, int count)
{
	struct lane *theirs = &lane[1 - pair.rank];
	long taken = atomic_load_explicit(&theirs->taken, memory_order_relaxed);

	for (int i = 0; i < count; i++) {
		await(&theirs->posted, taken + 1);
		memcpy(pair.in[i], theirs->buffer, bytes);
		atomic_store_explicit(&theirs->taken, ++taken, memory_order_release);
	}
}

/* Both put a value and learn the other's. Two turns, so that none overwrites what the other has not read. */
static long memory_exchange(long value)
{
	struct lane *mine = &lane[pair.rank], *theirs = &lane[1 - pair.rank];
	long turn = atomic_load_explicit(&mine->turn, memory_order_relaxed), other;

	mine->value = value;
	atomic_store_explicit(&mine->turn, turn + 1, memory_order_release);
	await(&theirs->turn, turn + 1);
	other = theirs->value;
	atomic_store_explicit(&mine->turn, turn + 2, memory_order_release);
	await(&theirs->turn, turn + 2);
	return other;
}

static long memory_agree(long value)
{
	long other = memory_exchange(value);

	return pair.rank == 0 ? value : other;
}

static long memory_add(long value)
{
	return value + memory_exchange(value);
}

#endif
