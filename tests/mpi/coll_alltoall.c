/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * MPI_Alltoall, Alltoallv and Alltoallw bring every piece to its place and touch nothing else: random sizes (none too),
 * datatypes, alignments and communicators, in place and not (MPI 3.1, 5.8). Sizes of Alltoallv and w differ by pair, so
 * ranks must agree on how a call is done without knowing them all.
 *
 * RUN: np=2 expect="(onecopy|staged)_messages [1-9]"
 * RUN: np=4 XENEMU_DOMAINS=2 expect="(onecopy|staged)_messages [1-9]"
 * RUN: np=3 VMONECOPY_THRESHOLD=64 VMONECOPY_ADMISSION=1 expect="onecopy_messages [1-9]"
 * RUN: np=4 VMONECOPY_THRESHOLD=64 VMONECOPY_ADMISSION=1 expect="onecopy_messages [1-9]"
 * RUN: np=4 XENEMU_DOMAINS=2 VMONECOPY_SUBSTITUTE=0 expect="staged_messages [1-9]"
 * RUN: np=3 VMONECOPY_THRESHOLD=64 VMONECOPY_MAP_BUDGET=0 expect="grant_copy_bytes [1-9]"
 * RUN: np=3 VMONECOPY_MAP_BUDGET=0 VMONECOPY_GRANT_COPY=0 expect="refusals [1-9]"
 * RUN: np=3 VMONECOPY_THRESHOLD=64 VMONECOPY_PATIENCE_US=0
 * RUN: np=3 XENEMU_LIMIT=100 expect="fell_through.no_pool [1-9]"
 * RUN: np=2 VMONECOPY_COLLECTIVES=0
 */
#include "coll.h"

#define MOST 8		/* ranks */

static int size, rank;

static void alltoall(MPI_Comm comm, const char *name, int sequence)
{
	int dozens = c_dozens(), st = (int)c_random(C_TYPES), rt = (int)c_random(C_TYPES);
	bool in_place = c_random(5) == 0;
	size_t sstep = (size_t)c_count(dozens, st) * c_extent(st), rstep = (size_t)c_count(dozens, rt) * c_extent(rt);
	struct c_buf out = c_new(sstep * (size_t)size + 64, 8 * c_random(512));
	struct c_buf in = c_new(rstep * (size_t)size + 64, 8 * c_random(512));

	for (int r = 0; r < size; r++) {
		if (in_place)
			c_put(in.at + (size_t)r * rstep, dozens, rt, rank, r, sequence);
		else
			c_send(&out, (size_t)r * sstep, dozens, st, rank, r, sequence);
		c_expect(&in, (size_t)r * rstep, dozens, rt, r, rank, sequence);
	}
	MPI_Alltoall(in_place ? MPI_IN_PLACE : out.at, c_count(dozens, st), c_type[st], in.at, c_count(dozens, rt),
	             c_type[rt], comm);
	C_COMPARE(&out, "Alltoall's send buffer, %s, %d dozens", name, dozens);
	C_COMPARE(&in, "Alltoall, %s, %d dozens of type %d%s", name, dozens, rt, in_place ? ", in place" : "");
	c_free(&out);
	c_free(&in);
}

/* Some pairs have nothing, some little, some much. */
static int dozens_between(int from, int to, int sequence, int level)
{
	static const int sizes[][6] = { { 0, 1, 7, 20, 3, 0 }, { 0, 1, 169, 171, 400, 5000 }, { 0, 12000, 7, 171, 2731, 1 } };

	return sizes[level][c_hash((unsigned)from, (unsigned)to, (unsigned)sequence, 6)];
}

