/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Nonblocking and persistent collectives are MPI's: it would have to come back here to make progress, and a program may
 * wait for them by any of its calls. What is large among co-resident ranks is counted, in bytes that this rank puts in;
 * a persistent one once, when it is made.
 */
#include "mpi_coll_later.h"

/* This many bytes that a rank puts in, on a communicator where some might have gone one-copy. */
static void later(MPI_Comm comm, MPI_Count bytes, enum vmo_reason reason)
{
	struct vmo_comm_map *map;

	if (shim.coll.usable && bytes >= shim.coll.pair && comm != MPI_COMM_NULL && (map = vmo_comm_known(comm)) && map->any_on)
		vmo_fall_through(reason, (uint64_t)bytes);
}

void vmo_later_even(MPI_Comm comm, MPI_Count count, MPI_Datatype type, enum vmo_reason reason)
{
	if (shim.coll.usable)
		later(comm, vmo_coll_bytes(count, type), reason);
}

/* One argument or the other, where the first may be MPI_IN_PLACE. */
void vmo_later_either(MPI_Comm comm, const void *buf, MPI_Count count, MPI_Datatype type, MPI_Count or_count,
                      MPI_Datatype or_type, enum vmo_reason reason)
{
	if (buf == MPI_IN_PLACE)
		vmo_later_even(comm, or_count, or_type, reason);
	else
		vmo_later_even(comm, count, type, reason);
}

bool vmo_later_here(MPI_Comm comm, int root)
{
	int rank = -1;

	return shim.coll.usable && comm != MPI_COMM_NULL && shim.mpi.Comm_rank(comm, &rank) == MPI_SUCCESS && rank == root;
}

/* Pieces for all ranks. */
void vmo_later_arrays(MPI_Comm comm, struct vmo_coll_side side, enum vmo_reason reason)
{
	struct vmo_comm_map *map;

	if (!shim.coll.usable || side.buf == MPI_IN_PLACE || comm == MPI_COMM_NULL || !(map = vmo_comm_known(comm)))
		return;
	struct vmo_coll_sizes sizes = vmo_coll_sizes(&side, map->size, -1);
	if (!sizes.wrong && sizes.largest >= shim.coll.pair)
		later(comm, sizes.sum, reason);
}

/* The same counts for all ranks (Reduce_scatter). */
void vmo_later_counts(MPI_Comm comm, struct vmo_coll_array counts, MPI_Datatype type, enum vmo_reason reason)
{
	struct vmo_coll_side side = { .buf = &counts, .type = type, .arrays = true, .counts = counts, .displs = counts };

	vmo_later_arrays(comm, side, reason);
}

int vmo_Ibcast(void *buffer, int count, MPI_Datatype type, int root, MPI_Comm comm, MPI_Request *request)
{
	vmo_count_call(Ibcast);
	if (vmo_later_here(comm, root))
		vmo_later_even(comm, count, type, VMO_R_nonblocking_collective);
	return shim.mpi.Ibcast(buffer, count, type, root, comm, request);
}

int vmo_Igather(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf, int recvcount,
                MPI_Datatype recvtype, int root, MPI_Comm comm, MPI_Request *request)
{
	vmo_count_call(Igather);
	if (!vmo_later_here(comm, root) && root >= 0)
		vmo_later_even(comm, sendcount, sendtype, VMO_R_nonblocking_collective);
	return shim.mpi.Igather(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, root, comm, request);
}

int vmo_Igatherv(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf, const int *recvcounts,
                 const int *displs, MPI_Datatype recvtype, int root, MPI_Comm comm, MPI_Request *request)
{
	vmo_count_call(Igatherv);
	if (!vmo_later_here(comm, root) && root >= 0)
		vmo_later_even(comm, sendcount, sendtype, VMO_R_nonblocking_collective);
	return shim.mpi.Igatherv(sendbuf, sendcount, sendtype, recvbuf, recvcounts, displs, recvtype, root, comm,
	                         request);
}

int vmo_Iscatter(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf, int recvcount,
                 MPI_Datatype recvtype, int root, MPI_Comm comm, MPI_Request *request)
{
	vmo_count_call(Iscatter);
	if (vmo_later_here(comm, root))
		vmo_later_even(comm, sendcount, sendtype, VMO_R_nonblocking_collective);
	return shim.mpi.Iscatter(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, root, comm, request);
}

