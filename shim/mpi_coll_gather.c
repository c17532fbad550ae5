/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Gather, Scatter, Allgather and their v variants: every reader pulls straight from every co-resident owner.
 *
 *   Gather     the root reads; each piece is in place for the root's domain
 *   Scatter    the root offers each target its piece, in place for that target's domain
 *   Allgather  each rank offers its one piece to all others: in place for one domain, staged for further ones
 */
#include "mpi_coll.h"

/* ---- Gather and Scatter: one root ---- */

/* What each rank but the root has, and the root's pieces for all. */
struct rooted {
	const void *buf;
	MPI_Count count;
	MPI_Datatype type;
	struct vmo_coll_side side;	/* significant at the root only, buf MPI_IN_PLACE: see own_piece_stays */
	int root;
	bool own_piece_stays;		/* MPI_IN_PLACE at the root */
};

static int gather(struct vmo_coll *coll, MPI_Comm comm, struct rooted *g)
{
	vmo_coll_begin(coll);
	if (coll->rank != g->root) {
		vmo_coll_send(coll, g->root, g->buf, g->count, g->type);
		return vmo_raise(comm, vmo_coll_end(coll));
	}
	g->side.extent = vmo_coll_extent(g->side.type);
	for (int step = 1; step < coll->size; step++) {
		int r = vmo_coll_turn(coll, step);
		struct vmo_coll_piece in = vmo_coll_piece(&g->side, r);
		vmo_coll_recv(coll, r, in.at, in.count, in.type);
	}
	struct vmo_coll_piece own = vmo_coll_piece(&g->side, g->root);
	if (!g->own_piece_stays)
		vmo_coll_self(coll, g->buf, g->count, g->type, own.at, own.count, own.type);
	return vmo_raise(comm, vmo_coll_end(coll));
}

static int scatter(struct vmo_coll *coll, MPI_Comm comm, struct rooted *g)
{
	vmo_coll_begin(coll);
	if (coll->rank != g->root) {
		vmo_coll_recv(coll, g->root, (void *)(uintptr_t)g->buf, g->count, g->type);
		return vmo_raise(comm, vmo_coll_end(coll));
	}
	g->side.extent = vmo_coll_extent(g->side.type);
	for (int step = 1; step < coll->size; step++) {
		int r = vmo_coll_turn(coll, step);
		struct vmo_coll_piece out = vmo_coll_piece(&g->side, r);
		vmo_coll_send(coll, r, out.at, out.count, out.type);
	}
	struct vmo_coll_piece own = vmo_coll_piece(&g->side, g->root);
	if (!g->own_piece_stays)
		vmo_coll_self(coll, own.at, own.count, own.type, (void *)(uintptr_t)g->buf, g->count, g->type);
	return vmo_raise(comm, vmo_coll_end(coll));
}

/* MPI_ROOT and MPI_PROC_NULL are negative: intercommunicators; there most arguments mean nothing. */
static bool root_here(MPI_Comm comm, int root, bool *here)
{
	int rank;

	if (!shim.coll.usable || comm == MPI_COMM_NULL || root < 0 || shim.mpi.Comm_rank(comm, &rank) != MPI_SUCCESS)
		return false;
	*here = rank == root;
	return true;
}

typedef int rooted_fn(struct vmo_coll *coll, MPI_Comm comm, struct rooted *g);

