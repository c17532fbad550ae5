/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Persistent collectives (MPI 4.0, 6.13). */
#include "mpi_coll_later.h"

#if MPI_VERSION >= 4
int vmo_Bcast_init(void *buffer, int count, MPI_Datatype type, int root, MPI_Comm comm, MPI_Info info,
                   MPI_Request *request)
{
	vmo_count_call(Bcast_init);
	if (vmo_later_here(comm, root))
		vmo_later_even(comm, count, type, VMO_R_persistent_collective);
	return shim.mpi.Bcast_init(buffer, count, type, root, comm, info, request);
}

int vmo_Bcast_init_c(void *buffer, MPI_Count count, MPI_Datatype type, int root, MPI_Comm comm, MPI_Info info,
                     MPI_Request *request)
{
	vmo_count_call(Bcast_init_c);
	if (vmo_later_here(comm, root))
		vmo_later_even(comm, count, type, VMO_R_persistent_collective);
	return shim.mpi.Bcast_init_c(buffer, count, type, root, comm, info, request);
}

int vmo_Gather_init(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf, int recvcount,
                    MPI_Datatype recvtype, int root, MPI_Comm comm, MPI_Info info, MPI_Request *request)
{
	vmo_count_call(Gather_init);
	if (!vmo_later_here(comm, root) && root >= 0)
		vmo_later_even(comm, sendcount, sendtype, VMO_R_persistent_collective);
	return shim.mpi.Gather_init(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, root, comm, info,
	                            request);
}

int vmo_Gather_init_c(const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, void *recvbuf,
                      MPI_Count recvcount, MPI_Datatype recvtype, int root, MPI_Comm comm, MPI_Info info,
                      MPI_Request *request)
{
	vmo_count_call(Gather_init_c);
	if (!vmo_later_here(comm, root) && root >= 0)
		vmo_later_even(comm, sendcount, sendtype, VMO_R_persistent_collective);
	return shim.mpi.Gather_init_c(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, root, comm, info,
	                              request);
}

int vmo_Gatherv_init(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf, const int *recvcounts,
                     const int *displs, MPI_Datatype recvtype, int root, MPI_Comm comm, MPI_Info info,
                     MPI_Request *request)
{
	vmo_count_call(Gatherv_init);
	if (!vmo_later_here(comm, root) && root >= 0)
		vmo_later_even(comm, sendcount, sendtype, VMO_R_persistent_collective);
	return shim.mpi.Gatherv_init(sendbuf, sendcount, sendtype, recvbuf, recvcounts, displs, recvtype, root, comm,
	                             info, request);
}

int vmo_Gatherv_init_c(const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, void *recvbuf,
                       const MPI_Count *recvcounts, const MPI_Aint *displs, MPI_Datatype recvtype, int root,
                       MPI_Comm comm, MPI_Info info, MPI_Request *request)
{
	vmo_count_call(Gatherv_init_c);
	if (!vmo_later_here(comm, root) && root >= 0)
		vmo_later_even(comm, sendcount, sendtype, VMO_R_persistent_collective);
	return shim.mpi.Gatherv_init_c(sendbuf, sendcount, sendtype, recvbuf, recvcounts, displs, recvtype, root,
	                               comm, info, request);
}

int vmo_Scatter_init(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf, int recvcount,
                     MPI_Datatype recvtype, int root, MPI_Comm comm, MPI_Info info, MPI_Request *request)
{
	vmo_count_call(Scatter_init);
	if (vmo_later_here(comm, root))
		vmo_later_even(comm, sendcount, sendtype, VMO_R_persistent_collective);
	return shim.mpi.Scatter_init(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, root, comm, info,
	                             request);
}

int vmo_Scatter_init_c(const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, void *recvbuf,
                       MPI_Count recvcount, MPI_Datatype recvtype, int root, MPI_Comm comm, MPI_Info info,
                       MPI_Request *request)
{
	vmo_count_call(Scatter_init_c);
	if (vmo_later_here(comm, root))
		vmo_later_even(comm, sendcount, sendtype, VMO_R_persistent_collective);
	return shim.mpi.Scatter_init_c(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, root, comm, info,
	                               request);
}

