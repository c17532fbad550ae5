/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * MPI_Bcast, Gather, Gatherv, Scatter, Scatterv, Allgather and Allgatherv bring every piece to its place and touch
 * nothing else: random sizes (none too), datatypes, alignments, roots and communicators, in place and not (MPI 3.1, 5.4
 * to 5.7).
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
 * RUN: np=3 VMONECOPY_GATHER=512 VMONECOPY_BCAST=512 expect="pulled_messages (3[3-9]|[4-9][0-9])[0-9]"
 * RUN: np=2 VMONECOPY_COLLECTIVES=0
 */
#include "coll.h"

#define MOST 8		/* ranks */

static int size, rank;

static size_t skew(void)
{
	return 8 * c_random(512);
}

static void bcast(MPI_Comm comm, const char *name, int sequence)
{
	int dozens = c_dozens(), root = (int)c_random((unsigned)size);
	int type = (int)c_hash(c_random(1000), (unsigned)rank, 1, C_TYPES);
	struct c_buf b = c_new(c_span(dozens, type), skew());

	if (rank == root)
		c_put(b.at, dozens, type, root, 0, sequence);
	c_expect(&b, 0, dozens, type, root, 0, sequence);
	MPI_Bcast(b.at, c_count(dozens, type), c_type[type], root, comm);
	C_COMPARE(&b, "Bcast, %s, %d dozens of type %d from %d", name, dozens, type, root);
	c_free(&b);
}

/* Dozens, type and place of each rank's piece in the buffer that has all of them. */
struct places {
	bool v;
	int type, dozens[MOST], counts[MOST], displs[MOST];
	size_t offset[MOST], all;
};

/* v: sizes and gaps differ by rank, and they lie in reverse order. */
static struct places make_places(bool v, int type)
{
	struct places p = { .v = v, .type = type };
	int dozens = c_dozens();
	unsigned salt = c_random(1000);

	for (int i = 0; i < size; i++) {
		int r = v ? size - 1 - i : i;
		p.dozens[r] = v && c_hash(salt, (unsigned)r, 2, 3) ? (int)c_hash(salt, (unsigned)r, 3, 400) : dozens;
		p.counts[r] = c_count(p.dozens[r], type);
		p.displs[r] = (int)(p.all / c_extent(type));
		p.offset[r] = p.all;
		p.all += (size_t)(p.counts[r] + (v ? 1 + (int)c_hash(salt, (unsigned)r, 4, 5) : 0)) * c_extent(type);
	}
	return p;
}

static void gather(MPI_Comm comm, const char *name, int sequence, bool v)
{
	int root = (int)c_random((unsigned)size), st = (int)c_random(C_TYPES), rt = (int)c_random(C_TYPES);
	bool in_place = c_random(4) == 0 && rank == root;
	struct places p = make_places(v, rt);
	struct c_buf out = c_new(c_span(p.dozens[rank], st), skew());
	struct c_buf in = c_new(rank == root ? p.all + 64 : 0, skew());

	if (in_place)
		c_put(in.at + p.offset[rank], p.dozens[rank], rt, rank, root, sequence);
	else
		c_send(&out, 0, p.dozens[rank], st, rank, root, sequence);
	for (int r = 0; r < size && rank == root; r++)
		c_expect(&in, p.offset[r], p.dozens[r], rt, r, root, sequence);
	if (v)
		MPI_Gatherv(in_place ? MPI_IN_PLACE : out.at, c_count(p.dozens[rank], st), c_type[st],
		            rank == root ? in.at : NULL, rank == root ? p.counts : NULL, rank == root ? p.displs : NULL,
		            rank == root ? c_type[rt] : MPI_DATATYPE_NULL, root, comm);
	else
		MPI_Gather(in_place ? MPI_IN_PLACE : out.at, c_count(p.dozens[rank], st), c_type[st],
		           rank == root ? in.at : NULL, rank == root ? p.counts[0] : -1,
		           rank == root ? c_type[rt] : MPI_DATATYPE_NULL, root, comm);
	C_COMPARE(&out, "Gather%s's send buffer, %s", v ? "v" : "", name);
	C_COMPARE(&in, "Gather%s, %s, root %d, own %d dozens", v ? "v" : "", name, root, p.dozens[rank]);
	c_free(&out);
	c_free(&in);
}

