/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All-to-all: each rank offers every co-resident peer its piece, 64 bytes of record each, and reads its own pieces
 * straight from theirs. A piece lies in place for its target's domain, whatever the number of domains.
 */
#include "mpi_coll.h"

static int alltoall(struct vmo_coll *coll, MPI_Comm comm, const struct vmo_coll_side *send,
                    const struct vmo_coll_side *recv)
{
	struct vmo_coll_piece from = vmo_coll_piece(send, coll->rank), to = vmo_coll_piece(recv, coll->rank);

	vmo_coll_begin(coll);
	for (int step = 1; step < coll->size; step++) {
		int r = vmo_coll_turn(coll, step);
		struct vmo_coll_piece in = vmo_coll_piece(recv, r);
		vmo_coll_recv(coll, r, in.at, in.count, in.type);
	}
	for (int step = 1; step < coll->size; step++) {
		int r = vmo_coll_turn(coll, step);
		struct vmo_coll_piece out = vmo_coll_piece(send, r);
		vmo_coll_send(coll, r, out.at, out.count, out.type);
	}
	vmo_coll_self(coll, from.at, from.count, from.type, to.at, to.count, to.type);
	return vmo_raise(comm, vmo_coll_end(coll));
}

/* ---- all pieces of one size ---- */

/* -1: MPI's. In place (on all ranks or none) the receive arguments tell the size. */
static int even(const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, void *recvbuf, MPI_Count recvcount,
                MPI_Datatype recvtype, MPI_Comm comm)
{
	MPI_Count bytes;

	if (!shim.coll.usable || (bytes = vmo_coll_bytes(recvcount, recvtype)) < shim.coll.alltoall)
		return -1;
	if (sendbuf == MPI_IN_PLACE) {
		vmo_fall_through(VMO_R_in_place, (uint64_t)bytes);
		return -1;
	}
	MPI_Count sent = vmo_coll_bytes(sendcount, sendtype);
	if (sent < 0 || vmo_coll_null(sendbuf, sent, sendtype) || vmo_coll_null(recvbuf, bytes, recvtype) ||
	    (sendtype == recvtype && vmo_coll_alias(sendbuf, recvbuf, bytes)))
		return -1;
	int rc;
	struct vmo_coll *coll = vmo_coll_for(comm, bytes, shim.coll.alltoall, sent, true, &rc);
	if (!coll)
		return rc;
	struct vmo_coll_side send = vmo_coll_even(sendbuf, sendcount, sendtype);
	struct vmo_coll_side recv = vmo_coll_even(recvbuf, recvcount, recvtype);
	send.extent = vmo_coll_extent(sendtype);
	recv.extent = vmo_coll_extent(recvtype);
	return alltoall(coll, comm, &send, &recv);
}

int vmo_Alltoall(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf, int recvcount,
                 MPI_Datatype recvtype, MPI_Comm comm)
{
	int rc = even(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm);

	vmo_count_call(Alltoall);
	return rc >= 0 ? rc : shim.mpi.Alltoall(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm);
}

/* ---- sizes that only pairs know ---- */

/* Both sides count for the largest piece: a rank may only receive. */
static struct vmo_coll *may_alltoallv(const struct vmo_coll_side *send, const struct vmo_coll_side *recv, MPI_Comm comm,
                                      int *rc)
{
	struct vmo_comm_map *map;

	*rc = -1;
	if (!shim.coll.usable || comm == MPI_COMM_NULL || !(map = vmo_coll_map(comm, rc)) || map->inter)
		return NULL;
	int rank = vmo_coll_rank(comm, map);
	struct vmo_coll_sizes in = vmo_coll_sizes(recv, map->size, rank);
	if (send->buf == MPI_IN_PLACE) {
		if (!in.wrong && in.largest >= shim.coll.pair)
			vmo_fall_through(VMO_R_in_place, (uint64_t)in.sum);
		return NULL;
	}
	struct vmo_coll_sizes out = vmo_coll_sizes(send, map->size, rank);
	if (out.wrong || in.wrong || (send->counts.narrow == recv->counts.narrow && send->counts.wide == recv->counts.wide &&
	                              vmo_coll_alias(send->buf, recv->buf, out.sum)))
		return NULL;
	return vmo_coll_for_v(comm, map, VMO_COLL_ALLTOALLV, out.largest > in.largest ? out.largest : in.largest, out.sum);
}