int vmo_Scatterv_init(const void *sendbuf, const int *sendcounts, const int *displs, MPI_Datatype sendtype,
                      void *recvbuf, int recvcount, MPI_Datatype recvtype, int root, MPI_Comm comm, MPI_Info info,
                      MPI_Request *request)
{
	vmo_count_call(Scatterv_init);
	if (vmo_later_here(comm, root))
		vmo_later_arrays(comm, vmo_coll_narrow(sendbuf, sendcounts, displs, sendtype, NULL), VMO_R_persistent_collective);
	return shim.mpi.Scatterv_init(sendbuf, sendcounts, displs, sendtype, recvbuf, recvcount, recvtype, root, comm,
	                              info, request);
}

int vmo_Scatterv_init_c(const void *sendbuf, const MPI_Count *sendcounts, const MPI_Aint *displs,
                        MPI_Datatype sendtype, void *recvbuf, MPI_Count recvcount, MPI_Datatype recvtype, int root,
                        MPI_Comm comm, MPI_Info info, MPI_Request *request)
{
	vmo_count_call(Scatterv_init_c);
	if (vmo_later_here(comm, root))
		vmo_later_arrays(comm, vmo_coll_wide(sendbuf, sendcounts, displs, sendtype, NULL), VMO_R_persistent_collective);
	return shim.mpi.Scatterv_init_c(sendbuf, sendcounts, displs, sendtype, recvbuf, recvcount, recvtype, root,
	                                comm, info, request);
}

int vmo_Allgather_init(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf, int recvcount,
                       MPI_Datatype recvtype, MPI_Comm comm, MPI_Info info, MPI_Request *request)
{
	vmo_count_call(Allgather_init);
	vmo_later_either(comm, sendbuf, sendcount, sendtype, recvcount, recvtype, VMO_R_persistent_collective);
	return shim.mpi.Allgather_init(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm, info,
	                               request);
}

int vmo_Allgather_init_c(const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, void *recvbuf,
                         MPI_Count recvcount, MPI_Datatype recvtype, MPI_Comm comm, MPI_Info info,
                         MPI_Request *request)
{
	vmo_count_call(Allgather_init_c);
	vmo_later_either(comm, sendbuf, sendcount, sendtype, recvcount, recvtype, VMO_R_persistent_collective);
	return shim.mpi.Allgather_init_c(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm, info,
	                                 request);
}

int vmo_Allgatherv_init(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf,
                        const int *recvcounts, const int *displs, MPI_Datatype recvtype, MPI_Comm comm, MPI_Info info,
                        MPI_Request *request)
{
	vmo_count_call(Allgatherv_init);
	if (sendbuf != MPI_IN_PLACE)
		vmo_later_even(comm, sendcount, sendtype, VMO_R_persistent_collective);
	return shim.mpi.Allgatherv_init(sendbuf, sendcount, sendtype, recvbuf, recvcounts, displs, recvtype, comm,
	                                info, request);
}

int vmo_Allgatherv_init_c(const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, void *recvbuf,
                          const MPI_Count *recvcounts, const MPI_Aint *displs, MPI_Datatype recvtype, MPI_Comm comm,
                          MPI_Info info, MPI_Request *request)
{
	vmo_count_call(Allgatherv_init_c);
	if (sendbuf != MPI_IN_PLACE)
		vmo_later_even(comm, sendcount, sendtype, VMO_R_persistent_collective);
	return shim.mpi.Allgatherv_init_c(sendbuf, sendcount, sendtype, recvbuf, recvcounts, displs, recvtype, comm,
	                                  info, request);
}

