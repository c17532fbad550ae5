/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * MPI_Reduce, Allreduce, Reduce_scatter and Reduce_scatter_block give what the ranks' inputs, taken in rank order, give:
 * predefined operations; the user's own, not commutative, on a contiguous type and on one with gaps; random sizes,
 * alignments, roots and communicators, in place and not (MPI 3.1, 5.9, 5.10). Values are such that every order of
 * evaluation gives the same bits. An operation of the user's own that writes to its first argument breaks no page.
 *
 * RUN: np=2 expect="operand_bytes [1-9]"
 * RUN: np=4 XENEMU_DOMAINS=2 expect="operand_bytes [1-9]"
 * RUN: np=3 VMONECOPY_THRESHOLD=64 VMONECOPY_ADMISSION=1 expect="operand_bytes [1-9]"
 * RUN: np=4 VMONECOPY_THRESHOLD=64 VMONECOPY_ADMISSION=1 expect="onecopy_messages [1-9]"
 * RUN: np=4 XENEMU_DOMAINS=2 VMONECOPY_SUBSTITUTE=0 expect="operand_bytes [1-9]"
 * RUN: np=3 VMONECOPY_THRESHOLD=64 VMONECOPY_MAP_BUDGET=0 expect="grant_copy_bytes [1-9]"
 * RUN: np=3 VMONECOPY_MAP_BUDGET=0 VMONECOPY_GRANT_COPY=0 expect="refusals [1-9]"
 * RUN: np=3 VMONECOPY_THRESHOLD=64 VMONECOPY_PATIENCE_US=0
 * RUN: np=3 XENEMU_LIMIT=100 expect="fell_through.no_pool [1-9]"
 * RUN: np=2 VMONECOPY_COLLECTIVES=0
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_CHECK=1 expect="checked_messages [1-9]" expect="\A(?![\s\S]*CHECK:)"
 */
#include "coll.h"

#define MOST 8		/* ranks */

static int size, rank;

/* x -> a x + b modulo 2^32: composing is associative and does not commute. The gap is no part of the type. */
struct affine { uint32_t a, gap, b; };

static void compose(void *in, void *inout, int *n, MPI_Datatype *type)
{
	struct affine *f = in, *g = inout;

	(void)type;
	for (int i = 0; i < *n; i++) {		/* first f, then g */
		struct affine r = { f[i].a * g[i].a, g[i].gap, g[i].a * f[i].b + g[i].b };
		g[i] = r;
	}
}

/* Sums, and abuses its first argument. */
static void rude_sum(void *in, void *inout, int *n, MPI_Datatype *type)
{
	uint64_t *x = in, *y = inout;

	(void)type;
	for (int i = 0; i < *n; i++) {
		y[i] += x[i];
		x[i] = x[i];	/* kept by the next line: a store all the same */
		__asm__ volatile("" : : "r"(x) : "memory");
		*(volatile uint64_t *)&x[i] = x[i];
	}
}

enum kind { SUM_INT, MAX_DOUBLE, SUM_DOUBLE, XOR_LONG, MINLOC, SUM_COMPLEX, COMPOSE, RUDE, KINDS };

static struct { MPI_Datatype type; size_t bytes; MPI_Op op; const char *name; } kinds[KINDS];

static void make_kinds(void)
{
	MPI_Op compose_op, rude_op;
	MPI_Datatype affine, raw;

	MPI_Op_create(compose, 0, &compose_op);
	MPI_Op_create(rude_sum, 1, &rude_op);
	MPI_Type_vector(2, 1, 2, MPI_UINT32_T, &raw);
	MPI_Type_create_resized(raw, 0, sizeof(struct affine), &affine);
	MPI_Type_free(&raw);
	MPI_Type_commit(&affine);
	kinds[SUM_INT].type = MPI_INT, kinds[SUM_INT].bytes = 4, kinds[SUM_INT].op = MPI_SUM;
	kinds[MAX_DOUBLE].type = MPI_DOUBLE, kinds[MAX_DOUBLE].bytes = 8, kinds[MAX_DOUBLE].op = MPI_MAX;
	kinds[SUM_DOUBLE].type = MPI_DOUBLE, kinds[SUM_DOUBLE].bytes = 8, kinds[SUM_DOUBLE].op = MPI_SUM;
	kinds[XOR_LONG].type = MPI_UINT64_T, kinds[XOR_LONG].bytes = 8, kinds[XOR_LONG].op = MPI_BXOR;
	kinds[MINLOC].type = MPI_DOUBLE_INT, kinds[MINLOC].bytes = 16, kinds[MINLOC].op = MPI_MINLOC;
	kinds[SUM_COMPLEX].type = MPI_C_DOUBLE_COMPLEX, kinds[SUM_COMPLEX].bytes = 16, kinds[SUM_COMPLEX].op = MPI_SUM;
	kinds[COMPOSE].type = affine, kinds[COMPOSE].bytes = sizeof(struct affine), kinds[COMPOSE].op = compose_op;
	kinds[RUDE].type = MPI_UINT64_T, kinds[RUDE].bytes = 8, kinds[RUDE].op = rude_op;
	kinds[SUM_INT].name = "sum of ints", kinds[MAX_DOUBLE].name = "maximum", kinds[SUM_DOUBLE].name = "sum of doubles";
	kinds[XOR_LONG].name = "xor", kinds[MINLOC].name = "minloc", kinds[SUM_COMPLEX].name = "complex sum";
	kinds[COMPOSE].name = "composition", kinds[RUDE].name = "rude sum";
}