static void alltoallv(MPI_Comm comm, const char *name, int sequence, bool w)
{
	int level = (int)c_random(3), st[MOST], rt[MOST], scounts[MOST], rcounts[MOST], sdispls[MOST], rdispls[MOST];
	MPI_Datatype stypes[MOST], rtypes[MOST];
	size_t sat = 0, rat = 0, soffset[MOST], roffset[MOST];
	int type = (int)c_random(C_TYPES), rtype = (int)c_random(C_TYPES);

	for (int r = 0; r < size; r++) {
		int out = dozens_between(rank, r, sequence, level), in = dozens_between(r, rank, sequence, level);
		st[r] = w ? (int)c_hash((unsigned)rank, (unsigned)r, 77, C_TYPES) : type;
		rt[r] = w ? (int)c_hash((unsigned)r, (unsigned)rank, 78, C_TYPES) : rtype;
		stypes[r] = c_type[st[r]];
		rtypes[r] = c_type[rt[r]];
		scounts[r] = c_count(out, st[r]);
		rcounts[r] = c_count(in, rt[r]);
		soffset[r] = sat;
		roffset[r] = rat;
		sdispls[r] = (int)(w ? sat : sat / c_extent(type));
		rdispls[r] = (int)(w ? rat : rat / c_extent(rtype));
		sat += (size_t)(scounts[r] + 2) * c_extent(st[r]);
		rat += (size_t)(rcounts[r] + 1) * c_extent(rt[r]);
	}
	struct c_buf out = c_new(sat + 64, 8 * c_random(512)), in = c_new(rat + 64, 8 * c_random(512));
	for (int r = 0; r < size; r++) {
		c_send(&out, soffset[r], dozens_between(rank, r, sequence, level), st[r], rank, r, sequence);
		c_expect(&in, roffset[r], dozens_between(r, rank, sequence, level), rt[r], r, rank, sequence);
	}
	if (w)
		MPI_Alltoallw(out.at, scounts, sdispls, stypes, in.at, rcounts, rdispls, rtypes, comm);
	else
		MPI_Alltoallv(out.at, scounts, sdispls, stypes[0], in.at, rcounts, rdispls, rtypes[0], comm);
	C_COMPARE(&out, "Alltoall%c's send buffer, %s, level %d", w ? 'w' : 'v', name, level);
	C_COMPARE(&in, "Alltoall%c, %s, level %d", w ? 'w' : 'v', name, level);
	c_free(&out);
	c_free(&in);
}

/* The size of a piece is the same in both directions of a pair here: in place allows nothing else. */
static void alltoallv_in_place(MPI_Comm comm, const char *name, int sequence)
{
	int counts[MOST], displs[MOST], type = (int)c_random(C_TYPES);
	size_t at = 0;

	for (int r = 0; r < size; r++) {
		counts[r] = c_count(dozens_between(rank < r ? rank : r, rank < r ? r : rank, sequence, 1), type);
		displs[r] = (int)(at / c_extent(type));
		at += (size_t)(counts[r] + 1) * c_extent(type);
	}
	struct c_buf in = c_new(at + 64, 0);
	for (int r = 0; r < size; r++) {
		int dozens = counts[r] * c_doubles[type] / 12;
		size_t offset = (size_t)displs[r] * c_extent(type);
		c_put(in.at + offset, dozens, type, rank, r, sequence);
		c_expect(&in, offset, dozens, type, r, rank, sequence);
	}
	MPI_Alltoallv(MPI_IN_PLACE, NULL, NULL, MPI_DATATYPE_NULL, in.at, counts, displs, c_type[type], comm);
	C_COMPARE(&in, "Alltoallv in place, %s", name);
	c_free(&in);
}

int main(int argc, char **argv)
{
	int calls = argc > 1 ? atoi(argv[1]) : 120;	/* fewer on an emulated CPU, with more time */

	t_begin(&argc, &argv, argc > 1 ? 200 : 50);
	c_types_make();
	c_comms_make();
	for (int i = 0; i < calls; i++) {
		int c = (int)c_random(C_COMMS), call = (int)c_random(7);
		uint64_t state = c_state;
		if (c_comm[c] != MPI_COMM_NULL) {
			MPI_Comm_rank(c_comm[c], &rank);
			MPI_Comm_size(c_comm[c], &size);
			if (call < 3)
				alltoall(c_comm[c], c_comm_name[c], i);
			else if (call < 6)
				alltoallv(c_comm[c], c_comm_name[c], i, call == 5);
			else
				alltoallv_in_place(c_comm[c], c_comm_name[c], i);
		}
		c_state = state + (uint64_t)i + 1;	/* those who did not take part draw the same again */
	}
	c_comms_free();
	c_types_free();
	return t_end();
}