int vmo_Iscatterv(const void *sendbuf, const int *sendcounts, const int *displs, MPI_Datatype sendtype, void *recvbuf,
                  int recvcount, MPI_Datatype recvtype, int root, MPI_Comm comm, MPI_Request *request)
{
	vmo_count_call(Iscatterv);
	if (vmo_later_here(comm, root))
		vmo_later_arrays(comm, vmo_coll_narrow(sendbuf, sendcounts, displs, sendtype, NULL), VMO_R_nonblocking_collective);
	return shim.mpi.Iscatterv(sendbuf, sendcounts, displs, sendtype, recvbuf, recvcount, recvtype, root, comm,
	                          request);
}

int vmo_Iallgather(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf, int recvcount,
                   MPI_Datatype recvtype, MPI_Comm comm, MPI_Request *request)
{
	vmo_count_call(Iallgather);
	vmo_later_either(comm, sendbuf, sendcount, sendtype, recvcount, recvtype, VMO_R_nonblocking_collective);
	return shim.mpi.Iallgather(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm, request);
}

int vmo_Iallgatherv(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf, const int *recvcounts,
                    const int *displs, MPI_Datatype recvtype, MPI_Comm comm, MPI_Request *request)
{
	vmo_count_call(Iallgatherv);
	if (sendbuf != MPI_IN_PLACE)
		vmo_later_even(comm, sendcount, sendtype, VMO_R_nonblocking_collective);
	return shim.mpi.Iallgatherv(sendbuf, sendcount, sendtype, recvbuf, recvcounts, displs, recvtype, comm,
	                            request);
}

int vmo_Ialltoall(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf, int recvcount,
                  MPI_Datatype recvtype, MPI_Comm comm, MPI_Request *request)
{
	vmo_count_call(Ialltoall);
	vmo_later_either(comm, sendbuf, sendcount, sendtype, recvcount, recvtype, VMO_R_nonblocking_collective);
	return shim.mpi.Ialltoall(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm, request);
}

int vmo_Ialltoallv(const void *sendbuf, const int *sendcounts, const int *sdispls, MPI_Datatype sendtype,
                   void *recvbuf, const int *recvcounts, const int *rdispls, MPI_Datatype recvtype, MPI_Comm comm,
                   MPI_Request *request)
{
	vmo_count_call(Ialltoallv);
	vmo_later_arrays(comm, vmo_coll_narrow(sendbuf, sendcounts, sdispls, sendtype, NULL), VMO_R_nonblocking_collective);
	return shim.mpi.Ialltoallv(sendbuf, sendcounts, sdispls, sendtype, recvbuf, recvcounts, rdispls, recvtype,
	                           comm, request);
}

int vmo_Ialltoallw(const void *sendbuf, const int *sendcounts, const int *sdispls, const MPI_Datatype *sendtypes,
                   void *recvbuf, const int *recvcounts, const int *rdispls, const MPI_Datatype *recvtypes,
                   MPI_Comm comm, MPI_Request *request)
{
	vmo_count_call(Ialltoallw);
	vmo_later_arrays(comm, vmo_coll_narrow(sendbuf, sendcounts, sdispls, MPI_DATATYPE_NULL, sendtypes), VMO_R_nonblocking_collective);
	return shim.mpi.Ialltoallw(sendbuf, sendcounts, sdispls, sendtypes, recvbuf, recvcounts, rdispls, recvtypes,
	                           comm, request);
}

int vmo_Ireduce(const void *sendbuf, void *recvbuf, int count, MPI_Datatype type, MPI_Op op, int root, MPI_Comm comm,
                MPI_Request *request)
{
	vmo_count_call(Ireduce);
	if (root >= 0)
		vmo_later_even(comm, count, type, VMO_R_nonblocking_collective);
	return shim.mpi.Ireduce(sendbuf, recvbuf, count, type, op, root, comm, request);
}

int vmo_Iallreduce(const void *sendbuf, void *recvbuf, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm,
                   MPI_Request *request)
{
	vmo_count_call(Iallreduce);
	vmo_later_even(comm, count, type, VMO_R_nonblocking_collective);
	return shim.mpi.Iallreduce(sendbuf, recvbuf, count, type, op, comm, request);
}

