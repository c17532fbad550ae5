/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A message that ends within an element of a type that MPI unpacks for the library, as it has more strips than the library
 * keeps (VMO_STRIPS_MOST of shape.h): whole elements come whole, of the last one only what came changes, and the status
 * tells how much that was (MPI 3.1, 3.2.5, 4.1.11). Large messages, probed ones, and small ones, which MPI carries.
 *
 * RUN: np=2 VMONECOPY=0
 * RUN: np=2 VMONECOPY_ADMISSION=1 expect="unpacks [1-9]" expect="substitutions [1-9]"
 * RUN: np=2 VMONECOPY_SUBSTITUTE=0 expect="unpacks [1-9]" expect="staged_bytes [1-9]"
 * RUN: np=2 VMONECOPY_MAP_BUDGET=0 expect="unpacks [1-9]" expect="grant_copy_bytes [1-9]"
 * RUN: np=2 VMONECOPY_MAP_BUDGET=0 VMONECOPY_GRANT_COPY=0 expect="refusals [1-9]"
 */
#include "t.h"

/* One int, a gap of one, two ints, a gap of one, and so on: neighbours of unlike length make no common strip. */
#define PAIRS 75000
#define INTS (3 * PAIRS)		/* of an element */
#define EXTENT (5 * PAIRS - 1)		/* in ints */
#define ELEMENTS 2

static MPI_Datatype make_type(void)
{
	static int length[2 * PAIRS], at[2 * PAIRS];
	MPI_Datatype type;

	for (int p = 0; p < PAIRS; p++) {
		length[2 * p] = 1, at[2 * p] = 5 * p;
		length[2 * p + 1] = 2, at[2 * p + 1] = 5 * p + 2;
	}
	MPI_Type_indexed(2 * PAIRS, length, at, MPI_INT, &type);
	MPI_Type_commit(&type);
	return type;
}

/* Where the i-th int of a message lies. */
static int place_of(int i)
{
	int within = i % INTS;

	return i / INTS * EXTENT + within / 3 * 5 + (within % 3 ? within % 3 + 1 : 0);
}

static void send(int ints, int tag)
{
	int *message = malloc((size_t)ints * sizeof *message);

	t_fill(message, (size_t)ints * sizeof *message, 0, tag, ints);
	MPI_Send(message, ints, MPI_INT, 1, tag, MPI_COMM_WORLD);
	free(message);
}

static void receive(MPI_Datatype type, int ints, int tag, bool probed)
{
	size_t room = (size_t)ELEMENTS * EXTENT * sizeof(int);
	struct t_buf buf = t_new(room, 16), wanted = t_new(room, 16);
	int *message = malloc((size_t)ints * sizeof *message), got;
	MPI_Status status;

	t_fill(message, (size_t)ints * sizeof *message, 0, tag, ints);
	for (int i = 0; i < ints; i++)
		((int *)(void *)wanted.at)[place_of(i)] = message[i];
	if (probed) {
		MPI_Message matched;
		MPI_Mprobe(0, tag, MPI_COMM_WORLD, &matched, &status);
		MPI_Mrecv(buf.at, ELEMENTS, type, &matched, &status);
	} else {
		MPI_Recv(buf.at, ELEMENTS, type, 0, tag, MPI_COMM_WORLD, &status);
	}
	for (size_t i = 0; i < room; i++)
		if (buf.at[i] != wanted.at[i])
			FAIL("message of %d ints: byte %zu of the buffer is wrong", ints, i);
	GUARDED(&buf);
	MPI_Get_elements(&status, type, &got);
	CHECK_EQ(got, ints);
	MPI_Get_count(&status, type, &got);
	CHECK_EQ(got, ints % INTS ? MPI_UNDEFINED : ints / INTS);
	free(message);
	t_free(&buf);
	t_free(&wanted);
}

int main(int argc, char **argv)
{
	const int ints[] = { INTS + INTS / 2, INTS + 1, INTS - 1, 50000, 2 * INTS - 2, 2 * INTS, 1000 };

	t_begin(&argc, &argv, 50);
	MPI_Datatype type = make_type();
	for (int tag = 0; tag < 2 * (int)(sizeof ints / sizeof *ints); tag++) {
		if (t_rank == 0)
			send(ints[tag / 2], tag);
		else
			receive(type, ints[tag / 2], tag, tag % 2);
	}
	MPI_Type_free(&type);
	return t_end();
}
