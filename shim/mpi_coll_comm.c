/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Collectives: what the ranks agree upon, in MPI_Init and once for each communicator. */
#include "mpi_coll.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define AGREE_EVERY 128		/* calls between two agreements on sizes that only pairs know: below 1 % of their time */

/*
 * An unset threshold follows from the one for messages: see mpi_coll.h's callers for what it is compared with. Of 4
 * ranks MPI's own MPI_Reduce_scatter was still level at 16 KiB for each, for it sums up what it passes on.
 */
static int64_t or_default(long given, int64_t otherwise)
{
	return given ? given : otherwise;
}

void vmo_coll_setup(const struct vmo_config *config, bool willing)
{
	int64_t threshold = config->threshold;
	int64_t mine[] = { !(willing && config->collectives), shim.engine.peers_on > 0, threshold,
	                   or_default(config->alltoall, threshold), or_default(config->gather, threshold),
	                   or_default(config->bcast, threshold), or_default(config->reduce, threshold),
	                   or_default(config->reduce_scatter, 2 * threshold) };
	int64_t all[sizeof mine / sizeof *mine];

	shim.coll.usable = false;
	if (shim.mpi.Allreduce(mine, all, (int)(sizeof mine / sizeof *mine), MPI_INT64_T, MPI_MAX, shim.private_comm) !=
	    MPI_SUCCESS)
		return;
	shim.coll.pair = all[2];
	shim.coll.alltoall = all[3];
	shim.coll.gather = all[4];
	shim.coll.bcast = all[5];
	shim.coll.reduce = all[6];
	shim.coll.reduce_scatter = all[7];
	shim.coll.usable = !all[0] && all[1];
}

/* ---- one communicator ---- */

static void *array(struct vmo_coll *coll, size_t per_rank)
{
	return vmo_fault(coll_arrays) ? NULL : calloc((size_t)coll->size, per_rank);
}

static bool allocate(struct vmo_coll *coll)
{
	coll->relation = array(coll, (size_t)coll->size);
	coll->rest = array(coll, sizeof *coll->rest);
	coll->in = array(coll, 2 * sizeof *coll->in);
	coll->out = array(coll, 2 * sizeof *coll->out);
	coll->request = array(coll, 6 * sizeof *coll->request);
	coll->index = array(coll, 6 * sizeof *coll->index);
	coll->status = array(coll, 6 * sizeof *coll->status);
	return coll->relation && coll->rest && coll->in && coll->out && coll->request && coll->index && coll->status;
}

static void free_arrays(struct vmo_coll *coll)
{
	free(coll->relation);
	free(coll->rest);
	free(coll->in);
	free(coll->out);
	free(coll->request);
	free(coll->index);
	free(coll->status);
	coll->relation = NULL;
	coll->rest = NULL;
	coll->in = NULL;
	coll->out = NULL;
	coll->request = NULL;
	coll->index = NULL;
	coll->status = NULL;
}

/* MPI's own freeing of a communicator is local in MPICH and Open MPI, so ranks may do this at different times. */
void vmo_coll_free(struct vmo_coll *coll)
{
	if (!coll)
		return;
	for (int r = 0; coll->rest && r < coll->size; r++)
		if (coll->rest[r].known && coll->rest[r].comm != MPI_COMM_NULL)
			shim.mpi.Comm_free(&coll->rest[r].comm);
	if (coll->comm != MPI_COMM_NULL)
		shim.mpi.Comm_free(&coll->comm);
	free(coll->scratch[0]);
	free(coll->scratch[1]);
	free_arrays(coll);
	free(coll);
}

static uint8_t relation_to(const struct vmo_peer *peer)
{
	return peer->on ? VMO_COLL_ON : peer->reason == VMO_R_same_vm || peer->reason == VMO_R_to_self ? VMO_COLL_SAME_VM
	     : VMO_COLL_APART;
}

/* Round 1, on the user's communicator: is any pair on, and can all take part? Agreed: out of memory is a no. */
static bool all_can(struct vmo_coll *coll, MPI_Comm comm)
{
	int mine[2] = { coll->map->any_on, !allocate(coll) }, all[2];

	if (coll->size > VMO_COLL_RANKS ||
	    shim.mpi.Allreduce(mine, all, 2, MPI_INT, MPI_MAX, comm) != MPI_SUCCESS)
		return false;
	return all[0] && !all[1];
}

/* Round 2: the private communicator. MPI_Comm_dup would call the user's attribute functions; a split calls nobody. */
static bool split(struct vmo_coll *coll, MPI_Comm comm)
{
	if (shim.mpi.Comm_split(comm, 0, coll->rank, &coll->comm) != MPI_SUCCESS)
		return false;
	shim.mpi.Comm_set_errhandler(coll->comm, MPI_ERRORS_RETURN);
	return true;
}

/* Round 3: who is what to whom. */
static bool tell_relations(struct vmo_coll *coll)
{
	uint8_t *mine = coll->relation + (size_t)coll->rank * (size_t)coll->size;

	for (int r = 0; r < coll->size; r++)
		mine[r] = relation_to(coll->map->peer[r]);
	return shim.mpi.Allgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, coll->relation, coll->size, MPI_BYTE, coll->comm) ==
	       MPI_SUCCESS;
}

