/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rank in a communicator -> peer: computed once, cached on the communicator as an attribute.
 *
 * The map of MPI_COMM_WORLD comes first and holds each rank: a peer of this host, or the one that stands for all
 * elsewhere. Other maps are made from it, by what MPI says of ranks in it.
 *
 * Processes of another start (spawned, connected) are in no MPI_COMM_WORLD of ours: they are never a peer.
 *
 * A session's communicator works before MPI_Init and after MPI_Finalize, while its receivers here do not
 * look for requests. Nothing tells it from others, so on communicators first seen after MPI_Session_init
 * this process sends nothing one-copy; what others send there it still receives either way.
 */
#include "mpi_coll.h"

#include <errno.h>
#include <stdlib.h>

/*
 * Communicators seen last, where one thread at a time calls MPI: asking for an attribute costs as much as a small message.
 * MPI calls `forget` before a handle means another communicator.
 */
enum { RECENT = 4 };
static struct {
	MPI_Comm comm;
	struct vmo_comm_map *map;	/* NULL: empty */
} recent[RECENT];
static unsigned int next_recent;

static struct vmo_comm_map *find_recent(MPI_Comm comm)
{
	for (int i = 0; i < RECENT && !shim.multiple; i++)
		if (recent[i].comm == comm && recent[i].map)
			return recent[i].map;
	return NULL;
}

static void add_recent(MPI_Comm comm, struct vmo_comm_map *map)
{
	unsigned int i = next_recent++ % RECENT;

	if (shim.multiple)
		return;
	recent[i].comm = comm;
	recent[i].map = map;
}

static void forget_recent(const struct vmo_comm_map *map)
{
	for (int i = 0; i < RECENT; i++)
		if (recent[i].map == map)
			recent[i].map = NULL;
}

/* In place of a map without memory. Sends fall through; what is received may be a request all the same. */
static struct vmo_comm_map unknown = { .refs = 1, .unknown = true };

void vmo_map_drop(struct vmo_comm_map *map)
{
	if (map && (shim.multiple ? __atomic_sub_fetch(&map->refs, 1, __ATOMIC_ACQ_REL) : --map->refs) == 0)
		free(map);
}

static int forget(MPI_Comm comm, int keyval, void *value, void *extra)
{
	struct vmo_comm_map *map = value;

	forget_recent(map);
	vmo_coll_free(map->coll);	/* now, although a pending receive may need the map for longer */
	map->coll = NULL;
	vmo_map_drop(map);
	return MPI_SUCCESS;
}

static struct vmo_comm_map *new_map(int size)
{
	struct vmo_comm_map *map = vmo_fault(comm_map) ? NULL : calloc(1, sizeof *map + (size_t)size * sizeof map->peer[0]);

	if (map) {
		map->refs = 1;
		map->size = size;
	}
	return map;
}

static void set_peer(struct vmo_comm_map *map, int rank, int world_rank)
{
	if (world_rank < 0 || world_rank >= shim.world->size) {
		map->foreign = true;
		return;
	}
	map->peer[rank] = shim.world->peer[world_rank];
	map->any_on |= map->peer[rank]->on;
}

static struct vmo_comm_map *map_of_group(MPI_Group group)
{
	MPI_Group world;
	int size = 0;

	shim.mpi.Group_size(group, &size);
	struct vmo_comm_map *map = new_map(size);
	int *ranks = vmo_fault(comm_ranks) ? NULL : malloc(2 * (size_t)size * sizeof *ranks + 1);
	if (!map || !ranks || shim.mpi.Comm_group(shim.private_comm, &world) != MPI_SUCCESS) {
		free(map);
		free(ranks);
		return NULL;
	}
	for (int r = 0; r < size; r++)
		ranks[r] = r;
	if (shim.mpi.Group_translate_ranks(group, size, ranks, world, ranks + size) == MPI_SUCCESS)
		for (int r = 0; r < size; r++)
			set_peer(map, r, ranks[size + r]);	/* MPI_UNDEFINED is negative */
	free(ranks);
	shim.mpi.Group_free(&world);
	return map;
}

static struct vmo_comm_map *compute(MPI_Comm comm)
{
	MPI_Group group;
	int inter = 0;

	if (shim.mpi.Comm_test_inter(comm, &inter) != MPI_SUCCESS)
		return NULL;
	if ((inter ? shim.mpi.Comm_remote_group : shim.mpi.Comm_group)(comm, &group) != MPI_SUCCESS)
		return NULL;
	struct vmo_comm_map *map = map_of_group(group);
	shim.mpi.Group_free(&group);
	if (map) {
		map->receives_only = __atomic_load_n(&shim.sessions, __ATOMIC_RELAXED);
		map->inter = inter;
	}
	if (map && (vmo_fault(comm_attribute) || shim.mpi.Comm_set_attr(comm, shim.comm_keyval, map) != MPI_SUCCESS)) {
		vmo_map_drop(map);
		map = NULL;
	}
	return map;
}

