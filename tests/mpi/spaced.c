/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages with gaps go by one copy, from the parts of one datatype to the parts of another: vectors, a
 * matrix's inner block, irregular blocks, columns, out-of-order blocks, negative lower bounds; contiguous on
 * either side, too. What lies in the gaps stays as it is on both sides, though the sender's pages are changed
 * under it; a late receiver gets the message as it was when it was sent.
 *
 * RUN: np=2 VMONECOPY_ADMISSION=1 expect="spaced_messages [1-9]" expect="scattered_messages [1-9]" expect="edge_bytes [1-9]"
 * RUN: np=2 expect="spaced_messages [1-9]" expect="gathered_messages [1-9]"
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0 expect="late_bytes [1-9]"
 * RUN: np=2 VMONECOPY_THRESHOLD=64 VMONECOPY_ADMISSION=1 VMONECOPY_RUN=16K expect="spaced_messages [1-9]"
 * RUN: np=2 VMONECOPY_SUBSTITUTE=0 expect="gathered_messages [1-9]"
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_MAP_BUDGET=0 expect="grant_copy_bytes [1-9]"
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_MAP_BUDGET=0 VMONECOPY_GRANT_COPY=0 expect="refusals [1-9]"
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_GRANT_BUDGET=256K
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_CHECK=1 expect="checked_messages [1-9]" expect="\A(?![\s\S]*CHECK:)"
 */
#include "t.h"

#define DOUBLES 24000		/* in a message: 192,000 bytes */
#define ROUNDS 6
#define KINDS 7

static MPI_Datatype made(MPI_Datatype type)
{
	MPI_Type_commit(&type);
	return type;
}

/* Kind 0 is one piece; all others have gaps, some of them kind by kind different on the two sides. */
static MPI_Datatype type_of(int kind, int *count)
{
	MPI_Datatype type, inner;

	*count = 1;
	switch (kind) {
	case 0:
		*count = DOUBLES;
		return made((MPI_Type_dup(MPI_DOUBLE, &type), type));
	case 1:			/* every other double */
		MPI_Type_vector(DOUBLES, 1, 2, MPI_DOUBLE, &type);
		return made(type);
	case 2:			/* the inside of a matrix of 200 x 160 */
		MPI_Type_create_subarray(2, (int[]){ 200, 160 }, (int[]){ 160, 150 }, (int[]){ 20, 5 }, MPI_ORDER_C,
		                         MPI_DOUBLE, &type);
		return made(type);
	case 3: {		/* blocks of 1 to 5 doubles */
		int length[8000], at[8000], sum = 0;
		for (int i = 0; i < 8000; i++) {
			length[i] = 1 + i % 5;
			at[i] = sum;
			sum += length[i] + i % 3;
		}
		MPI_Type_indexed(8000, length, at, MPI_DOUBLE, &type);	/* 1600 * (1+2+3+4+5) = 24000 */
		return made(type);
	}
	case 4:			/* columns */
		MPI_Type_vector(200, 1, 150, MPI_DOUBLE, &inner);
		MPI_Type_create_resized(inner, 0, sizeof(double), &type);
		MPI_Type_free(&inner);
		*count = 120;
		return made(type);
	case 5:			/* blocks from the last to the first */
		MPI_Type_create_hvector(240, 100, -1000 * (MPI_Aint)1, MPI_DOUBLE, &inner);
		MPI_Type_dup(inner, &type);
		MPI_Type_free(&inner);
		return made(type);
	default: {		/* an array of structs: three doubles, a gap, one double, a gap */
		int length[2] = { 3, 1 };
		MPI_Aint at[2] = { 0, 40 };
		MPI_Datatype types[2] = { MPI_DOUBLE, MPI_DOUBLE };
		MPI_Type_create_struct(2, length, at, types, &inner);
		MPI_Type_create_resized(inner, 0, 64, &type);
		MPI_Type_free(&inner);
		*count = DOUBLES / 4;
		return made(type);
	}
	}
}