static void scatter(MPI_Comm comm, const char *name, int sequence, bool v)
{
	int root = (int)c_random((unsigned)size), st = (int)c_random(C_TYPES), rt = (int)c_random(C_TYPES);
	bool in_place = c_random(4) == 0 && rank == root;
	struct places p = make_places(v, st);
	struct c_buf out = c_new(rank == root ? p.all + 64 : 0, skew());
	struct c_buf in = c_new(c_span(p.dozens[rank], rt), skew());

	for (int r = 0; r < size && rank == root; r++)
		c_send(&out, p.offset[r], p.dozens[r], st, root, r, sequence);
	if (!in_place)
		c_expect(&in, 0, p.dozens[rank], rt, root, rank, sequence);
	if (v)
		MPI_Scatterv(rank == root ? out.at : NULL, rank == root ? p.counts : NULL, rank == root ? p.displs : NULL,
		             rank == root ? c_type[st] : MPI_DATATYPE_NULL, in_place ? MPI_IN_PLACE : in.at,
		             c_count(p.dozens[rank], rt), c_type[rt], root, comm);
	else
		MPI_Scatter(rank == root ? out.at : NULL, rank == root ? p.counts[0] : -1,
		            rank == root ? c_type[st] : MPI_DATATYPE_NULL, in_place ? MPI_IN_PLACE : in.at,
		            c_count(p.dozens[rank], rt), c_type[rt], root, comm);
	C_COMPARE(&out, "Scatter%s's send buffer, %s", v ? "v" : "", name);
	C_COMPARE(&in, "Scatter%s, %s, root %d, %d dozens", v ? "v" : "", name, root, p.dozens[rank]);
	c_free(&out);
	c_free(&in);
}

static void allgather(MPI_Comm comm, const char *name, int sequence, bool v)
{
	int st = (int)c_hash(c_random(1000), (unsigned)rank, 9, C_TYPES), rt = (int)c_random(C_TYPES);
	bool in_place = c_random(4) == 0;
	struct places p = make_places(v, rt);
	struct c_buf out = c_new(c_span(p.dozens[rank], st), skew()), in = c_new(p.all + 64, skew());

	if (in_place)
		c_put(in.at + p.offset[rank], p.dozens[rank], rt, rank, 0, sequence);
	else
		c_send(&out, 0, p.dozens[rank], st, rank, 0, sequence);
	for (int r = 0; r < size; r++)
		c_expect(&in, p.offset[r], p.dozens[r], rt, r, 0, sequence);
	if (v)
		MPI_Allgatherv(in_place ? MPI_IN_PLACE : out.at, c_count(p.dozens[rank], st), c_type[st], in.at, p.counts,
		               p.displs, c_type[rt], comm);
	else
		MPI_Allgather(in_place ? MPI_IN_PLACE : out.at, c_count(p.dozens[rank], st), c_type[st], in.at, p.counts[0],
		              c_type[rt], comm);
	C_COMPARE(&out, "Allgather%s's send buffer, %s", v ? "v" : "", name);
	C_COMPARE(&in, "Allgather%s, %s, own %d dozens%s", v ? "v" : "", name, p.dozens[rank], in_place ? ", in place" : "");
	c_free(&out);
	c_free(&in);
}

static void call(MPI_Comm comm, const char *name, int which, int sequence)
{
	MPI_Comm_rank(comm, &rank);
	MPI_Comm_size(comm, &size);
	switch (which) {
	case 0: case 1: gather(comm, name, sequence, which); break;
	case 2: case 3: scatter(comm, name, sequence, which - 2); break;
	case 4: case 5: allgather(comm, name, sequence, which - 4); break;
	default: bcast(comm, name, sequence); break;
	}
}

int main(int argc, char **argv)
{
	int calls = argc > 1 ? atoi(argv[1]) : 200;	/* fewer on an emulated CPU, with more time */

	t_begin(&argc, &argv, argc > 1 ? 200 : 50);
	c_types_make();
	c_comms_make();
	for (int i = 0; i < calls; i++) {
		int c = (int)c_random(C_COMMS), which = (int)c_random(9);
		uint64_t state = c_state;
		if (c_comm[c] != MPI_COMM_NULL)
			call(c_comm[c], c_comm_name[c], which, i);
		c_state = state + (uint64_t)i + 1;	/* those who did not take part draw the same again */
	}
	c_comms_free();
	c_types_free();
	return t_end();
}