static void know_extent(struct vmo_coll_side *side)
{
	if (!side->types)
		side->extent = vmo_coll_extent(side->type);
}

/* -1: MPI's. */
static int uneven(struct vmo_coll_side send, struct vmo_coll_side recv, MPI_Comm comm)
{
	int rc;
	struct vmo_coll *coll = may_alltoallv(&send, &recv, comm, &rc);

	if (!coll)
		return rc;
	know_extent(&send);
	know_extent(&recv);
	return alltoall(coll, comm, &send, &recv);
}

int vmo_Alltoallv(const void *sendbuf, const int *sendcounts, const int *sdispls, MPI_Datatype sendtype,
                  void *recvbuf, const int *recvcounts, const int *rdispls, MPI_Datatype recvtype, MPI_Comm comm)
{
	int rc = uneven(vmo_coll_narrow(sendbuf, sendcounts, sdispls, sendtype, NULL),
	                vmo_coll_narrow(recvbuf, recvcounts, rdispls, recvtype, NULL), comm);

	vmo_count_call(Alltoallv);
	return rc >= 0 ? rc : shim.mpi.Alltoallv(sendbuf, sendcounts, sdispls, sendtype, recvbuf, recvcounts, rdispls,
	                                         recvtype, comm);
}

int vmo_Alltoallw(const void *sendbuf, const int *sendcounts, const int *sdispls, const MPI_Datatype *sendtypes,
                  void *recvbuf, const int *recvcounts, const int *rdispls, const MPI_Datatype *recvtypes, MPI_Comm comm)
{
	int rc = uneven(vmo_coll_narrow(sendbuf, sendcounts, sdispls, MPI_DATATYPE_NULL, sendtypes),
	                vmo_coll_narrow(recvbuf, recvcounts, rdispls, MPI_DATATYPE_NULL, recvtypes), comm);

	vmo_count_call(Alltoallw);
	return rc >= 0 ? rc : shim.mpi.Alltoallw(sendbuf, sendcounts, sdispls, sendtypes, recvbuf, recvcounts, rdispls,
	                                         recvtypes, comm);
}

#if MPI_VERSION >= 4
int vmo_Alltoall_c(const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, void *recvbuf, MPI_Count recvcount,
                   MPI_Datatype recvtype, MPI_Comm comm)
{
	int rc = even(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm);

	vmo_count_call(Alltoall_c);
	return rc >= 0 ? rc : shim.mpi.Alltoall_c(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm);
}

int vmo_Alltoallv_c(const void *sendbuf, const MPI_Count *sendcounts, const MPI_Aint *sdispls, MPI_Datatype sendtype,
                    void *recvbuf, const MPI_Count *recvcounts, const MPI_Aint *rdispls, MPI_Datatype recvtype,
                    MPI_Comm comm)
{
	int rc = uneven(vmo_coll_wide(sendbuf, sendcounts, sdispls, sendtype, NULL),
	                vmo_coll_wide(recvbuf, recvcounts, rdispls, recvtype, NULL), comm);

	vmo_count_call(Alltoallv_c);
	return rc >= 0 ? rc : shim.mpi.Alltoallv_c(sendbuf, sendcounts, sdispls, sendtype, recvbuf, recvcounts, rdispls,
	                                           recvtype, comm);
}

int vmo_Alltoallw_c(const void *sendbuf, const MPI_Count *sendcounts, const MPI_Aint *sdispls,
                    const MPI_Datatype *sendtypes, void *recvbuf, const MPI_Count *recvcounts, const MPI_Aint *rdispls,
                    const MPI_Datatype *recvtypes, MPI_Comm comm)
{
	int rc = uneven(vmo_coll_wide(sendbuf, sendcounts, sdispls, MPI_DATATYPE_NULL, sendtypes),
	                vmo_coll_wide(recvbuf, recvcounts, rdispls, MPI_DATATYPE_NULL, recvtypes), comm);

	vmo_count_call(Alltoallw_c);
	return rc >= 0 ? rc : shim.mpi.Alltoallw_c(sendbuf, sendcounts, sdispls, sendtypes, recvbuf, recvcounts, rdispls,
	                                           recvtypes, comm);
}
#endif