/* Round 1 without memory for the record of it. */
static void decline(MPI_Comm comm, struct vmo_comm_map *map)
{
	int mine[2] = { 0, 1 }, all[2];

	map->no_coll = true;
	if (map->size <= VMO_COLL_RANKS)
		shim.mpi.Allreduce(mine, all, 2, MPI_INT, MPI_MAX, comm);
}

/* Collective. NULL where there is no memory. */
static struct vmo_coll *agree(MPI_Comm comm, struct vmo_comm_map *map)
{
	struct vmo_coll *coll = vmo_fault(coll) ? NULL : calloc(1, sizeof *coll);

	if (!coll) {
		decline(comm, map);
		return NULL;
	}
	coll->map = map;
	coll->size = map->size;
	coll->comm = MPI_COMM_NULL;
	for (int kind = 0; kind < 3; kind++)
		coll->v[kind].agree_at = 1;
	shim.mpi.Comm_rank(comm, &coll->rank);
	coll->on = all_can(coll, comm) && split(coll, comm) && tell_relations(coll);
	for (int i = 0; coll->on && i < 6 * coll->size; i++)
		coll->request[i] = MPI_REQUEST_NULL;
	if (!coll->on)
		free_arrays(coll);
	map->coll = coll;
	return coll;
}

/*
 * The communicator's state, agreed now if it is not yet. NULL: MPI's alone; *reason says why. Every test here comes out
 * alike on all ranks.
 */
static struct vmo_coll *state_of(MPI_Comm comm, struct vmo_comm_map *map, enum vmo_reason *reason)
{
	*reason = VMO_R_no_memory;
	if (!map || map->no_coll)
		return NULL;
	*reason = map->inter ? VMO_R_intercommunicator : VMO_R_not_coresident;
	if (map->inter || map->foreign || map->size < 2)
		return NULL;
	struct vmo_coll *coll = map->coll ? map->coll : agree(comm, map);
	*reason = VMO_R_no_pair;
	return coll && coll->on ? coll : NULL;
}

static void count_native(MPI_Count bytes, enum vmo_reason reason)
{
	if (bytes > 0)
		vmo_fall_through(reason, (uint64_t)bytes);
}

/* What this rank sends to others; a rank alone sends nothing. */
static MPI_Count sent(const struct vmo_comm_map *map, MPI_Count mine, bool to_all)
{
	if (!map || map->inter)
		return mine;
	return to_all ? mine * (map->size - 1) : map->size > 1 ? mine : 0;
}

struct vmo_comm_map *vmo_coll_map(MPI_Comm comm, int *rc)
{
	struct vmo_comm_map *map = vmo_comm_known(comm);

	*rc = map && map->unknown ? vmo_raise(comm, MPI_ERR_NO_MEM) : -1;
	return *rc >= 0 ? NULL : map;
}

struct vmo_coll *vmo_coll_for(MPI_Comm comm, MPI_Count bytes, MPI_Count threshold, MPI_Count mine, bool to_all, int *rc)
{
	enum vmo_reason reason;

	*rc = -1;
	if (vmo_likely(bytes < threshold) || !shim.coll.usable || comm == MPI_COMM_NULL)
		return NULL;
	struct vmo_comm_map *map = vmo_coll_map(comm, rc);
	struct vmo_coll *coll = *rc < 0 ? state_of(comm, map, &reason) : NULL;
	if (!coll && *rc < 0) {
		count_native(sent(map, mine, to_all), reason);
		return NULL;
	}
	if (coll)
		coll->least = threshold < shim.coll.pair ? threshold : shim.coll.pair;
	return coll;
}

/* At the 1st, 2nd, 4th, ... 128th call, then at each 128th: has any rank had a large piece since, or has it now? */
static bool v_large(struct vmo_coll *coll, struct vmo_coll_v *v, MPI_Count largest)
{
	if ((uint64_t)largest > v->largest)
		v->largest = (uint64_t)largest;
	if (++v->calls < v->agree_at)
		return v->large;
	v->agree_at = v->calls < AGREE_EVERY ? 2 * v->calls : v->calls + AGREE_EVERY;
	uint64_t mine = v->largest, all = 0;
	v->largest = 0;
	if (shim.mpi.Allreduce(&mine, &all, 1, MPI_UINT64_T, MPI_MAX, coll->comm) == MPI_SUCCESS)
		v->large = (MPI_Count)all >= shim.coll.pair;
	return v->large;
}

struct vmo_coll *vmo_coll_for_v(MPI_Comm comm, struct vmo_comm_map *map, enum vmo_coll_v_kind kind, MPI_Count largest,
                                MPI_Count mine)
{
	enum vmo_reason reason;
	struct vmo_coll *coll = state_of(comm, map, &reason);

	if (coll && v_large(coll, &coll->v[kind], largest)) {
		coll->least = shim.coll.pair;
		return coll;
	}
	if (largest >= shim.coll.pair)
		count_native(mine, coll ? VMO_R_not_agreed : reason);
	return NULL;
}

/* Page aligned, so that the pages may be substituted. */
char *vmo_coll_scratch(struct vmo_coll *coll, int which, size_t bytes)
{
	void *fresh;

	if (bytes <= coll->scratch_bytes[which])
		return coll->scratch[which];
	bytes = (size_t)vmo_page_up(bytes + bytes / 4);
	if (vmo_fault(coll_scratch) || posix_memalign(&fresh, VMO_PAGE_BYTES, bytes))
		return NULL;
	free(coll->scratch[which]);
	coll->scratch[which] = fresh;
	coll->scratch_bytes[which] = bytes;
	return fresh;
}