int vmo_Ireduce_scatter(const void *sendbuf, void *recvbuf, const int *recvcounts, MPI_Datatype type, MPI_Op op,
                        MPI_Comm comm, MPI_Request *request)
{
	vmo_count_call(Ireduce_scatter);
	vmo_later_counts(comm, (struct vmo_coll_array){ .narrow = recvcounts }, type, VMO_R_nonblocking_collective);
	return shim.mpi.Ireduce_scatter(sendbuf, recvbuf, recvcounts, type, op, comm, request);
}

int vmo_Ireduce_scatter_block(const void *sendbuf, void *recvbuf, int recvcount, MPI_Datatype type, MPI_Op op,
                              MPI_Comm comm, MPI_Request *request)
{
	vmo_count_call(Ireduce_scatter_block);
	vmo_later_even(comm, recvcount, type, VMO_R_nonblocking_collective);
	return shim.mpi.Ireduce_scatter_block(sendbuf, recvbuf, recvcount, type, op, comm, request);
}

#if MPI_VERSION >= 4
int vmo_Ibcast_c(void *buffer, MPI_Count count, MPI_Datatype type, int root, MPI_Comm comm, MPI_Request *request)
{
	vmo_count_call(Ibcast_c);
	if (vmo_later_here(comm, root))
		vmo_later_even(comm, count, type, VMO_R_nonblocking_collective);
	return shim.mpi.Ibcast_c(buffer, count, type, root, comm, request);
}

int vmo_Igather_c(const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, void *recvbuf, MPI_Count recvcount,
                  MPI_Datatype recvtype, int root, MPI_Comm comm, MPI_Request *request)
{
	vmo_count_call(Igather_c);
	if (!vmo_later_here(comm, root) && root >= 0)
		vmo_later_even(comm, sendcount, sendtype, VMO_R_nonblocking_collective);
	return shim.mpi.Igather_c(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, root, comm, request);
}

int vmo_Igatherv_c(const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, void *recvbuf,
                   const MPI_Count *recvcounts, const MPI_Aint *displs, MPI_Datatype recvtype, int root,
                   MPI_Comm comm, MPI_Request *request)
{
	vmo_count_call(Igatherv_c);
	if (!vmo_later_here(comm, root) && root >= 0)
		vmo_later_even(comm, sendcount, sendtype, VMO_R_nonblocking_collective);
	return shim.mpi.Igatherv_c(sendbuf, sendcount, sendtype, recvbuf, recvcounts, displs, recvtype, root, comm,
	                           request);
}

int vmo_Iscatter_c(const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, void *recvbuf,
                   MPI_Count recvcount, MPI_Datatype recvtype, int root, MPI_Comm comm, MPI_Request *request)
{
	vmo_count_call(Iscatter_c);
	if (vmo_later_here(comm, root))
		vmo_later_even(comm, sendcount, sendtype, VMO_R_nonblocking_collective);
	return shim.mpi.Iscatter_c(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, root, comm, request);
}

int vmo_Iscatterv_c(const void *sendbuf, const MPI_Count *sendcounts, const MPI_Aint *displs, MPI_Datatype sendtype,
                    void *recvbuf, MPI_Count recvcount, MPI_Datatype recvtype, int root, MPI_Comm comm,
                    MPI_Request *request)
{
	vmo_count_call(Iscatterv_c);
	if (vmo_later_here(comm, root))
		vmo_later_arrays(comm, vmo_coll_wide(sendbuf, sendcounts, displs, sendtype, NULL), VMO_R_nonblocking_collective);
	return shim.mpi.Iscatterv_c(sendbuf, sendcounts, displs, sendtype, recvbuf, recvcount, recvtype, root, comm,
	                            request);
}

int vmo_Iallgather_c(const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, void *recvbuf,
                     MPI_Count recvcount, MPI_Datatype recvtype, MPI_Comm comm, MPI_Request *request)
{
	vmo_count_call(Iallgather_c);
	vmo_later_either(comm, sendbuf, sendcount, sendtype, recvcount, recvtype, VMO_R_nonblocking_collective);
	return shim.mpi.Iallgather_c(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm, request);
}

