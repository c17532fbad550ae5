/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * MPI_ANY_SOURCE and MPI_ANY_TAG with several senders, some of them in the receiver's own VM: each
 * message comes once, whole, with its envelope in the status, and in order per sender (MPI 3.1, 3.5).
 *
 * RUN: np=2 expect="(onecopy|staged)_bytes [1-9]"
 * RUN: np=4 XENEMU_DOMAINS=2 expect="fell_through.same_vm [1-9]" expect="pulled_messages [1-9]"
 * RUN: np=4 XENEMU_DOMAINS=2 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0
 * RUN: np=4 XENEMU_DOMAINS=4 VMONECOPY_THRESHOLD=64
 * RUN: np=2 VMONECOPY_MAP_BUDGET=0 VMONECOPY_GRANT_COPY=0 expect="refusals [1-9]"
 */
#include "t.h"

#define ROUNDS 16
#define MOST 60000

static int size_of(int source, int sequence)
{
	static const int sizes[] = { 60000, 100, 20000, 64, 0, 40961, 16384, 8 };

	return sizes[(source + sequence) % 8];
}

static int tag_of(int source, int sequence)
{
	return 10 + (source * 7 + sequence) % 5;
}

static void send_all(int root)
{
	struct t_buf buf[2] = { t_new(MOST, 8), t_new(MOST, 0) };
	MPI_Request request[2] = { MPI_REQUEST_NULL, MPI_REQUEST_NULL };

	for (int i = 0; i < ROUNDS; i++) {
		int n = size_of(t_rank, i), tag = tag_of(t_rank, i);
		MPI_Wait(&request[i % 2], MPI_STATUS_IGNORE);
		t_fill(buf[i % 2].at, (size_t)n, t_rank, tag, i);
		if (i % 3)
			MPI_Isend(buf[i % 2].at, n, MPI_BYTE, root, tag, MPI_COMM_WORLD, &request[i % 2]);
		else
			MPI_Send(buf[i % 2].at, n, MPI_BYTE, root, tag, MPI_COMM_WORLD);
	}
	MPI_Waitall(2, request, MPI_STATUSES_IGNORE);
	t_free(&buf[0]);
	t_free(&buf[1]);
}

/* Any message at all: its number follows from how many of its sender came before. */
static void receive_any(int *next, bool nonblocking)
{
	struct t_buf buf = t_new(MOST, 20);
	MPI_Status status;
	MPI_Request request;

	if (nonblocking) {
		MPI_Irecv(buf.at, MOST, MPI_BYTE, MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &request);
		MPI_Wait(&request, &status);
	} else {
		MPI_Recv(buf.at, MOST, MPI_BYTE, MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &status);
	}
	int source = status.MPI_SOURCE, i = next[source]++, n = size_of(source, i);
	STATUS(&status, source, tag_of(source, i), n);
	GOT(&buf, n, source, tag_of(source, i), i);
	t_free(&buf);
}

/* Several pending at once: receive k of a sender's messages with MPI_ANY_TAG gets its k-th. */
static void receive_window(int source)
{
	struct t_buf buf[ROUNDS];
	MPI_Request request[ROUNDS];
	MPI_Status status[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		buf[i] = t_new(MOST, (size_t)i * 300);
		MPI_Irecv(buf[i].at, MOST, MPI_BYTE, source, MPI_ANY_TAG, MPI_COMM_WORLD, &request[i]);
	}
	MPI_Waitall(ROUNDS, request, status);
	for (int i = 0; i < ROUNDS; i++) {
		int n = size_of(source, i), tag = tag_of(source, i);
		STATUS(&status[i], source, tag, n);
		GOT(&buf[i], n, source, tag, i);
		t_free(&buf[i]);
	}
}

/* MPI_ANY_SOURCE with one tag picks out that tag, past messages of others. */
static void receive_by_tag(void)
{
	struct t_buf buf = t_new(MOST, 0);
	MPI_Status status;

	for (int tag = 14; tag >= 10; tag--)
		for (int source = 1; source < t_size; source++)
			for (int i = 0; i < ROUNDS; i++) {
				if (tag_of(source, i) != tag)
					continue;
				int n = size_of(source, i);
				t_poison(&buf);
				MPI_Recv(buf.at, MOST, MPI_BYTE, source, tag, MPI_COMM_WORLD, &status);
				STATUS(&status, source, tag, n);
				GOT(&buf, n, source, tag, i);
			}
	t_free(&buf);
}

/* So that all tags are unexpected here, nobody waits for its send's completion before the end. */
static void send_pending(int root)
{
	struct t_buf buf[ROUNDS];
	MPI_Request request[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		int n = size_of(t_rank, i), tag = tag_of(t_rank, i);
		buf[i] = t_new(MOST, (size_t)i * 7);
		t_fill(buf[i].at, (size_t)n, t_rank, tag, i);
		MPI_Isend(buf[i].at, n, MPI_BYTE, root, tag, MPI_COMM_WORLD, &request[i]);
	}
	MPI_Waitall(ROUNDS, request, MPI_STATUSES_IGNORE);
	for (int i = 0; i < ROUNDS; i++)
		t_free(&buf[i]);
}

int main(int argc, char **argv)
{
	t_begin(&argc, &argv, 25);
	for (int nonblocking = 0; nonblocking < 2; nonblocking++) {
		int next[64] = { 0 };
		if (t_rank)
			send_all(0);
		for (int i = 0; t_rank == 0 && i < (t_size - 1) * ROUNDS; i++)
			receive_any(next, nonblocking);
		t_sync();
	}
	if (t_rank)
		send_all(0);
	for (int source = 1; t_rank == 0 && source < t_size; source++)
		receive_window(source);
	t_sync();
	if (t_rank)
		send_pending(0);
	else
		receive_by_tag();
	return t_end();
}