/* For the owner of a group; MPI allocates what it needs by itself. */
static struct vmo_peer *peer_of_rank(MPI_Group group, int rank)
{
	MPI_Group world;
	int size = 0, world_rank = MPI_UNDEFINED;

	shim.mpi.Group_size(group, &size);
	if (rank < 0 || rank >= size || shim.mpi.Comm_group(shim.private_comm, &world) != MPI_SUCCESS)
		return NULL;
	shim.mpi.Group_translate_ranks(group, 1, &rank, world, &world_rank);
	shim.mpi.Group_free(&world);
	return world_rank >= 0 && world_rank < shim.world->size ? shim.world->peer[world_rank] : NULL;
}

static struct vmo_peer *ask_for_peer(MPI_Comm comm, int rank)
{
	MPI_Group group;
	int inter = 0;

	if (shim.mpi.Comm_test_inter(comm, &inter) != MPI_SUCCESS ||
	    (inter ? shim.mpi.Comm_remote_group : shim.mpi.Comm_group)(comm, &group) != MPI_SUCCESS)
		return NULL;
	struct vmo_peer *peer = peer_of_rank(group, rank);
	shim.mpi.Group_free(&group);
	return peer;
}

struct vmo_peer *vmo_map_peer(const struct vmo_comm_map *map, MPI_Comm comm, int source)
{
	if (vmo_unlikely(map->unknown))
		return ask_for_peer(comm, source);
	return source >= 0 && source < map->size ? map->peer[source] : NULL;
}

static struct vmo_comm_map *look_up(MPI_Comm comm)
{
	struct vmo_comm_map *map = NULL;
	int found = 0;

	if (vmo_likely(comm == MPI_COMM_WORLD))
		return shim.world;
	if (comm == MPI_COMM_NULL)
		return NULL;
	if ((map = find_recent(comm)))
		return map;
	if (shim.mpi.Comm_get_attr(comm, shim.comm_keyval, &map, &found) != MPI_SUCCESS)
		return NULL;
	if (!found) {
		vmo_enter();
		shim.mpi.Comm_get_attr(comm, shim.comm_keyval, &map, &found);
		if (!found && !(map = compute(comm)))
			map = &unknown;
		vmo_leave();
	}
	if (map && !map->unknown)
		add_recent(comm, map);
	return map;
}

struct vmo_comm_map *vmo_comm_known(MPI_Comm comm)
{
	return look_up(comm);
}

struct vmo_comm_map *vmo_comm_map(MPI_Comm comm)
{
	struct vmo_comm_map *map = look_up(comm);

	if (map && shim.multiple)
		__atomic_add_fetch(&map->refs, 1, __ATOMIC_RELAXED);
	else if (map)
		map->refs++;
	return map;
}

struct vmo_peer *vmo_comm_peer(MPI_Comm comm, int rank)
{
	static struct vmo_peer foreign = { .reason = VMO_R_other_start }, of_session = { .reason = VMO_R_session },
	                       forgotten = { .reason = VMO_R_no_memory };
	struct vmo_comm_map *map = look_up(comm);

	if (map && map->unknown && rank >= 0)
		return &forgotten;
	if (!map || rank < 0 || rank >= map->size)
		return NULL;
	if (!map->peer[rank])
		return &foreign;
	return map->receives_only ? &of_session : map->peer[rank];
}

bool vmo_map_may_rts(const struct vmo_comm_map *map, int source)
{
	if (!map)
		return false;
	if (source == MPI_ANY_SOURCE)
		return map->any_on || map->unknown;
	if (map->unknown)
		return source >= 0;
	return source >= 0 && source < map->size && map->peer[source] && map->peer[source]->on;
}

void vmo_comm_know(void)
{
	struct vmo_engine *e = &shim.engine;

	for (int r = 0; r < shim.world->size; r++)
		shim.world->peer[r] = &e->elsewhere;
	for (uint32_t i = 0; e->peer && i < e->ranks; i++)
		if (e->peer[i].rank != VMO_NOBODY)
			shim.world->peer[e->peer[i].rank] = &e->peer[i];
	shim.world->any_on = e->peers_on > 0;
}

int vmo_comm_setup(int ranks)
{
	struct vmo_comm_map *map = new_map(ranks);

	if (!map)
		return -ENOMEM;
	shim.world = map;
	return !vmo_fault(keyval) && shim.mpi.Comm_create_keyval(MPI_COMM_NULL_COPY_FN, forget, &shim.comm_keyval, NULL)
	       == MPI_SUCCESS ? 0 : -EIO;
}

void vmo_comm_cleanup(void)
{
	if (shim.comm_keyval != MPI_KEYVAL_INVALID)
		shim.mpi.Comm_free_keyval(&shim.comm_keyval);
	if (shim.world)
		vmo_coll_free(shim.world->coll);
	vmo_map_drop(shim.world);
	shim.world = NULL;
}