/* -1: MPI's. The piece's bytes are known everywhere: at the root by its side (its own piece may be in place). */
static int even(rooted_fn *fn, struct rooted g, MPI_Comm comm)
{
	struct vmo_comm_map *map;
	bool here;
	int rc = -1;

	if (!root_here(comm, g.root, &here))
		return -1;
	MPI_Count bytes = here ? vmo_coll_bytes(g.side.count, g.side.type) : vmo_coll_bytes(g.count, g.type);
	if (bytes < shim.coll.gather || !(map = vmo_coll_map(comm, &rc)) || (!map->inter && g.root >= map->size))
		return rc;
	if (here ? vmo_coll_null(g.side.buf, bytes, g.side.type) || vmo_coll_alias_own(g.side, g.root, g.buf, bytes, g.type)
	         : vmo_coll_null(g.buf, bytes, g.type))
		return -1;
	bool sends = here == (fn == scatter);
	struct vmo_coll *coll = vmo_coll_for(comm, bytes, shim.coll.gather, sends ? bytes : 0, here, &rc);
	return coll ? fn(coll, comm, &g) : rc;
}

/* -1: MPI's. */
static int uneven(rooted_fn *fn, struct rooted g, MPI_Comm comm)
{
	struct vmo_comm_map *map;
	struct vmo_coll_sizes sizes;
	int rc = -1;

	if (!shim.coll.usable || comm == MPI_COMM_NULL || !(map = vmo_coll_map(comm, &rc)) || map->inter || g.root < 0 ||
	    g.root >= map->size)
		return rc;
	bool here = vmo_coll_rank(comm, map) == g.root;
	if (here) {
		sizes = vmo_coll_sizes(&g.side, map->size, g.root);
		sizes.wrong |= !sizes.wrong && vmo_coll_alias_own(g.side, g.root, g.buf, sizes.sum, g.type);
	} else {
		sizes.largest = sizes.sum = vmo_coll_bytes(g.count, g.type);
		sizes.wrong = sizes.sum < 0 || vmo_coll_null(g.buf, sizes.sum, g.type);
	}
	if (sizes.wrong)
		return -1;
	bool sends = here == (fn == scatter);
	struct vmo_coll *coll = vmo_coll_for_v(comm, map, fn == scatter ? VMO_COLL_SCATTERV : VMO_COLL_GATHERV,
	                                       sizes.largest, sends ? sizes.sum : 0);
	return coll ? fn(coll, comm, &g) : -1;
}

static struct rooted gathering(const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, int root,
                               struct vmo_coll_side side)
{
	return (struct rooted){ sendbuf, sendcount, sendtype, side, root, sendbuf == MPI_IN_PLACE };
}

static struct rooted scattering(struct vmo_coll_side side, const void *recvbuf, MPI_Count recvcount,
                                MPI_Datatype recvtype, int root)
{
	return (struct rooted){ recvbuf, recvcount, recvtype, side, root, recvbuf == MPI_IN_PLACE };
}

int vmo_Gather(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf, int recvcount,
               MPI_Datatype recvtype, int root, MPI_Comm comm)
{
	int rc = even(gather, gathering(sendbuf, sendcount, sendtype, root, vmo_coll_even(recvbuf, recvcount, recvtype)),
	              comm);

	vmo_count_call(Gather);
	return rc >= 0 ? rc : shim.mpi.Gather(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, root, comm);
}

int vmo_Gatherv(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf, const int *recvcounts,
                const int *displs, MPI_Datatype recvtype, int root, MPI_Comm comm)
{
	int rc = uneven(gather, gathering(sendbuf, sendcount, sendtype, root,
	                                  vmo_coll_narrow(recvbuf, recvcounts, displs, recvtype, NULL)), comm);

	vmo_count_call(Gatherv);
	return rc >= 0 ? rc : shim.mpi.Gatherv(sendbuf, sendcount, sendtype, recvbuf, recvcounts, displs, recvtype, root,
	                                       comm);
}

int vmo_Scatter(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf, int recvcount,
                MPI_Datatype recvtype, int root, MPI_Comm comm)
{
	int rc = even(scatter, scattering(vmo_coll_even(sendbuf, sendcount, sendtype), recvbuf, recvcount, recvtype, root),
	              comm);

	vmo_count_call(Scatter);
	return rc >= 0 ? rc : shim.mpi.Scatter(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, root, comm);
}

