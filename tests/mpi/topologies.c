/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Communicators of all makes, many at once, with large messages in flight on each: duplicated (also without blocking),
 * split, created from groups, with cartesian, graph and distributed graph topologies whose ranks may be reordered,
 * and an intercommunicator's merge (MPI 3.1, 6.4, 6.6, 7.5). Ranks mean what the communicator says; a communicator is
 * freed while its messages are under way.
 *
 * RUN: np=2 VMONECOPY=0
 * RUN: np=2 expect="(onecopy|staged)_bytes [1-9]"
 * RUN: np=4 XENEMU_DOMAINS=2 VMONECOPY_ADMISSION=1 expect="(onecopy|staged)_bytes [1-9]"
 * RUN: np=4 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0 timeout=90
 * RUN: np=2 VMONECOPY_THRESHOLD=64
 */
#include "t.h"

#define N 30000
#define MAKES 10
#define MOST 8

/* World rank of a communicator's rank, found by asking it. */
static int world_rank(MPI_Comm comm, int rank)
{
	MPI_Group here, world;
	int found;

	MPI_Comm_group(comm, &here);
	MPI_Comm_group(MPI_COMM_WORLD, &world);
	MPI_Group_translate_ranks(here, 1, &rank, world, &found);
	MPI_Group_free(&here);
	MPI_Group_free(&world);
	return found;
}

/* The world's ranks in reverse. */
static MPI_Group reversed(void)
{
	MPI_Group world, group;
	int ranks[MOST];

	MPI_Comm_group(MPI_COMM_WORLD, &world);
	for (int r = 0; r < t_size; r++)
		ranks[r] = t_size - 1 - r;
	MPI_Group_incl(world, t_size, ranks, &group);
	MPI_Group_free(&world);
	return group;
}

static MPI_Comm ring_graph(bool distributed)
{
	int index[MOST], edges[MOST], weight = 1, next = (t_rank + 1) % t_size, before = (t_rank + t_size - 1) % t_size;
	MPI_Comm comm;

	for (int r = 0; r < t_size; r++) {
		index[r] = r + 1;
		edges[r] = (r + 1) % t_size;
	}
	if (distributed)
		MPI_Dist_graph_create_adjacent(MPI_COMM_WORLD, 1, &before, &weight, 1, &next, &weight,
		                               MPI_INFO_NULL, 1, &comm);
	else
		MPI_Graph_create(MPI_COMM_WORLD, t_size, index, edges, 1, &comm);
	return comm;
}

static MPI_Comm merged(void)
{
	MPI_Comm part, inter, comm;

	MPI_Comm_split(MPI_COMM_WORLD, t_rank % 2, -t_rank, &part);
	int last = t_size - 1, leader = last % 2 == t_rank % 2 ? last - 1 : last;
	MPI_Intercomm_create(part, 0, MPI_COMM_WORLD, leader, 9, &inter);
	MPI_Intercomm_merge(inter, t_rank % 2 == 0, &comm);
	MPI_Comm_free(&inter);
	MPI_Comm_free(&part);
	return comm;
}

static MPI_Comm make(int kind, MPI_Comm from)
{
	MPI_Comm comm = MPI_COMM_NULL;
	MPI_Request request;
	MPI_Group group;
	int dims[1] = { t_size }, periods[1] = { 1 }, remain[1] = { 1 };

	switch (kind) {
	case 0: MPI_Comm_dup(from, &comm); break;
	case 1:
		MPI_Comm_idup(from, &comm, &request);
		MPI_Wait(&request, MPI_STATUS_IGNORE);
		break;
	case 2: MPI_Comm_split(from, 0, -t_rank, &comm); break;
	case 3:
	case 4:
		group = reversed();
		if (kind == 3)
			MPI_Comm_create(MPI_COMM_WORLD, group, &comm);
		else
			MPI_Comm_create_group(MPI_COMM_WORLD, group, 5, &comm);
		MPI_Group_free(&group);
		break;
	case 5: MPI_Cart_create(MPI_COMM_WORLD, 1, dims, periods, 1, &comm); break;
	case 6: {
		MPI_Comm cart;
		MPI_Cart_create(MPI_COMM_WORLD, 1, dims, periods, 1, &cart);
		MPI_Cart_sub(cart, remain, &comm);
		MPI_Comm_free(&cart);
		break;
	}
	case 7: comm = ring_graph(false); break;
	case 8: comm = ring_graph(true); break;
	default: comm = merged();
	}
	return comm;
}

struct traffic {
	MPI_Comm comm;
	int me, size, from;
	struct t_buf out, in;
	MPI_Request request[2];
};

static void start(struct traffic *t, MPI_Comm comm, int kind, int round)
{
	t->comm = comm;
	MPI_Comm_rank(comm, &t->me);
	MPI_Comm_size(comm, &t->size);
	int to = (t->me + 1) % t->size, from = (t->me + t->size - 1) % t->size;
	t->from = world_rank(comm, from);
	t->out = t_new(N, 0);
	t->in = t_new(N, 8 * (size_t)kind);
	t_fill(t->out.at, N, t_rank, kind, round);
	MPI_Isend(t->out.at, N, MPI_BYTE, to, 3, comm, &t->request[0]);
	MPI_Irecv(t->in.at, N, MPI_BYTE, round % 2 ? from : MPI_ANY_SOURCE, 3, comm, &t->request[1]);
}

static void finish(struct traffic *t, int kind, int round)
{
	MPI_Status status[2];

	MPI_Waitall(2, t->request, status);
	STATUS(&status[1], (t->me + t->size - 1) % t->size, 3, N);
	GOT(&t->in, N, t->from, kind, round);
	t_free(&t->in);
	t_free(&t->out);
}

int main(int argc, char **argv)
{
	t_begin(&argc, &argv, 60);
	for (int round = 0; round < 6; round++) {
		struct traffic t[MAKES];
		MPI_Comm before = MPI_COMM_WORLD;

		for (int kind = 0; kind < MAKES; kind++) {
			before = make(kind, kind < 3 ? before : MPI_COMM_WORLD);
			start(&t[kind], before, kind, round);
		}
		for (int kind = 0; round % 2 && kind < MAKES; kind++)
			MPI_Comm_free(&t[kind].comm);
		for (int kind = MAKES - 1; kind >= 0; kind--)
			finish(&t[kind], kind, round);
		for (int kind = 0; kind < MAKES; kind++)
			if (t[kind].comm != MPI_COMM_NULL)
				MPI_Comm_free(&t[kind].comm);
	}
	return t_end();
}
