/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ranks in a communicator are not those in MPI_COMM_WORLD: duplicates, a split with the ranks reversed,
 * an intercommunicator, a part of the world, MPI_COMM_SELF (MPI 3.1, 6.4, 6.6). The same tags are in
 * flight on several communicators at once. A communicator is freed with its traffic pending (6.4.3).
 *
 * RUN: np=2 expect="(onecopy|staged)_bytes [1-9]"
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0
 * RUN: np=4 XENEMU_DOMAINS=2 expect="fell_through.same_vm [1-9]"
 * RUN: np=3 expect="pulled_messages [1-9]"
 */
#include "t.h"

#define N 30000
#define COMMS 3

static MPI_Comm reversed(void)
{
	MPI_Comm comm;

	MPI_Comm_split(MPI_COMM_WORLD, 0, -t_rank, &comm);
	return comm;
}

/* Everybody to everybody, by ranks of this communicator. */
static void all_to_all(MPI_Comm comm, int tag)
{
	int me, size;
	struct t_buf out = t_new(N, 0), in[8];
	MPI_Request request[16];
	MPI_Status status[16];

	MPI_Comm_rank(comm, &me);
	MPI_Comm_size(comm, &size);
	t_fill(out.at, N, me, tag, size);
	for (int r = 0; r < size; r++) {
		in[r] = t_new(N, (size_t)r * 100);
		MPI_Irecv(in[r].at, N, MPI_BYTE, r, tag, comm, &request[r]);
	}
	for (int r = 0; r < size; r++)
		MPI_Isend(out.at, N, MPI_BYTE, r, tag, comm, &request[size + r]);
	MPI_Waitall(2 * size, request, status);
	for (int r = 0; r < size; r++) {
		STATUS(&status[r], r, tag, N);
		GOT(&in[r], N, r, tag, size);
		t_free(&in[r]);
	}
	t_free(&out);
}

/* Messages with one tag and size on all communicators, posted in another order than sent. */
static void same_tags(MPI_Comm comm[COMMS])
{
	struct t_buf out[COMMS], in[COMMS];
	MPI_Request request[2 * COMMS];

	for (int c = 0; c < COMMS; c++) {
		int me, size;
		MPI_Comm_rank(comm[c], &me);
		MPI_Comm_size(comm[c], &size);
		out[c] = t_new(N, 8);
		t_fill(out[c].at, N, me, 5, c);
		MPI_Isend(out[c].at, N, MPI_BYTE, (me + 1) % size, 5, comm[c], &request[c]);
	}
	for (int c = COMMS - 1; c >= 0; c--) {
		in[c] = t_new(N, 16);
		MPI_Irecv(in[c].at, N, MPI_BYTE, MPI_ANY_SOURCE, MPI_ANY_TAG, comm[c], &request[COMMS + c]);
	}
	MPI_Waitall(2 * COMMS, request, MPI_STATUSES_IGNORE);
	for (int c = 0; c < COMMS; c++) {
		int me, size;
		MPI_Comm_rank(comm[c], &me);
		MPI_Comm_size(comm[c], &size);
		GOT(&in[c], N, (me + size - 1) % size, 5, c);
		t_free(&in[c]);
		t_free(&out[c]);
	}
}

/* Even world ranks against odd ones: a rank of an intercommunicator is one of the other group. */
static void between_groups(void)
{
	MPI_Comm part, inter;
	int me, others;
	MPI_Status status;

	MPI_Comm_split(MPI_COMM_WORLD, t_rank % 2, -t_rank, &part);
	MPI_Comm_rank(part, &me);
	/* the leader is the last of its parity: world ranks are reversed in a part */
	int last = t_size - 1, leader = last % 2 == t_rank % 2 ? last - 1 : last;
	MPI_Intercomm_create(part, 0, MPI_COMM_WORLD, leader, 9, &inter);
	MPI_Comm_remote_size(inter, &others);
	struct t_buf buf = t_new(N, 4);
	for (int r = 0; r < others; r++) {
		MPI_Request request;
		struct t_buf out = t_new(N, 0);
		t_fill(out.at, N, t_rank, 11, r);
		MPI_Isend(out.at, N, MPI_BYTE, r, 11, inter, &request);
		t_poison(&buf);
		MPI_Recv(buf.at, N, MPI_BYTE, r, 11, inter, &status);
		/* rank r of the other part, in the world: reversed within its parity */
		int highest = leader, world = highest - 2 * r;
		STATUS(&status, r, 11, N);
		GOT(&buf, N, world, 11, me);
		MPI_Wait(&request, MPI_STATUS_IGNORE);
		t_free(&out);
	}
	t_free(&buf);
	MPI_Comm_free(&inter);
	MPI_Comm_free(&part);
}

/* Marked for deletion while a send and a receive are pending: both complete (MPI 3.1, 6.4.3). */
static void freed_while_pending(bool receive_first)
{
	struct t_buf out = t_new(N, 0), in = t_new(N, 0);
	MPI_Request request[2];
	MPI_Status status;
	MPI_Comm comm;
	int to = (t_rank + 1) % t_size, from = (t_rank + t_size - 1) % t_size;

	MPI_Comm_dup(MPI_COMM_WORLD, &comm);
	t_fill(out.at, N, t_rank, 12, 0);
	if (receive_first)
		MPI_Irecv(in.at, N, MPI_BYTE, from, 12, comm, &request[0]);
	MPI_Isend(out.at, N, MPI_BYTE, to, 12, comm, &request[1]);
	if (!receive_first)
		MPI_Irecv(in.at, N, MPI_BYTE, from, 12, comm, &request[0]);
	MPI_Comm_free(&comm);
	MPI_Wait(&request[0], &status);
	STATUS(&status, from, 12, N);
	GOT(&in, N, from, 12, 0);
	MPI_Wait(&request[1], MPI_STATUS_IGNORE);
	t_free(&out);
	t_free(&in);
}

int main(int argc, char **argv)
{
	MPI_Comm comm[COMMS];

	t_begin(&argc, &argv, 20);
	comm[0] = MPI_COMM_WORLD;
	comm[1] = reversed();
	MPI_Comm_dup(comm[1], &comm[2]);
	for (int c = 0; c < COMMS; c++)
		all_to_all(comm[c], 3);
	all_to_all(MPI_COMM_SELF, 3);
	for (int i = 0; i < 5; i++)
		same_tags(comm);
	between_groups();
	for (int i = 0; i < 6; i++)
		freed_while_pending(i % 2);
	MPI_Comm_free(&comm[1]);
	MPI_Comm_free(&comm[2]);
	for (int i = 0; i < 20; i++) {		/* handles and attributes of freed ones come again */
		MPI_Comm dup;
		MPI_Comm_dup(MPI_COMM_WORLD, &dup);
		all_to_all(dup, i);
		MPI_Comm_free(&dup);
	}
	return t_end();
}