struct double_int { double value; int where; };

/* Element i of a rank's input; gaps of types are left alone. */
static void input_at(enum kind kind, void *at, int r, int sequence, size_t i)
{
	uint64_t word = t_word(r, 5, sequence, i);
	struct double_int pair = { (double)(word % 5), r };
	struct affine f = { (uint32_t)word | 1, 0, (uint32_t)(word >> 32) };

	switch (kind) {
	case SUM_INT: *(int *)at = (int)(word % 1000); break;
	case MAX_DOUBLE: case SUM_DOUBLE: *(double *)at = (double)(word % 4096); break;
	case MINLOC: ((struct double_int *)at)->value = pair.value, ((struct double_int *)at)->where = r; break;
	case SUM_COMPLEX: ((double *)at)[0] = (double)(word % 77), ((double *)at)[1] = (double)(word % 1001); break;
	case COMPOSE: ((struct affine *)at)->a = f.a, ((struct affine *)at)->b = f.b; break;
	default: *(uint64_t *)at = word; break;
	}
}

/* acc = acc op next, in rank order. */
static void accumulate(enum kind kind, void *acc, const void *next)
{
	struct double_int *p = acc;
	const struct double_int *q = next;
	struct affine f;

	switch (kind) {
	case SUM_INT: *(int *)acc += *(const int *)next; break;
	case MAX_DOUBLE: *(double *)acc = *(double *)acc > *(const double *)next ? *(double *)acc : *(const double *)next; break;
	case SUM_DOUBLE: *(double *)acc += *(const double *)next; break;
	case MINLOC:
		if (q->value < p->value)
			p->value = q->value, p->where = q->where;
		break;
	case SUM_COMPLEX: ((double *)acc)[0] += ((const double *)next)[0], ((double *)acc)[1] += ((const double *)next)[1]; break;
	case COMPOSE:
		f = *(const struct affine *)next;
		((struct affine *)acc)->b = f.a * ((struct affine *)acc)->b + f.b;
		((struct affine *)acc)->a *= f.a;
		break;
	case XOR_LONG: *(uint64_t *)acc ^= *(const uint64_t *)next; break;
	default: *(uint64_t *)acc += *(const uint64_t *)next; break;
	}
}

static void fill_input(enum kind kind, char *at, int r, int sequence, size_t count)
{
	for (size_t i = 0; i < count; i++)
		input_at(kind, at + i * kinds[kind].bytes, r, sequence, i);
}

/* Elements [begin, begin + count) of the result. */
static void fill_result(enum kind kind, char *at, int sequence, size_t begin, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char *acc = at + i * kinds[kind].bytes, next[16];
		input_at(kind, acc, 0, sequence, begin + i);
		for (int r = 1; r < size; r++) {
			input_at(kind, next, r, sequence, begin + i);
			accumulate(kind, acc, next);
		}
	}
}

static size_t some_count(void)
{
	static const unsigned counts[] = { 0, 1, 5, 100, 2047, 2048, 4096, 8193, 12288, 12289, 30001, 100000 };
	return counts[c_random(sizeof counts / sizeof counts[0])];
}

/* MPICH's own (4.0.2) crashes at a large MPI_Reduce in place with another root than 0. */
#ifdef MPICH
#define IN_PLACE_AT_ANY_ROOT 0
#else
#define IN_PLACE_AT_ANY_ROOT 1
#endif

