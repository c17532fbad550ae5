/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reductions: each rank owns one segment of the result.
 *
 *   phase 1   rank i offers each rank j segment j of its input, and reads segment i of every co-resident peer's input
 *             as the operand of the operation, straight from the peer's pages (mpi_coll_operand.c)
 *   phase 2   Allreduce: each rank reads the other segments from their owners; Reduce: the root does;
 *             Reduce_scatter: there is none
 *
 * A segment lies in place for its owner's domain, whatever the number of domains; in phase 2 of Allreduce a finished
 * segment is in place for one domain and staged for further ones.
 *
 * ORDER. Predefined operations commute: a rank begins with its own input and takes the others in a fixed order, so the
 * same arguments always give the same result, the same on all ranks (MPI 3.1, 5.9.1 recommends it). Operations of the
 * user's own need not commute: the operands are taken in from the highest rank to the lowest, result = operand op result.
 */
#include "mpi_coll.h"

struct reduction {
	struct vmo_coll *coll;
	const char *input;
	MPI_Count count;		/* of all segments; Reduce and Allreduce */
	struct vmo_coll_array counts;	/* Reduce_scatter */
	bool block;			/* Reduce_scatter_block: each segment has `count` */
	MPI_Datatype type;
	MPI_Aint extent, lb, true_extent;
	MPI_Op op;
	bool plain, in_place;
};

static MPI_Count count_of(const struct reduction *r, int rank)
{
	int size = r->coll->size;

	if (r->block)
		return r->count;
	if (r->counts.narrow || r->counts.wide)
		return vmo_coll_at(r->counts, rank);
	return r->count / size + (rank < r->count % size);
}

static MPI_Count begin_of(const struct reduction *r, int rank)
{
	MPI_Count begin = 0;

	if (!r->counts.narrow && !r->counts.wide && !r->block)
		return r->count / r->coll->size * rank + (rank < r->count % r->coll->size ? rank : r->count % r->coll->size);
	for (int i = 0; i < rank; i++)
		begin += count_of(r, i);
	return begin;
}

static char *segment(const struct reduction *r, const void *buf, int rank)
{
	return (char *)(uintptr_t)buf + begin_of(r, rank) * r->extent;
}

/* Memory that `count` elements take. */
static size_t span(const struct reduction *r, MPI_Count count)
{
	return count ? (size_t)(r->true_extent + (count - 1) * r->extent) : 0;
}

/* Room for an operand of each rank, on cache lines. */
static size_t slot_bytes(const struct reduction *r)
{
	return (span(r, count_of(r, r->coll->rank)) + 63) & ~(size_t)63;
}

static char *slot(const struct reduction *r, int rank)
{
	return r->coll->scratch[0] + (size_t)rank * slot_bytes(r) - r->lb;
}

/* acc is own segment's place and may be within the input. */
static void reduce_plain(struct reduction *r, char *acc)
{
	struct vmo_coll *coll = r->coll;
	MPI_Count count = count_of(r, coll->rank);
	char *own = segment(r, r->input, coll->rank);

	if (own != acc)
		vmo_coll_self(coll, own, count, r->type, acc, count, r->type);
	for (int step = 1; step < coll->size; step++)
		vmo_coll_operand(coll, vmo_coll_turn(coll, step), acc, r->op, true);
}

/* The result is left in the highest rank's slot, because acc may be input until all have read. */
static char *reduce_ordered(struct reduction *r)
{
	struct vmo_coll *coll = r->coll;
	MPI_Count count = count_of(r, coll->rank);
	int top = coll->size - 1;
	char *own = segment(r, r->input, coll->rank), *result = slot(r, top);

	if (coll->rank == top)
		vmo_coll_self(coll, own, count, r->type, result, count, r->type);
	else
		vmo_coll_take(coll, top);
	for (int rank = top - 1; rank >= 0 && count; rank--) {
		if (rank == coll->rank)
			vmo_coll_apply(coll, own, result, count, r->type, r->op);
		else
			vmo_coll_operand(coll, rank, result, r->op, false);
	}
	return result;
}