int vmo_Scatterv(const void *sendbuf, const int *sendcounts, const int *displs, MPI_Datatype sendtype, void *recvbuf,
                 int recvcount, MPI_Datatype recvtype, int root, MPI_Comm comm)
{
	int rc = uneven(scatter, scattering(vmo_coll_narrow(sendbuf, sendcounts, displs, sendtype, NULL), recvbuf,
	                                    recvcount, recvtype, root), comm);

	vmo_count_call(Scatterv);
	return rc >= 0 ? rc : shim.mpi.Scatterv(sendbuf, sendcounts, displs, sendtype, recvbuf, recvcount, recvtype, root,
	                                        comm);
}

/* ---- Allgather ---- */

static int allgather(struct vmo_coll *coll, MPI_Comm comm, const void *sendbuf, MPI_Count sendcount,
                     MPI_Datatype sendtype, struct vmo_coll_side *recv)
{
	recv->extent = vmo_coll_extent(recv->type);
	struct vmo_coll_piece own = vmo_coll_piece(recv, coll->rank);
	struct vmo_coll_piece from = sendbuf == MPI_IN_PLACE ? own
	                           : (struct vmo_coll_piece){ (void *)(uintptr_t)sendbuf, sendcount, sendtype };

	vmo_coll_begin(coll);
	for (int step = 1; step < coll->size; step++) {
		int r = vmo_coll_turn(coll, step);
		struct vmo_coll_piece in = vmo_coll_piece(recv, r);
		vmo_coll_recv(coll, r, in.at, in.count, in.type);
	}
	for (int step = 1; step < coll->size; step++)
		vmo_coll_send(coll, vmo_coll_turn(coll, step), from.at, from.count, from.type);
	if (sendbuf != MPI_IN_PLACE && from.at != own.at)
		vmo_coll_self(coll, from.at, from.count, from.type, own.at, own.count, own.type);
	return vmo_raise(comm, vmo_coll_end(coll));
}

/* -1: MPI's. The counts of all pieces are the same on all ranks, so the largest one decides. */
static int may_allgather(const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, struct vmo_coll_side recv,
                         MPI_Comm comm)
{
	struct vmo_comm_map *map;
	MPI_Count largest;
	int rc = -1;

	if (!shim.coll.usable || comm == MPI_COMM_NULL)
		return -1;
	if (recv.arrays) {
		if (!(map = vmo_coll_map(comm, &rc)))
			return rc;
		struct vmo_coll_sizes sizes = vmo_coll_sizes(&recv, map->size, -1);
		largest = sizes.wrong ? -1 : sizes.largest;
	} else {
		largest = vmo_coll_bytes(recv.count, recv.type);
	}
	if (largest < shim.coll.gather || vmo_coll_null(recv.buf, largest, recv.type))
		return -1;
	MPI_Count sent = sendbuf == MPI_IN_PLACE ? largest : vmo_coll_bytes(sendcount, sendtype);
	if (sent < 0 || (sendbuf != MPI_IN_PLACE && vmo_coll_null(sendbuf, sent, sendtype)))
		return -1;
	if (!(map = vmo_coll_map(comm, &rc)) ||
	    (!map->inter && vmo_coll_alias_own(recv, vmo_coll_rank(comm, map), sendbuf, sent, sendtype)))
		return rc;
	struct vmo_coll *coll = vmo_coll_for(comm, largest, shim.coll.gather, sent, true, &rc);
	return coll ? allgather(coll, comm, sendbuf, sendcount, sendtype, &recv) : rc;
}

int vmo_Allgather(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf, int recvcount,
                  MPI_Datatype recvtype, MPI_Comm comm)
{
	int rc = may_allgather(sendbuf, sendcount, sendtype, vmo_coll_even(recvbuf, recvcount, recvtype), comm);

	vmo_count_call(Allgather);
	return rc >= 0 ? rc : shim.mpi.Allgather(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm);
}