/* root < 0: Allreduce. */
static void reduce(MPI_Comm comm, const char *name, int sequence, int root)
{
	enum kind kind = (enum kind)c_random(KINDS);
	size_t count = some_count(), bytes = kinds[kind].bytes * count;
	bool gets = root < 0 || rank == root;
	bool in_place = c_random(3) == 0 && gets && (root < 1 || IN_PLACE_AT_ANY_ROOT);
	struct c_buf out = c_new(bytes, 8 * c_random(512)), in = c_new(gets ? bytes : 0, 8 * c_random(512));

	if (in_place)
		fill_input(kind, in.at, rank, sequence, count);
	else
		fill_input(kind, out.at, rank, sequence, count), fill_input(kind, out.want, rank, sequence, count);
	if (gets)
		fill_result(kind, in.want, sequence, 0, count);
	if (root < 0)
		MPI_Allreduce(in_place ? MPI_IN_PLACE : out.at, in.at, (int)count, kinds[kind].type, kinds[kind].op, comm);
	else
		MPI_Reduce(in_place ? MPI_IN_PLACE : out.at, gets ? in.at : NULL, (int)count, kinds[kind].type,
		           kinds[kind].op, root, comm);
	C_COMPARE(&out, "%s's send buffer, %s, %s", root < 0 ? "Allreduce" : "Reduce", name, kinds[kind].name);
	C_COMPARE(&in, "%s, %s, %zu elements, %s%s", root < 0 ? "Allreduce" : "Reduce", name, count, kinds[kind].name,
	          in_place ? ", in place" : "");
	c_free(&out);
	c_free(&in);
}

static void reduce_scatter(MPI_Comm comm, const char *name, int sequence, bool block)
{
	enum kind kind = (enum kind)c_random(KINDS);
	size_t count = some_count(), all = 0, begin = 0;
	bool in_place = c_random(3) == 0;
	unsigned salt = c_random(1000);
	int counts[MOST];

	for (int r = 0; r < size; r++) {
		counts[r] = (int)(block || c_hash(salt, (unsigned)r, 1, 2) ? count : c_hash(salt, (unsigned)r, 2, 9000));
		begin += r < rank ? (size_t)counts[r] : 0;
		all += (size_t)counts[r];
	}
	size_t own = (size_t)counts[rank], each = kinds[kind].bytes;
	struct c_buf out = c_new(each * all, 8 * c_random(512)), in = c_new(each * (in_place ? all : own), 8 * c_random(512));
	if (in_place)
		fill_input(kind, in.at, rank, sequence, all);
	else
		fill_input(kind, out.at, rank, sequence, all), fill_input(kind, out.want, rank, sequence, all);
	fill_result(kind, in.want, sequence, begin, own);
	if (block)
		MPI_Reduce_scatter_block(in_place ? MPI_IN_PLACE : out.at, in.at, counts[0], kinds[kind].type, kinds[kind].op, comm);
	else
		MPI_Reduce_scatter(in_place ? MPI_IN_PLACE : out.at, in.at, counts, kinds[kind].type, kinds[kind].op, comm);
	if (in_place)		/* what is behind the result is MPI's to spoil */
		memcpy(in.want + each * own, in.at + each * own, each * (all - own));
	C_COMPARE(&out, "Reduce_scatter's send buffer, %s, %s", name, kinds[kind].name);
	C_COMPARE(&in, "Reduce_scatter%s, %s, %zu elements, %s%s", block ? "_block" : "", name, own, kinds[kind].name,
	          in_place ? ", in place" : "");
	c_free(&out);
	c_free(&in);
}

static void call(MPI_Comm comm, const char *name, int which, int sequence)
{
	MPI_Comm_rank(comm, &rank);
	MPI_Comm_size(comm, &size);
	switch (which) {
	case 0: case 1: reduce(comm, name, sequence, (int)c_random((unsigned)size)); break;
	case 2: case 3: case 4: reduce(comm, name, sequence, -1); break;
	default: reduce_scatter(comm, name, sequence, which - 5); break;
	}
}

int main(int argc, char **argv)
{
	int calls = argc > 1 ? atoi(argv[1]) : 200;	/* fewer on an emulated CPU, with more time */

	t_begin(&argc, &argv, argc > 1 ? 200 : 50);
	make_kinds();
	c_comms_make();
	for (int i = 0; i < calls; i++) {
		int c = (int)c_random(C_COMMS), which = (int)c_random(7);
		uint64_t state = c_state;
		if (c_comm[c] != MPI_COMM_NULL)
			call(c_comm[c], c_comm_name[c], which, i);
		c_state = state + (uint64_t)i + 1;	/* those who did not take part draw the same again */
	}
	c_comms_free();
	return t_end();
}
