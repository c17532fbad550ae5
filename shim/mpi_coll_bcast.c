/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Broadcast: every co-resident reader pulls straight from the root's run, all at once: no tree, no copy of a copy. A
 * root that stages publishes the run in segments, and readers follow behind. All ranks that the root is not on with
 * (its own VM, other hosts) get it by MPI's own broadcast, among themselves and the root.
 */
#include "mpi_coll.h"
#include "mpi_small.h"

static bool on(const struct vmo_coll *coll, int a, int b)
{
	return coll->relation[(size_t)a * (size_t)coll->size + (size_t)b] == VMO_COLL_ON;
}

static bool same_rest(const struct vmo_coll *coll, int a, int b)
{
	for (int r = 0; r < coll->size; r++)
		if (on(coll, a, r) != on(coll, b, r))
			return false;
	return true;
}

/*
 * The communicator of all ranks that the root is not on with, made at its first use; collective over all ranks, which
 * all know who is on with whom. NULL: the root is alone.
 */
static struct vmo_coll_rest *rest_of(struct vmo_coll *coll, int root)
{
	int key = 0, members = 0;

	while (key < root && !same_rest(coll, key, root))
		key++;
	for (int r = 0; r < coll->size; r++)
		members += !on(coll, root, r);
	struct vmo_coll_rest *rest = &coll->rest[key];
	if (members < 2)
		return NULL;
	if (!rest->known) {
		rest->known = true;
		int color = on(coll, root, coll->rank) ? MPI_UNDEFINED : 0;
		vmo_coll_note(coll, shim.mpi.Comm_split(coll->comm, color, coll->rank, &rest->comm));
		if (rest->comm != MPI_COMM_NULL)
			shim.mpi.Comm_set_errhandler(rest->comm, MPI_ERRORS_RETURN);
	}
	return rest;
}

static int rank_in_rest(const struct vmo_coll *coll, int root)
{
	int before = 0;

	for (int r = 0; r < root; r++)
		before += !on(coll, root, r);
	return before;
}

static int mpi_bcast(void *buf, MPI_Count count, MPI_Datatype type, int root, MPI_Comm comm)
{
#if MPI_VERSION >= 4
	return shim.mpi.Bcast_c(buf, count, type, root, comm);
#else
	return shim.mpi.Bcast(buf, (int)count, type, root, comm);
#endif
}

static int bcast(struct vmo_coll *coll, MPI_Comm comm, void *buf, MPI_Count count, MPI_Datatype type, int root)
{
	vmo_coll_begin(coll);
	struct vmo_coll_rest *rest = rest_of(coll, root);
	if (coll->rank == root)
		for (int step = 1; step < coll->size; step++) {
			int r = vmo_coll_turn(coll, step);
			if (on(coll, root, r))
				vmo_coll_send(coll, r, buf, count, type);
		}
	else if (on(coll, root, coll->rank))
		vmo_coll_recv(coll, root, buf, count, type);
	if (rest && !on(coll, root, coll->rank))
		vmo_coll_note(coll, mpi_bcast(buf, count, type, rank_in_rest(coll, root), rest->comm));
	return vmo_raise(comm, vmo_coll_end(coll));
}

/* -1: MPI's. */
static int may_bcast(void *buf, MPI_Count count, MPI_Datatype type, int root, MPI_Comm comm)
{
	struct vmo_comm_map *map;
	MPI_Count bytes;
	int rank, rc = -1;

	if (!shim.coll.usable || root < 0 || comm == MPI_COMM_NULL)
		return -1;
	if ((bytes = vmo_coll_bytes(count, type)) < shim.coll.bcast || vmo_coll_null(buf, bytes, type))
		return -1;
	if (!(map = vmo_coll_map(comm, &rc)) || (!map->inter && root >= map->size) ||
	    shim.mpi.Comm_rank(comm, &rank) != MPI_SUCCESS)
		return rc;
	struct vmo_coll *coll = vmo_coll_for(comm, bytes, shim.coll.bcast, rank == root ? bytes : 0, true, &rc);
	return coll ? bcast(coll, comm, buf, count, type, root) : rc;
}

int vmo_Bcast(void *buf, int count, MPI_Datatype type, int root, MPI_Comm comm)
{
	const struct vmo_type *t = vmo_plain_type(type);

	vmo_count_call(Bcast);
	if (vmo_likely(t && (uint64_t)count * (uint64_t)t->size < (uint64_t)shim.coll.bcast))
		return shim.mpi.Bcast(buf, count, type, root, comm);
	int rc = may_bcast(buf, count, type, root, comm);
	return rc >= 0 ? rc : shim.mpi.Bcast(buf, count, type, root, comm);
}

#if MPI_VERSION >= 4
int vmo_Bcast_c(void *buf, MPI_Count count, MPI_Datatype type, int root, MPI_Comm comm)
{
	int rc = may_bcast(buf, count, type, root, comm);

	vmo_count_call(Bcast_c);
	return rc >= 0 ? rc : shim.mpi.Bcast_c(buf, count, type, root, comm);
}
#endif