int vmo_Alltoall_init(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf, int recvcount,
                      MPI_Datatype recvtype, MPI_Comm comm, MPI_Info info, MPI_Request *request)
{
	vmo_count_call(Alltoall_init);
	vmo_later_either(comm, sendbuf, sendcount, sendtype, recvcount, recvtype, VMO_R_persistent_collective);
	return shim.mpi.Alltoall_init(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm, info,
	                              request);
}

int vmo_Alltoall_init_c(const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, void *recvbuf,
                        MPI_Count recvcount, MPI_Datatype recvtype, MPI_Comm comm, MPI_Info info,
                        MPI_Request *request)
{
	vmo_count_call(Alltoall_init_c);
	vmo_later_either(comm, sendbuf, sendcount, sendtype, recvcount, recvtype, VMO_R_persistent_collective);
	return shim.mpi.Alltoall_init_c(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm, info,
	                                request);
}

int vmo_Alltoallv_init(const void *sendbuf, const int *sendcounts, const int *sdispls, MPI_Datatype sendtype,
                       void *recvbuf, const int *recvcounts, const int *rdispls, MPI_Datatype recvtype, MPI_Comm comm,
                       MPI_Info info, MPI_Request *request)
{
	vmo_count_call(Alltoallv_init);
	vmo_later_arrays(comm, vmo_coll_narrow(sendbuf, sendcounts, sdispls, sendtype, NULL), VMO_R_persistent_collective);
	return shim.mpi.Alltoallv_init(sendbuf, sendcounts, sdispls, sendtype, recvbuf, recvcounts, rdispls, recvtype,
	                               comm, info, request);
}

int vmo_Alltoallv_init_c(const void *sendbuf, const MPI_Count *sendcounts, const MPI_Aint *sdispls,
                         MPI_Datatype sendtype, void *recvbuf, const MPI_Count *recvcounts, const MPI_Aint *rdispls,
                         MPI_Datatype recvtype, MPI_Comm comm, MPI_Info info, MPI_Request *request)
{
	vmo_count_call(Alltoallv_init_c);
	vmo_later_arrays(comm, vmo_coll_wide(sendbuf, sendcounts, sdispls, sendtype, NULL), VMO_R_persistent_collective);
	return shim.mpi.Alltoallv_init_c(sendbuf, sendcounts, sdispls, sendtype, recvbuf, recvcounts, rdispls,
	                                 recvtype, comm, info, request);
}

int vmo_Alltoallw_init(const void *sendbuf, const int *sendcounts, const int *sdispls, const MPI_Datatype *sendtypes,
                       void *recvbuf, const int *recvcounts, const int *rdispls, const MPI_Datatype *recvtypes,
                       MPI_Comm comm, MPI_Info info, MPI_Request *request)
{
	vmo_count_call(Alltoallw_init);
	vmo_later_arrays(comm, vmo_coll_narrow(sendbuf, sendcounts, sdispls, MPI_DATATYPE_NULL, sendtypes), VMO_R_persistent_collective);
	return shim.mpi.Alltoallw_init(sendbuf, sendcounts, sdispls, sendtypes, recvbuf, recvcounts, rdispls,
	                               recvtypes, comm, info, request);
}

int vmo_Alltoallw_init_c(const void *sendbuf, const MPI_Count *sendcounts, const MPI_Aint *sdispls,
                         const MPI_Datatype *sendtypes, void *recvbuf, const MPI_Count *recvcounts,
                         const MPI_Aint *rdispls, const MPI_Datatype *recvtypes, MPI_Comm comm, MPI_Info info,
                         MPI_Request *request)
{
	vmo_count_call(Alltoallw_init_c);
	vmo_later_arrays(comm, vmo_coll_wide(sendbuf, sendcounts, sdispls, MPI_DATATYPE_NULL, sendtypes), VMO_R_persistent_collective);
	return shim.mpi.Alltoallw_init_c(sendbuf, sendcounts, sdispls, sendtypes, recvbuf, recvcounts, rdispls,
	                                 recvtypes, comm, info, request);
}

