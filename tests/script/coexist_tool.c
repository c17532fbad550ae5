/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * coexist_tool.c: a small PMPI tool, as profilers are: defines MPI_X, counts, calls PMPI_X. At its end each rank
 * prints one line "tool: Send N Recv N ..." on stderr (the launchers' shells and helpers, which called nothing, do not).
 */
#include <mpi.h>

#include <stdio.h>

static int sends, recvs, isends, irecvs, waitalls, bcasts, allreduces, barriers;

int MPI_Send(const void *buf, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm)
{
	sends++;
	return PMPI_Send(buf, count, type, dest, tag, comm);
}

int MPI_Recv(void *buf, int count, MPI_Datatype type, int source, int tag, MPI_Comm comm, MPI_Status *status)
{
	recvs++;
	return PMPI_Recv(buf, count, type, source, tag, comm, status);
}

int MPI_Isend(const void *buf, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm, MPI_Request *request)
{
	isends++;
	return PMPI_Isend(buf, count, type, dest, tag, comm, request);
}

int MPI_Irecv(void *buf, int count, MPI_Datatype type, int source, int tag, MPI_Comm comm, MPI_Request *request)
{
	irecvs++;
	return PMPI_Irecv(buf, count, type, source, tag, comm, request);
}

int MPI_Waitall(int n, MPI_Request requests[], MPI_Status statuses[])
{
	waitalls++;
	return PMPI_Waitall(n, requests, statuses);
}

int MPI_Bcast(void *buf, int count, MPI_Datatype type, int root, MPI_Comm comm)
{
	bcasts++;
	return PMPI_Bcast(buf, count, type, root, comm);
}

int MPI_Allreduce(const void *from, void *to, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm)
{
	allreduces++;
	return PMPI_Allreduce(from, to, count, type, op, comm);
}

int MPI_Barrier(MPI_Comm comm)
{
	barriers++;
	return PMPI_Barrier(comm);
}

static void __attribute__((destructor)) print_counts(void)
{
	if (!barriers)
		return;
	fprintf(stderr, "tool: Send %d Recv %d Isend %d Irecv %d Waitall %d Bcast %d Allreduce %d Barrier %d\n", sends, recvs,
	        isends, irecvs, waitalls, bcasts, allreduces, barriers);
}
