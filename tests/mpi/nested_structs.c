/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A large message into a structure of structures, in which an RTS would end within a basic element: MPICH
 * (4.0.2) counts the elements of such a type wrongly, so MPI_Get_elements does not tell that.
 *
 * RUN: np=2
 * RUN: np=2 VMONECOPY_ADMISSION=1
 * RUN: np=2 VMONECOPY_THRESHOLD=64
 */
#include "t.h"

#define N 4000
#define BYTES 15	/* of one record */

struct record {
	char a;
	short b;
	int c;
	double d;
};

/* {byte, short, int, double} in the shape of struct record; then records in two blocks of a structure. */
static MPI_Datatype nested(int first)
{
	const int ones[] = { 1, 1, 1, 1 }, lengths[] = { first, N - first };
	const MPI_Aint at[] = { offsetof(struct record, a), offsetof(struct record, b), offsetof(struct record, c),
		                offsetof(struct record, d) };
	const MPI_Aint blocks[] = { 0, (MPI_Aint)sizeof(struct record) * (first + 1) };
	const MPI_Datatype of[] = { MPI_BYTE, MPI_SHORT, MPI_INT, MPI_DOUBLE };
	MPI_Datatype raw, record, twice[2], result;

	MPI_Type_create_struct(4, ones, at, of, &raw);
	MPI_Type_create_resized(raw, 0, sizeof(struct record), &record);
	twice[0] = twice[1] = record;
	MPI_Type_create_struct(2, lengths, blocks, twice, &result);
	MPI_Type_commit(&result);
	MPI_Type_free(&raw);
	MPI_Type_free(&record);
	return result;
}

static void set(struct record *r, int first, int sequence)
{
	for (int i = 0; i < N; i++) {
		struct record *at = &r[i + (i >= first)];
		at->a = (char)(i + sequence);
		at->b = (short)(i * 3 + sequence);
		at->c = i * 7 + sequence;
		at->d = i * 0.5 + sequence;
	}
}

static void check(const struct record *r, int first, int sequence)
{
	for (int i = 0; i < N; i++) {
		const struct record *at = &r[i + (i >= first)];
		CHECK_EQ(at->a, (char)(i + sequence));
		CHECK_EQ(at->b, (short)(i * 3 + sequence));
		CHECK_EQ(at->c, i * 7 + sequence);
		CHECK(at->d == i * 0.5 + sequence);
	}
	UNTOUCHED((const char *)&r[first], sizeof *r);
}

static void once(int first, int sequence)
{
	struct record *r = malloc((N + 1) * sizeof *r);
	MPI_Datatype type = nested(first);
	MPI_Status status;
	int count;

	memset(r, T_POISON, (N + 1) * sizeof *r);
	if (t_rank == 0) {
		set(r, first, sequence);
		MPI_Send(r, 1, type, 1, 1, MPI_COMM_WORLD);
		MPI_Send(r, 1, type, 1, 2, MPI_COMM_WORLD);
	} else {
		for (int tag = 1; tag <= 2; tag++) {
			memset(r, T_POISON, (N + 1) * sizeof *r);
			MPI_Recv(r, 1, type, 0, tag, MPI_COMM_WORLD, &status);
			MPI_Get_count(&status, type, &count);
			CHECK_EQ(count, 1);
			check(r, first, sequence);
		}
	}
	MPI_Type_free(&type);
	free(r);
}

int main(int argc, char **argv)
{
	t_begin(&argc, &argv, 30);
	for (int s = 0; s < 8; s++)
		once(s + 1, s);
	return t_end();
}
