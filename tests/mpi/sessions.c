/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * MPI 4.0, 11.3: a program that uses sessions alone never calls MPI_Init: all goes to the MPI. Where it does both,
 * a session's communicator is in use before MPI_Init and after MPI_Finalize: it falls through, and MPI_COMM_WORLD
 * goes one-copy.
 *
 * RUN: np=2 mpi=mpich args=alone expect="sessions ok"
 * RUN: np=2 mpi=mpich args=around expect="sessions ok" expect="fell_through.session [1-9]" expect="(onecopy|staged)_bytes [1-9]"
 * RUN: np=2 mpi=mpich args=around VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0 expect="sessions ok" expect="MPI_Session_init 2"
 * RUN: np=2 mpi=mpich args=after expect="sessions ok" expect="fell_through.session [1-9]"
 * RUN: np=2 mpi=mpich args=alone VMONECOPY=0 expect="sessions ok"
 */
#include "t.h"

#define N 100000

#if MPI_VERSION < 4

int main(void)
{
	puts("SKIP: this MPI has no sessions");
	return 77;
}

#else

static MPI_Session session;

static MPI_Comm session_comm(void)
{
	MPI_Group group;
	MPI_Comm comm;

	CHECK_EQ(MPI_Session_init(MPI_INFO_NULL, MPI_ERRORS_ARE_FATAL, &session), MPI_SUCCESS);
	MPI_Group_from_session_pset(session, "mpi://WORLD", &group);
	MPI_Comm_create_from_group(group, "a test", MPI_INFO_NULL, MPI_ERRORS_ARE_FATAL, &comm);
	MPI_Group_free(&group);
	MPI_Comm_rank(comm, &t_rank);
	MPI_Comm_size(comm, &t_size);
	return comm;
}

static void post(MPI_Comm comm, struct t_buf *in, int tag, MPI_Request *request)
{
	*in = t_new(N, 8);
	MPI_Irecv(in->at, N, MPI_BYTE, 1 - t_rank, tag, comm, request);
}

static void complete(MPI_Comm comm, struct t_buf *in, int tag, MPI_Request *request)
{
	struct t_buf out = t_new(N, 0);
	MPI_Status status;

	t_fill(out.at, N, t_rank, tag, 0);
	MPI_Send(out.at, N, MPI_BYTE, 1 - t_rank, tag, comm);
	MPI_Wait(request, &status);
	STATUS(&status, 1 - t_rank, tag, N);
	GOT(in, N, 1 - t_rank, tag, 0);
	t_free(&out);
	t_free(in);
}

static void exchange(MPI_Comm comm, int tag)
{
	MPI_Request request;
	struct t_buf in;

	post(comm, &in, tag, &request);
	complete(comm, &in, tag, &request);
}

static void over(MPI_Comm comm)
{
	MPI_Comm_free(&comm);
	MPI_Session_finalize(&session);
	if (t_rank == 0)
		puts("sessions ok");
	fflush(stdout);
}

/* A receive that is posted before MPI_Init is completed after; one before MPI_Finalize likewise. */
static int around(int argc, char **argv)
{
	MPI_Comm comm = session_comm();
	MPI_Request request;
	struct t_buf in;

	exchange(comm, 1);
	post(comm, &in, 2, &request);
	MPI_Init(&argc, &argv);
	complete(comm, &in, 2, &request);
	exchange(comm, 3);
	exchange(MPI_COMM_WORLD, 4);
	post(comm, &in, 5, &request);
	MPI_Finalize();
	complete(comm, &in, 5, &request);
	exchange(comm, 6);
	over(comm);
	return 0;
}

static int after(int argc, char **argv)
{
	MPI_Init(&argc, &argv);
	MPI_Comm comm = session_comm();
	exchange(MPI_COMM_WORLD, 1);
	exchange(comm, 2);
	MPI_Finalize();
	exchange(comm, 3);
	over(comm);
	return 0;
}

int main(int argc, char **argv)
{
	alarm(20);
	if (argc < 2 || !strcmp(argv[1], "alone")) {
		MPI_Comm comm = session_comm();
		for (int i = 0; i < 10; i++)
			exchange(comm, i);
		over(comm);
		return 0;
	}
	return !strcmp(argv[1], "around") ? around(argc, argv) : after(argc, argv);
}
#endif