/* Phase 1. The own segment of the result goes to acc, which may overlap the input. */
static void reduce_segments(struct reduction *r, char *acc)
{
	struct vmo_coll *coll = r->coll;
	MPI_Count count = count_of(r, coll->rank);
	char *result = acc;

	vmo_coll_begin(coll);
	if (!vmo_coll_scratch(coll, 0, slot_bytes(r) * (size_t)coll->size + 1)) {
		vmo_coll_note(coll, MPI_ERR_NO_MEM);
		return;
	}
	for (int step = 1; step < coll->size; step++) {
		int rank = vmo_coll_turn(coll, step);
		vmo_coll_recv_held(coll, rank, slot(r, rank), count, r->type);
	}
	for (int step = 1; step < coll->size; step++) {
		int rank = vmo_coll_turn(coll, step);
		vmo_coll_send(coll, rank, segment(r, r->input, rank), count_of(r, rank), r->type);
	}
	if (r->plain && count)
		reduce_plain(r, acc);
	else if (count)
		result = reduce_ordered(r);
	if (r->in_place)	/* what follows changes the input */
		vmo_coll_end(coll);
	if (result != acc)
		vmo_coll_self(coll, result, count, r->type, acc, count, r->type);
}

/* Phase 2 of Allreduce. */
static void spread_segments(struct reduction *r, char *recvbuf)
{
	struct vmo_coll *coll = r->coll;

	vmo_coll_begin_second(coll);
	for (int step = 1; step < coll->size; step++) {
		int rank = vmo_coll_turn(coll, step);
		vmo_coll_recv(coll, rank, segment(r, recvbuf, rank), count_of(r, rank), r->type);
	}
	for (int step = 1; step < coll->size; step++)
		vmo_coll_send(coll, vmo_coll_turn(coll, step), segment(r, recvbuf, coll->rank), count_of(r, coll->rank), r->type);
	vmo_coll_end(coll);
}

/* Phase 2 of Reduce. */
static void collect_segments(struct reduction *r, const char *acc, char *recvbuf, int root)
{
	struct vmo_coll *coll = r->coll;

	vmo_coll_begin_second(coll);
	for (int step = 1; step < coll->size && coll->rank == root; step++) {
		int rank = vmo_coll_turn(coll, step);
		vmo_coll_recv(coll, rank, segment(r, recvbuf, rank), count_of(r, rank), r->type);
	}
	if (coll->rank != root)
		vmo_coll_send(coll, root, acc, count_of(r, coll->rank), r->type);
	vmo_coll_end(coll);
}

/* Memory for the own segment where the user's is none: kept, so that it is soon in place. */
static char *own_place(struct reduction *r)
{
	char *place = vmo_coll_scratch(r->coll, 1, span(r, count_of(r, r->coll->rank)) + 1);

	return place ? place - r->lb : NULL;
}

static struct reduction describe(const void *sendbuf, void *recvbuf, MPI_Datatype type, MPI_Op op)
{
	bool in_place = sendbuf == MPI_IN_PLACE || sendbuf == recvbuf;	/* the latter is wrong; it does no harm here */
	struct reduction r = { .input = in_place ? recvbuf : sendbuf, .type = type, .op = op, .in_place = in_place,
	                       .plain = vmo_coll_op_plain(op, type) };

	r.extent = vmo_coll_extent(type);
	shim.mpi.Type_get_true_extent(type, &r.lb, &r.true_extent);
	return r;
}

/*
 * Is this one done here? The largest segment decides: its count is the same on all ranks, as is the type's size; how
 * many ranks, only the communicator tells, so a first look takes one.
 */
static struct vmo_coll *may_reduce(MPI_Comm comm, const void *input, MPI_Count count, bool parts, MPI_Datatype type,
                                   MPI_Op op, int *rc)
{
	MPI_Count bytes, threshold = parts ? shim.coll.reduce : shim.coll.reduce_scatter;

	*rc = -1;
	if (!shim.coll.usable || (bytes = vmo_coll_bytes(count, type)) < threshold || comm == MPI_COMM_NULL)
		return NULL;
	struct vmo_comm_map *map = vmo_coll_map(comm, rc);
	if (!map || (parts && bytes / map->size < threshold) || vmo_coll_null(input, bytes, type))
		return NULL;
	if (!vmo_coll_op_own(op) && !vmo_coll_op_plain(op, type)) {
		vmo_fall_through(VMO_R_odd_reduction, (uint64_t)bytes);
		return NULL;
	}
	return vmo_coll_for(comm, bytes, threshold, bytes, false, rc);
}

/* ---- Allreduce ---- */

