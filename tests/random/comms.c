/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* comms.c: see comms.h. */
#include "comms.h"
#include "verify.h"

#define MOST 128

static struct comm pool[MOST];
static int used;
static struct comm *now[MAX_COMMS];
static int fixed;		/* so many of the pool live as long as the process */
static MPI_Comm tokens, control;

struct comm *comm_now(enum comm_id id)
{
	return now[id];
}

MPI_Comm comm_tokens(void)
{
	return tokens;
}

MPI_Comm comm_control(void)
{
	return control;
}

/* Of an intercommunicator, a rank is one in the group that it belongs to. */
static void know_ranks(struct comm *c)
{
	MPI_Group world, groups[2];
	int ranks[MAX_RANKS], there[MAX_RANKS], inter;

	for (int i = 0; i < where.ranks; i++) {
		ranks[i] = i;
		c->rank_of[i] = MPI_UNDEFINED;
	}
	DO(MPI_Comm_group(MPI_COMM_WORLD, &world));
	DO(MPI_Comm_test_inter(c->handle, &inter));
	DO(MPI_Comm_group(c->handle, &groups[0]));
	if (inter)
		DO(MPI_Comm_remote_group(c->handle, &groups[1]));
	for (int g = 0; g <= inter; g++) {
		DO(MPI_Group_translate_ranks(world, where.ranks, ranks, groups[g], there));
		for (int i = 0; i < where.ranks; i++)
			if (there[i] != MPI_UNDEFINED)
				c->rank_of[i] = there[i];
		DO(MPI_Group_free(&groups[g]));
	}
	DO(MPI_Group_free(&world));
}

static struct comm *add(enum comm_id id, MPI_Comm handle)
{
	struct comm *c = &pool[used++];

	if (used == MOST)
		fail("the generator makes too many communicators");
	c->handle = handle;
	DO(MPI_Comm_set_errhandler(handle, MPI_ERRORS_RETURN));
	know_ranks(c);
	now[id] = c;
	return c;
}

static MPI_Comm inter(void)
{
	MPI_Comm half = now[C_HALF]->handle, result;
	int odd = where.rank % 2;

	DO(MPI_Intercomm_create(half, 0, control, 1 - odd, 4711, &result));
	return result;
}

void comms_setup(void)
{
	int dims[1] = { where.ranks }, periods[1] = { 1 };
	MPI_Comm c;

	DO(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
	DO(MPI_Comm_dup(MPI_COMM_WORLD, &tokens));
	DO(MPI_Comm_dup(MPI_COMM_WORLD, &control));
	add(C_WORLD, MPI_COMM_WORLD);
	add(C_SELF, MPI_COMM_SELF);
	DO(MPI_Comm_dup(MPI_COMM_WORLD, &c));
	add(C_DUP, c);
	DO(MPI_Comm_split(MPI_COMM_WORLD, 0, -where.rank, &c));
	add(C_REVERSED, c);
	/* rank 0 and rank 1 of the world lead their halves: inter() */
	DO(MPI_Comm_split(MPI_COMM_WORLD, where.rank % 2, where.rank, &c));
	add(C_HALF, c);
	DO(MPI_Cart_create(MPI_COMM_WORLD, 1, dims, periods, 1, &c));
	add(C_CART, c);
	if (where.ranks > 1)
		add(C_INTER, inter());
	DO(MPI_Comm_dup(MPI_COMM_WORLD, &c));
	add(C_ANYTAG, c);
	DO(MPI_Comm_dup(MPI_COMM_WORLD, &c));
	add(C_ANY, c);
	fixed = used;
}

void comms_cleanup(void)
{
	for (int i = 2; i < fixed; i++)
		DO(MPI_Comm_free(&pool[i].handle));
	DO(MPI_Comm_free(&tokens));
	DO(MPI_Comm_free(&control));
}

void comm_make(enum comm_id id, enum make_way way)
{
	MPI_Request request;
	MPI_Comm c;

	switch (way) {
	case MAKE_IDUP:
		DO(MPI_Comm_idup(MPI_COMM_WORLD, &c, &request));
		DO(MPI_Wait(&request, MPI_STATUS_IGNORE));
		break;
	case MAKE_REVERSED:
		DO(MPI_Comm_split(MPI_COMM_WORLD, 0, -where.rank, &c));
		break;
	case MAKE_INTER_DUP:
		DO(MPI_Comm_dup(now[C_INTER]->handle, &c));
		break;
	default:
		DO(MPI_Comm_dup(now[C_DUP]->handle, &c));
	}
	add(id, c);
}

void comm_free(enum comm_id id)
{
	DO(MPI_Comm_free(&now[id]->handle));
	now[id] = NULL;
}

void comms_plan_ended(void)
{
	used = fixed;
}

int comm_world_rank(const struct comm *comm, int rank)
{
	for (int i = 0; i < where.ranks; i++)
		if (comm->rank_of[i] == rank)
			return i;
	return -1;
}
