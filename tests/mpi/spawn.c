/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Processes of another start (MPI 3.1, 10.3 and 10.4): children of MPI_Comm_spawn have an MPI_COMM_WORLD of their
 * own, in which large messages go one-copy; between parents and children, over the intercommunicator and over the
 * merged one, they fall through. Ranks that are equal in both worlds must not be taken for each other.
 * (MPICH 4.0.2 over UCX cannot spawn.)
 *
 * RUN: np=2 mpi=openmpi expect="fell_through.other_start [1-9]"
 * RUN: np=2 mpi=openmpi VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0 expect="fell_through.other_start [1-9]"
 * RUN: np=2 mpi=openmpi VMONECOPY_THRESHOLD=64 expect="fell_through.other_start [1-9]"
 */
#include "t.h"

#define N 100000
#define CHILDREN 2

/* Everybody to everybody of `others` ranks; what is sent says who one is. */
static void exchange(MPI_Comm comm, int me, int others, int tag)
{
	struct t_buf out = t_new(N, 0), in[8];
	MPI_Request request[16];
	MPI_Status status[16];

	t_fill(out.at, N, me, tag, 0);
	for (int r = 0; r < others; r++) {
		in[r] = t_new(N, (size_t)r * 100);
		MPI_Irecv(in[r].at, N, MPI_BYTE, r, tag, comm, &request[r]);
		MPI_Isend(out.at, N, MPI_BYTE, r, tag, comm, &request[others + r]);
	}
	MPI_Waitall(2 * others, request, status);
	for (int r = 0; r < others; r++) {
		STATUS(&status[r], r, tag, N);
		GOT(&in[r], N, r, tag, 0);
		t_free(&in[r]);
	}
	t_free(&out);
}

/* Probed and received, with a wildcard. */
static void probed(MPI_Comm comm, int me, int others, int tag)
{
	struct t_buf out = t_new(N, 0), in = t_new(N, 8);
	MPI_Request request[8];
	MPI_Status status;

	t_fill(out.at, N, me, tag, 1);
	for (int r = 0; r < others; r++)
		MPI_Isend(out.at, N, MPI_BYTE, r, tag, comm, &request[r]);
	for (int r = 0; r < others; r++) {
		t_poison(&in);
		MPI_Probe(MPI_ANY_SOURCE, tag, comm, &status);
		int source = status.MPI_SOURCE;
		STATUS(&status, source, tag, N);
		MPI_Recv(in.at, N, MPI_BYTE, source, tag, comm, &status);
		GOT(&in, N, source, tag, 1);
	}
	MPI_Waitall(others, request, MPI_STATUSES_IGNORE);
	t_free(&out);
	t_free(&in);
}

static void family(MPI_Comm inter, bool child)
{
	MPI_Comm all;
	int others, rank, size;

	MPI_Comm_remote_size(inter, &others);
	exchange(inter, t_rank, others, 1);
	exchange(MPI_COMM_WORLD, t_rank, t_size, 1);
	probed(inter, t_rank, others, 2);
	MPI_Intercomm_merge(inter, child, &all);
	MPI_Comm_rank(all, &rank);
	MPI_Comm_size(all, &size);
	CHECK_EQ(size, others + t_size);
	exchange(all, rank, size, 3);
	probed(all, rank, size, 4);
	exchange(inter, t_rank, others, 5);
	MPI_Comm_free(&all);
	MPI_Comm_disconnect(&inter);
}

int main(int argc, char **argv)
{
	MPI_Comm parent, children;
	int errors[CHILDREN];

	t_begin(&argc, &argv, 50);
	MPI_Comm_get_parent(&parent);
	if (parent != MPI_COMM_NULL) {
		family(parent, true);
		return MPI_Finalize();
	}
	CHECK_EQ(MPI_Comm_spawn(argv[0], MPI_ARGV_NULL, CHILDREN, MPI_INFO_NULL, 0, MPI_COMM_WORLD, &children, errors),
	         MPI_SUCCESS);
	family(children, false);
	exchange(MPI_COMM_WORLD, t_rank, t_size, 6);
	return t_end();
}