/* -1: MPI's. */
static int allreduce(const void *sendbuf, void *recvbuf, MPI_Count count, MPI_Datatype type, MPI_Op op, MPI_Comm comm)
{
	const void *input = sendbuf == MPI_IN_PLACE ? recvbuf : sendbuf;
	int rc = -1;
	struct vmo_coll *coll = vmo_coll_alias(sendbuf, recvbuf, count) ? NULL
	                      : may_reduce(comm, input, count, true, type, op, &rc);

	if (!coll)
		return rc;
	struct reduction r = describe(sendbuf, recvbuf, type, op);
	r.coll = coll;
	r.count = count;
	reduce_segments(&r, segment(&r, recvbuf, coll->rank));
	spread_segments(&r, recvbuf);
	return vmo_raise(comm, coll->error);
}

int vmo_Allreduce(const void *sendbuf, void *recvbuf, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm)
{
	int rc = allreduce(sendbuf, recvbuf, count, type, op, comm);

	vmo_count_call(Allreduce);
	return rc >= 0 ? rc : shim.mpi.Allreduce(sendbuf, recvbuf, count, type, op, comm);
}

/* ---- Reduce ---- */

/* -1: MPI's. */
static int reduce(const void *sendbuf, void *recvbuf, MPI_Count count, MPI_Datatype type, MPI_Op op, int root,
                  MPI_Comm comm)
{
	const void *input = sendbuf == MPI_IN_PLACE ? recvbuf : sendbuf;
	struct vmo_coll *coll;
	struct vmo_comm_map *map;
	int rc = -1;

	if (!shim.coll.usable || root < 0 || comm == MPI_COMM_NULL || !(map = vmo_comm_known(comm)) ||
	    (!map->unknown && !map->inter && root >= map->size) ||
	    (vmo_coll_alias(sendbuf, recvbuf, count) && vmo_coll_rank(comm, map) == root) ||
	    !(coll = may_reduce(comm, input, count, true, type, op, &rc)))
		return rc;
	struct reduction r = describe(sendbuf, recvbuf, type, op);
	r.coll = coll;
	r.count = count;
	char *acc = coll->rank == root ? segment(&r, recvbuf, root) : own_place(&r);
	if (!acc)
		return vmo_raise(comm, MPI_ERR_NO_MEM);
	reduce_segments(&r, acc);
	collect_segments(&r, acc, recvbuf, root);
	return vmo_raise(comm, coll->error);
}

int vmo_Reduce(const void *sendbuf, void *recvbuf, int count, MPI_Datatype type, MPI_Op op, int root, MPI_Comm comm)
{
	int rc = reduce(sendbuf, recvbuf, count, type, op, root, comm);

	vmo_count_call(Reduce);
	return rc >= 0 ? rc : shim.mpi.Reduce(sendbuf, recvbuf, count, type, op, root, comm);
}

/* ---- Reduce_scatter ---- */

static int reduce_scatter(struct reduction *r, MPI_Comm comm, void *recvbuf)
{
	struct vmo_coll *coll = r->coll;
	char *acc = r->in_place ? own_place(r) : recvbuf;	/* others read the input until phase 1 ends */
	MPI_Count count = count_of(r, coll->rank);

	if (!acc && count)
		return vmo_raise(comm, MPI_ERR_NO_MEM);
	reduce_segments(r, acc);
	vmo_coll_end(coll);
	if (r->in_place && count) {
		vmo_coll_self(coll, acc, count, r->type, recvbuf, count, r->type);
		if (coll->rank && r->block)	/* MPICH leaves it here too, and programs were seen to look here */
			vmo_coll_self(coll, acc, count, r->type, segment(r, recvbuf, coll->rank), count, r->type);
	}
	return vmo_raise(comm, coll->error);
}

/* -1: MPI's. */
static int reduce_scatter_v(const void *sendbuf, void *recvbuf, struct vmo_coll_array counts, MPI_Datatype type,
                            MPI_Op op, MPI_Comm comm)
{
	struct vmo_comm_map *map;
	MPI_Count largest = 0;
	int rc = -1;

	if (!shim.coll.usable || comm == MPI_COMM_NULL || !(counts.narrow || counts.wide) ||
	    !(map = vmo_coll_map(comm, &rc)) || map->inter)
		return rc;
	for (int i = 0; i < map->size; i++) {
		MPI_Count count = vmo_coll_at(counts, i);
		if (count < 0)
			return -1;
		largest = count > largest ? count : largest;
	}
	const void *input = sendbuf == MPI_IN_PLACE ? recvbuf : sendbuf;
	struct vmo_coll *coll = vmo_coll_alias(sendbuf, recvbuf, largest) ? NULL
	                      : may_reduce(comm, input, largest, false, type, op, &rc);
	if (!coll)
		return rc;
	struct reduction r = describe(sendbuf, recvbuf, type, op);
	r.coll = coll;
	r.counts = counts;
	return reduce_scatter(&r, comm, recvbuf);
}