struct place {
	char *base, *at;
	size_t all;
};

static struct place place_for(MPI_Datatype type, int count)
{
	MPI_Aint lb, extent;
	struct place p;

	MPI_Type_get_true_extent(type, &lb, &extent);
	MPI_Aint full_lb, full;
	MPI_Type_get_extent(type, &full_lb, &full);
	size_t span = (size_t)extent + (size_t)(count - 1) * (size_t)(full > 0 ? full : 0);
	p.all = span + 3 * T_PAGE;
	p.base = malloc(p.all);
	CHECK(p.base != NULL);
	p.at = p.base + T_PAGE + 40 - lb;
	return p;
}

/* The message's bytes one after the other, by MPI itself. */
static void take(const struct place *p, MPI_Datatype type, int count, double *out)
{
	int position = 0;

	MPI_Pack(p->at, count, type, out, DOUBLES * 8, &position, MPI_COMM_SELF);
	CHECK_EQ(position, DOUBLES * 8);
}

static void put(struct place *p, MPI_Datatype type, int count, const double *in)
{
	int position = 0;

	MPI_Unpack(in, DOUBLES * 8, &position, p->at, count, type, MPI_COMM_SELF);
}

/* Gaps: all that is still poison after the message's own bytes were set to it. */
static void gaps_untouched(struct place *p, MPI_Datatype type, int count, double *scratch)
{
	memset(scratch, T_POISON, DOUBLES * 8);
	put(p, type, count, scratch);
	UNTOUCHED(p->base, p->all);
}

static void send_side(MPI_Datatype type, int count, int tag, double *scratch)
{
	struct place p = place_for(type, count);
	MPI_Request request;

	memset(p.base, T_POISON, p.all);
	for (int round = 0; round < ROUNDS; round++) {
		t_fill(scratch, DOUBLES * 8, 0, tag, round);
		put(&p, type, count, scratch);
		if (round % 3 == 0) {
			MPI_Send(p.at, count, type, 1, tag, MPI_COMM_WORLD);
		} else if (round % 3 == 1) {
			MPI_Isend(p.at, count, type, 1, tag, MPI_COMM_WORLD, &request);
			MPI_Wait(&request, MPI_STATUS_IGNORE);
		} else {
			MPI_Ssend(p.at, count, type, 1, tag, MPI_COMM_WORLD);
		}
		take(&p, type, count, scratch);
		VERIFY(scratch, DOUBLES * 8, 0, tag, round);
		memset(scratch, 0x11, DOUBLES * 8);	/* a late receiver must not see this */
		put(&p, type, count, scratch);
	}
	gaps_untouched(&p, type, count, scratch);
	free(p.base);
}

static void receive_side(MPI_Datatype type, int count, int tag, double *scratch)
{
	struct place p = place_for(type, count);
	MPI_Status status;

	memset(p.base, T_POISON, p.all);
	for (int round = 0; round < ROUNDS; round++) {
		if (round % 2)
			usleep(3000);
		MPI_Recv(p.at, count, type, 0, tag, MPI_COMM_WORLD, &status);
		STATUS(&status, 0, tag, DOUBLES * 8);
		take(&p, type, count, scratch);
		VERIFY(scratch, DOUBLES * 8, 0, tag, round);
	}
	gaps_untouched(&p, type, count, scratch);
	free(p.base);
}

int main(int argc, char **argv)
{
	double *scratch = malloc(DOUBLES * 8);

	t_begin(&argc, &argv, 50);
	for (int from = 0; from < KINDS; from++)
		for (int to = 0; to < KINDS; to++) {
			int count;
			MPI_Datatype type = type_of(t_rank ? to : from, &count);
			if (t_rank == 0)
				send_side(type, count, from * KINDS + to, scratch);
			else if (t_rank == 1)
				receive_side(type, count, from * KINDS + to, scratch);
			MPI_Type_free(&type);
		}
	free(scratch);
	return t_end();
}