int vmo_Allgatherv(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf, const int *recvcounts,
                   const int *displs, MPI_Datatype recvtype, MPI_Comm comm)
{
	int rc = may_allgather(sendbuf, sendcount, sendtype, vmo_coll_narrow(recvbuf, recvcounts, displs, recvtype, NULL),
	                       comm);

	vmo_count_call(Allgatherv);
	return rc >= 0 ? rc : shim.mpi.Allgatherv(sendbuf, sendcount, sendtype, recvbuf, recvcounts, displs, recvtype, comm);
}

#if MPI_VERSION >= 4
int vmo_Gather_c(const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, void *recvbuf, MPI_Count recvcount,
                 MPI_Datatype recvtype, int root, MPI_Comm comm)
{
	int rc = even(gather, gathering(sendbuf, sendcount, sendtype, root, vmo_coll_even(recvbuf, recvcount, recvtype)),
	              comm);

	vmo_count_call(Gather_c);
	return rc >= 0 ? rc : shim.mpi.Gather_c(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, root, comm);
}

int vmo_Gatherv_c(const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, void *recvbuf,
                  const MPI_Count *recvcounts, const MPI_Aint *displs, MPI_Datatype recvtype, int root, MPI_Comm comm)
{
	int rc = uneven(gather, gathering(sendbuf, sendcount, sendtype, root,
	                                  vmo_coll_wide(recvbuf, recvcounts, displs, recvtype, NULL)), comm);

	vmo_count_call(Gatherv_c);
	return rc >= 0 ? rc : shim.mpi.Gatherv_c(sendbuf, sendcount, sendtype, recvbuf, recvcounts, displs, recvtype, root,
	                                         comm);
}

int vmo_Scatter_c(const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, void *recvbuf, MPI_Count recvcount,
                  MPI_Datatype recvtype, int root, MPI_Comm comm)
{
	int rc = even(scatter, scattering(vmo_coll_even(sendbuf, sendcount, sendtype), recvbuf, recvcount, recvtype, root),
	              comm);

	vmo_count_call(Scatter_c);
	return rc >= 0 ? rc : shim.mpi.Scatter_c(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, root, comm);
}

int vmo_Scatterv_c(const void *sendbuf, const MPI_Count *sendcounts, const MPI_Aint *displs, MPI_Datatype sendtype,
                   void *recvbuf, MPI_Count recvcount, MPI_Datatype recvtype, int root, MPI_Comm comm)
{
	int rc = uneven(scatter, scattering(vmo_coll_wide(sendbuf, sendcounts, displs, sendtype, NULL), recvbuf, recvcount,
	                                    recvtype, root), comm);

	vmo_count_call(Scatterv_c);
	return rc >= 0 ? rc : shim.mpi.Scatterv_c(sendbuf, sendcounts, displs, sendtype, recvbuf, recvcount, recvtype, root,
	                                          comm);
}

int vmo_Allgather_c(const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, void *recvbuf, MPI_Count recvcount,
                    MPI_Datatype recvtype, MPI_Comm comm)
{
	int rc = may_allgather(sendbuf, sendcount, sendtype, vmo_coll_even(recvbuf, recvcount, recvtype), comm);

	vmo_count_call(Allgather_c);
	return rc >= 0 ? rc : shim.mpi.Allgather_c(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm);
}

int vmo_Allgatherv_c(const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, void *recvbuf,
                     const MPI_Count *recvcounts, const MPI_Aint *displs, MPI_Datatype recvtype, MPI_Comm comm)
{
	int rc = may_allgather(sendbuf, sendcount, sendtype, vmo_coll_wide(recvbuf, recvcounts, displs, recvtype, NULL),
	                       comm);

	vmo_count_call(Allgatherv_c);
	return rc >= 0 ? rc : shim.mpi.Allgatherv_c(sendbuf, sendcount, sendtype, recvbuf, recvcounts, displs, recvtype,
	                                            comm);
}
#endif