/* -1: MPI's. */
static int reduce_scatter_block(const void *sendbuf, void *recvbuf, MPI_Count count, MPI_Datatype type, MPI_Op op,
                                MPI_Comm comm)
{
	const void *input = sendbuf == MPI_IN_PLACE ? recvbuf : sendbuf;
	int rc = -1;
	struct vmo_coll *coll = vmo_coll_alias(sendbuf, recvbuf, count) ? NULL
	                      : may_reduce(comm, input, count, false, type, op, &rc);

	if (!coll)
		return rc;
	struct reduction r = describe(sendbuf, recvbuf, type, op);
	r.coll = coll;
	r.count = count;
	r.block = true;
	return reduce_scatter(&r, comm, recvbuf);
}

int vmo_Reduce_scatter(const void *sendbuf, void *recvbuf, const int *recvcounts, MPI_Datatype type, MPI_Op op,
                       MPI_Comm comm)
{
	int rc = reduce_scatter_v(sendbuf, recvbuf, (struct vmo_coll_array){ .narrow = recvcounts }, type, op, comm);

	vmo_count_call(Reduce_scatter);
	return rc >= 0 ? rc : shim.mpi.Reduce_scatter(sendbuf, recvbuf, recvcounts, type, op, comm);
}

int vmo_Reduce_scatter_block(const void *sendbuf, void *recvbuf, int recvcount, MPI_Datatype type, MPI_Op op,
                             MPI_Comm comm)
{
	int rc = reduce_scatter_block(sendbuf, recvbuf, recvcount, type, op, comm);

	vmo_count_call(Reduce_scatter_block);
	return rc >= 0 ? rc : shim.mpi.Reduce_scatter_block(sendbuf, recvbuf, recvcount, type, op, comm);
}

#if MPI_VERSION >= 4
int vmo_Allreduce_c(const void *sendbuf, void *recvbuf, MPI_Count count, MPI_Datatype type, MPI_Op op, MPI_Comm comm)
{
	int rc = allreduce(sendbuf, recvbuf, count, type, op, comm);

	vmo_count_call(Allreduce_c);
	return rc >= 0 ? rc : shim.mpi.Allreduce_c(sendbuf, recvbuf, count, type, op, comm);
}

int vmo_Reduce_c(const void *sendbuf, void *recvbuf, MPI_Count count, MPI_Datatype type, MPI_Op op, int root,
                 MPI_Comm comm)
{
	int rc = reduce(sendbuf, recvbuf, count, type, op, root, comm);

	vmo_count_call(Reduce_c);
	return rc >= 0 ? rc : shim.mpi.Reduce_c(sendbuf, recvbuf, count, type, op, root, comm);
}

int vmo_Reduce_scatter_c(const void *sendbuf, void *recvbuf, const MPI_Count *recvcounts, MPI_Datatype type, MPI_Op op,
                         MPI_Comm comm)
{
	int rc = reduce_scatter_v(sendbuf, recvbuf, (struct vmo_coll_array){ .wide = recvcounts }, type, op, comm);

	vmo_count_call(Reduce_scatter_c);
	return rc >= 0 ? rc : shim.mpi.Reduce_scatter_c(sendbuf, recvbuf, recvcounts, type, op, comm);
}

int vmo_Reduce_scatter_block_c(const void *sendbuf, void *recvbuf, MPI_Count recvcount, MPI_Datatype type, MPI_Op op,
                               MPI_Comm comm)
{
	int rc = reduce_scatter_block(sendbuf, recvbuf, recvcount, type, op, comm);

	vmo_count_call(Reduce_scatter_block_c);
	return rc >= 0 ? rc : shim.mpi.Reduce_scatter_block_c(sendbuf, recvbuf, recvcount, type, op, comm);
}
#endif