int vmo_Iallgatherv_c(const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, void *recvbuf,
                      const MPI_Count *recvcounts, const MPI_Aint *displs, MPI_Datatype recvtype, MPI_Comm comm,
                      MPI_Request *request)
{
	vmo_count_call(Iallgatherv_c);
	if (sendbuf != MPI_IN_PLACE)
		vmo_later_even(comm, sendcount, sendtype, VMO_R_nonblocking_collective);
	return shim.mpi.Iallgatherv_c(sendbuf, sendcount, sendtype, recvbuf, recvcounts, displs, recvtype, comm,
	                              request);
}

int vmo_Ialltoall_c(const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, void *recvbuf,
                    MPI_Count recvcount, MPI_Datatype recvtype, MPI_Comm comm, MPI_Request *request)
{
	vmo_count_call(Ialltoall_c);
	vmo_later_either(comm, sendbuf, sendcount, sendtype, recvcount, recvtype, VMO_R_nonblocking_collective);
	return shim.mpi.Ialltoall_c(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm, request);
}

int vmo_Ialltoallv_c(const void *sendbuf, const MPI_Count *sendcounts, const MPI_Aint *sdispls, MPI_Datatype sendtype,
                     void *recvbuf, const MPI_Count *recvcounts, const MPI_Aint *rdispls, MPI_Datatype recvtype,
                     MPI_Comm comm, MPI_Request *request)
{
	vmo_count_call(Ialltoallv_c);
	vmo_later_arrays(comm, vmo_coll_wide(sendbuf, sendcounts, sdispls, sendtype, NULL), VMO_R_nonblocking_collective);
	return shim.mpi.Ialltoallv_c(sendbuf, sendcounts, sdispls, sendtype, recvbuf, recvcounts, rdispls, recvtype,
	                             comm, request);
}

int vmo_Ialltoallw_c(const void *sendbuf, const MPI_Count *sendcounts, const MPI_Aint *sdispls,
                     const MPI_Datatype *sendtypes, void *recvbuf, const MPI_Count *recvcounts,
                     const MPI_Aint *rdispls, const MPI_Datatype *recvtypes, MPI_Comm comm, MPI_Request *request)
{
	vmo_count_call(Ialltoallw_c);
	vmo_later_arrays(comm, vmo_coll_wide(sendbuf, sendcounts, sdispls, MPI_DATATYPE_NULL, sendtypes), VMO_R_nonblocking_collective);
	return shim.mpi.Ialltoallw_c(sendbuf, sendcounts, sdispls, sendtypes, recvbuf, recvcounts, rdispls, recvtypes,
	                             comm, request);
}

int vmo_Ireduce_c(const void *sendbuf, void *recvbuf, MPI_Count count, MPI_Datatype type, MPI_Op op, int root,
                  MPI_Comm comm, MPI_Request *request)
{
	vmo_count_call(Ireduce_c);
	if (root >= 0)
		vmo_later_even(comm, count, type, VMO_R_nonblocking_collective);
	return shim.mpi.Ireduce_c(sendbuf, recvbuf, count, type, op, root, comm, request);
}

int vmo_Iallreduce_c(const void *sendbuf, void *recvbuf, MPI_Count count, MPI_Datatype type, MPI_Op op, MPI_Comm comm,
                     MPI_Request *request)
{
	vmo_count_call(Iallreduce_c);
	vmo_later_even(comm, count, type, VMO_R_nonblocking_collective);
	return shim.mpi.Iallreduce_c(sendbuf, recvbuf, count, type, op, comm, request);
}

int vmo_Ireduce_scatter_c(const void *sendbuf, void *recvbuf, const MPI_Count *recvcounts, MPI_Datatype type,
                          MPI_Op op, MPI_Comm comm, MPI_Request *request)
{
	vmo_count_call(Ireduce_scatter_c);
	vmo_later_counts(comm, (struct vmo_coll_array){ .wide = recvcounts }, type, VMO_R_nonblocking_collective);
	return shim.mpi.Ireduce_scatter_c(sendbuf, recvbuf, recvcounts, type, op, comm, request);
}

int vmo_Ireduce_scatter_block_c(const void *sendbuf, void *recvbuf, MPI_Count recvcount, MPI_Datatype type, MPI_Op op,
                                MPI_Comm comm, MPI_Request *request)
{
	vmo_count_call(Ireduce_scatter_block_c);
	vmo_later_even(comm, recvcount, type, VMO_R_nonblocking_collective);
	return shim.mpi.Ireduce_scatter_block_c(sendbuf, recvbuf, recvcount, type, op, comm, request);
}
#endif