int vmo_Reduce_init(const void *sendbuf, void *recvbuf, int count, MPI_Datatype type, MPI_Op op, int root,
                    MPI_Comm comm, MPI_Info info, MPI_Request *request)
{
	vmo_count_call(Reduce_init);
	if (root >= 0)
		vmo_later_even(comm, count, type, VMO_R_persistent_collective);
	return shim.mpi.Reduce_init(sendbuf, recvbuf, count, type, op, root, comm, info, request);
}

int vmo_Reduce_init_c(const void *sendbuf, void *recvbuf, MPI_Count count, MPI_Datatype type, MPI_Op op, int root,
                      MPI_Comm comm, MPI_Info info, MPI_Request *request)
{
	vmo_count_call(Reduce_init_c);
	if (root >= 0)
		vmo_later_even(comm, count, type, VMO_R_persistent_collective);
	return shim.mpi.Reduce_init_c(sendbuf, recvbuf, count, type, op, root, comm, info, request);
}

int vmo_Allreduce_init(const void *sendbuf, void *recvbuf, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm,
                       MPI_Info info, MPI_Request *request)
{
	vmo_count_call(Allreduce_init);
	vmo_later_even(comm, count, type, VMO_R_persistent_collective);
	return shim.mpi.Allreduce_init(sendbuf, recvbuf, count, type, op, comm, info, request);
}

int vmo_Allreduce_init_c(const void *sendbuf, void *recvbuf, MPI_Count count, MPI_Datatype type, MPI_Op op,
                         MPI_Comm comm, MPI_Info info, MPI_Request *request)
{
	vmo_count_call(Allreduce_init_c);
	vmo_later_even(comm, count, type, VMO_R_persistent_collective);
	return shim.mpi.Allreduce_init_c(sendbuf, recvbuf, count, type, op, comm, info, request);
}

int vmo_Reduce_scatter_init(const void *sendbuf, void *recvbuf, const int *recvcounts, MPI_Datatype type, MPI_Op op,
                            MPI_Comm comm, MPI_Info info, MPI_Request *request)
{
	vmo_count_call(Reduce_scatter_init);
	vmo_later_counts(comm, (struct vmo_coll_array){ .narrow = recvcounts }, type, VMO_R_persistent_collective);
	return shim.mpi.Reduce_scatter_init(sendbuf, recvbuf, recvcounts, type, op, comm, info, request);
}

int vmo_Reduce_scatter_init_c(const void *sendbuf, void *recvbuf, const MPI_Count *recvcounts, MPI_Datatype type,
                              MPI_Op op, MPI_Comm comm, MPI_Info info, MPI_Request *request)
{
	vmo_count_call(Reduce_scatter_init_c);
	vmo_later_counts(comm, (struct vmo_coll_array){ .wide = recvcounts }, type, VMO_R_persistent_collective);
	return shim.mpi.Reduce_scatter_init_c(sendbuf, recvbuf, recvcounts, type, op, comm, info, request);
}

int vmo_Reduce_scatter_block_init(const void *sendbuf, void *recvbuf, int recvcount, MPI_Datatype type, MPI_Op op,
                                  MPI_Comm comm, MPI_Info info, MPI_Request *request)
{
	vmo_count_call(Reduce_scatter_block_init);
	vmo_later_even(comm, recvcount, type, VMO_R_persistent_collective);
	return shim.mpi.Reduce_scatter_block_init(sendbuf, recvbuf, recvcount, type, op, comm, info, request);
}

int vmo_Reduce_scatter_block_init_c(const void *sendbuf, void *recvbuf, MPI_Count recvcount, MPI_Datatype type,
                                    MPI_Op op, MPI_Comm comm, MPI_Info info, MPI_Request *request)
{
	vmo_count_call(Reduce_scatter_block_init_c);
	vmo_later_even(comm, recvcount, type, VMO_R_persistent_collective);
	return shim.mpi.Reduce_scatter_block_init_c(sendbuf, recvbuf, recvcount, type, op, comm, info, request);
}
#endif
