/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Derived types on either side: the bytes arrive in type map order, the gaps stay untouched, the count
 * in the status is right, also where the message ends within an element (MPI 3.1, 3.2.5, 4.1), and a
 * type may be freed while its receive or send is pending (4.1.9).
 *
 * Expected bytes are computed here by walking (block, displacement) lists, not by MPI.
 *
 * RUN: np=2 expect="scattered_messages [1-9]" expect="gathered_messages [1-9]"
 * RUN: np=2 VMONECOPY_ADMISSION=1
 * RUN: np=2 VMONECOPY_SUBSTITUTE=0 expect="staged_bytes [1-9]"
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0
 * RUN: np=2 VMONECOPY_THRESHOLD=64
 * RUN: np=2 VMONECOPY_MAP_BUDGET=0 expect="grant_copy_bytes [1-9]"
 * RUN: np=2 VMONECOPY_MAP_BUDGET=0 VMONECOPY_GRANT_COPY=0 expect="refusals [1-9]"
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_CHECK=1 expect="checked_messages [1-9]" expect="\A(?![\s\S]*CHECK:)"
 */
#include "t.h"

#define BLOCKS 64

/* One type, and what MPI has to make of it. */
struct shape {
	const char *name;
	MPI_Datatype type;
	int blocks;			/* of one element, in type map order */
	int length[BLOCKS], basic[BLOCKS];	/* bytes of a block, and of the basic elements that it is made of */
	long at[BLOCKS];
	long extent;
	int size;
	bool mixed;			/* of several basic types */
};

static void finish(struct shape *s)
{
	MPI_Aint lb, extent;
	int size;

	MPI_Type_commit(&s->type);
	for (int i = 0; i < s->blocks; i++)
		s->size += s->length[i];
	MPI_Type_size(s->type, &size);
	CHECK_EQ(size, s->size);
	MPI_Type_get_extent(s->type, &lb, &extent);
	CHECK_EQ(extent, s->extent);
}

static void block(struct shape *s, long at, int length, int basic)
{
	s->at[s->blocks] = at;
	s->basic[s->blocks] = basic;
	s->length[s->blocks++] = length;
}

static struct shape bytes(void)
{
	struct shape s = { .name = "bytes", .extent = 1 };

	MPI_Type_dup(MPI_BYTE, &s.type);
	block(&s, 0, 1, 1);
	finish(&s);
	return s;
}

static struct shape row_of_doubles(void)
{
	struct shape s = { .name = "contiguous", .extent = 56 };

	MPI_Type_contiguous(7, MPI_DOUBLE, &s.type);
	block(&s, 0, 56, 8);
	finish(&s);
	return s;
}

static struct shape vector(void)
{
	struct shape s = { .name = "vector", .extent = 4 * (9 * 5 + 3) };

	MPI_Type_vector(10, 3, 5, MPI_INT, &s.type);
	for (int i = 0; i < 10; i++)
		block(&s, i * 20, 12, 4);
	finish(&s);
	return s;
}

/* Blocks in an order that is not that of memory. */
static struct shape permuted(void)
{
	struct shape s = { .name = "permuted", .extent = 8 * 8 };
	int lengths[4] = { 1, 2, 1, 1 }, at[4] = { 7, 2, 0, 5 };

	MPI_Type_indexed(4, lengths, at, MPI_DOUBLE, &s.type);
	for (int i = 0; i < 4; i++)
		block(&s, at[i] * 8, lengths[i] * 8, 8);
	s.extent = 64;		/* from 0 to 7 + 1 */
	finish(&s);
	return s;
}

struct record {
	char tag;
	double value[3];
	int number;
	char rest[20];
};

static struct shape gappy_struct(void)
{
	struct shape s = { .name = "struct", .mixed = true, .extent = sizeof(struct record) };
	int lengths[3] = { 1, 3, 1 };
	MPI_Aint at[3] = { offsetof(struct record, tag), offsetof(struct record, value), offsetof(struct record, number) };
	MPI_Datatype types[3] = { MPI_CHAR, MPI_DOUBLE, MPI_INT }, bare;

	MPI_Type_create_struct(3, lengths, at, types, &bare);
	MPI_Type_create_resized(bare, 0, sizeof(struct record), &s.type);
	MPI_Type_free(&bare);
	block(&s, at[0], 1, 1);
	block(&s, at[1], 24, 8);
	block(&s, at[2], 4, 4);
	finish(&s);
	return s;
}

/* A pair type with a gap: MPI_DOUBLE_INT has size 12, extent 16 here. */
static struct shape pair(void)
{
	struct shape s = { .name = "pair", .mixed = true, .extent = 16 };

	MPI_Type_dup(MPI_DOUBLE_INT, &s.type);
	block(&s, 0, 8, 8);
	block(&s, 8, 4, 4);
	finish(&s);
	return s;
}

/* Elements that overlap in extent, but not in bytes: a column of a matrix of ints. */
static struct shape column(void)
{
	struct shape s = { .name = "resized column", .extent = 4 };
	MPI_Datatype tall;

	MPI_Type_vector(40, 1, 1500, MPI_INT, &tall);
	MPI_Type_create_resized(tall, 0, 4, &s.type);
	MPI_Type_free(&tall);
	for (int i = 0; i < 40; i++)
		block(&s, i * 6000L, 4, 4);
	finish(&s);
	return s;
}

static long span(const struct shape *s, int count)
{
	long end = 0;

	for (int i = 0; i < s->blocks; i++)
		if (s->at[i] + s->length[i] > end)
			end = s->at[i] + s->length[i];
	return count ? (count - 1) * s->extent + end : 0;
}

/* buffer <- message, or message <- buffer: the first n bytes of the type map. */
static void walk(const struct shape *s, char *buffer, char *message, int n, bool to_buffer)
{
	for (long element = 0; n > 0; element++)
		for (int i = 0; i < s->blocks && n > 0; i++) {
			int length = s->length[i] < n ? s->length[i] : n;
			char *at = buffer + element * s->extent + s->at[i];
			memcpy(to_buffer ? at : message, to_buffer ? message : at, (size_t)length);
			message += length;
			n -= length;
		}
}

static void send_as(const struct shape *s, int count, int tag, bool freed)
{
	long room = span(s, count);
	int n = count * s->size;
	struct t_buf buf = t_new((size_t)room + 1, 16);
	char *message = malloc((size_t)n + 1);
	MPI_Request request;
	MPI_Datatype type;

	t_fill(message, (size_t)n, 0, tag, count);
	walk(s, buf.at, message, n, true);
	MPI_Type_dup(s->type, &type);
	MPI_Isend(buf.at, count, type, 1, tag, MPI_COMM_WORLD, &request);
	if (freed)
		MPI_Type_free(&type);
	MPI_Wait(&request, MPI_STATUS_IGNORE);
	if (!freed)
		MPI_Type_free(&type);
	GUARDED(&buf);
	t_free(&buf);
	free(message);
}

static void receive_as(const struct shape *s, int count, int n, int tag, int sent_count, bool freed)
{
	long room = span(s, count);
	struct t_buf buf = t_new((size_t)room + 1, 48), wanted = t_new((size_t)room + 1, 48);
	char *message = malloc((size_t)n + 1);
	MPI_Request request;
	MPI_Status status;
	MPI_Datatype type;
	int got;

	MPI_Type_dup(s->type, &type);
	MPI_Irecv(buf.at, count, type, 0, tag, MPI_COMM_WORLD, &request);
	if (freed)
		MPI_Type_free(&type);
	t_token_send(0);
	MPI_Wait(&request, &status);
	t_fill(message, (size_t)n, 0, tag, sent_count);
	walk(s, wanted.at, message, n, true);
	if (memcmp(buf.at, wanted.at, (size_t)room + 1))
		for (long i = 0;; i++)
			if (buf.at[i] != wanted.at[i])
				FAIL("%s x %d, message of %d bytes: byte %ld of the buffer is %d, not %d", s->name, count, n, i,
				     (unsigned char)buf.at[i], (unsigned char)wanted.at[i]);
	GUARDED(&buf);
	MPI_Get_count(&status, s->type, &got);
	CHECK_EQ(got, n % s->size ? MPI_UNDEFINED : n / s->size);
	CHECK_EQ(status.MPI_SOURCE, 0);
	CHECK_EQ(status.MPI_TAG, tag);
	if (!freed)
		MPI_Type_free(&type);
	t_free(&buf);
	t_free(&wanted);
	free(message);
}

/* Does a message of n bytes end between two basic elements of this shape? Others are no valid messages. */
static bool ends_well(const struct shape *s, int n)
{
	int left = n % s->size, i = 0;

	if (n < 1000 && s->mixed)	/* MPICH 4.0.2 itself takes that for truncated */
		return !left;
	for (; i < s->blocks && left >= s->length[i]; i++)
		left -= s->length[i];
	return !left || left % s->basic[i] == 0;
}

/* About `bytes` bytes from one shape to the other, the receive with room for `more` more elements. */
static void cross(const struct shape *from, const struct shape *to, int bytes_wanted, int more, int tag)
{
	int count = bytes_wanted / from->size + 1;
	bool freed = tag % 2;

	while (!ends_well(to, count * from->size))
		count++;
	int n = count * from->size;

	if (t_rank == 0) {
		t_token_recv(1);
		send_as(from, count, tag, freed);
	} else {
		receive_as(to, (n + to->size - 1) / to->size + more, n, tag, count, freed);
	}
}

static void zero_count(const struct shape *s, int tag)
{
	struct t_buf buf = t_new(4096, 0);
	MPI_Status status;
	int got;

	if (t_rank == 0) {
		MPI_Send(buf.at, 0, s->type, 1, tag, MPI_COMM_WORLD);
	} else {
		MPI_Recv(buf.at, 1, s->type, 0, tag, MPI_COMM_WORLD, &status);
		MPI_Get_count(&status, s->type, &got);
		CHECK_EQ(got, 0);
		UNTOUCHED(buf.at, buf.bytes);
	}
	t_free(&buf);
}

/* MPI_Get_elements counts the basic parts of an element that came only partly (MPI 3.1, 4.1.11). */
static void elements(const struct shape *vec)
{
	int ints = 30 * 300 + 7, got;
	struct t_buf buf = t_new((size_t)span(vec, 301), 0);
	MPI_Status status;

	if (t_rank == 0) {
		MPI_Send(buf.at, ints, MPI_INT, 1, 900, MPI_COMM_WORLD);
	} else {
		MPI_Recv(buf.at, 301, vec->type, 0, 900, MPI_COMM_WORLD, &status);
		MPI_Get_elements(&status, vec->type, &got);
		CHECK_EQ(got, ints);
		MPI_Get_count(&status, vec->type, &got);
		CHECK_EQ(got, MPI_UNDEFINED);
		MPI_Get_count(&status, MPI_INT, &got);
		CHECK_EQ(got, ints);
	}
	t_free(&buf);
}

/* MPI_BOTTOM and absolute addresses (MPI 3.1, 4.1.5). */
static void bottom(void)
{
	struct t_buf a = t_new(40000, 0), b = t_new(30000, 40);
	int lengths[2] = { 40000, 30000 };
	MPI_Aint at[2];
	MPI_Datatype type;
	char *message = malloc(70000);

	MPI_Get_address(a.at, &at[0]);
	MPI_Get_address(b.at, &at[1]);
	MPI_Type_create_hindexed(2, lengths, at, MPI_BYTE, &type);
	MPI_Type_commit(&type);
	t_fill(message, 70000, 0, 901, 0);
	if (t_rank == 0) {
		memcpy(a.at, message, 40000);
		memcpy(b.at, message + 40000, 30000);
		MPI_Send(MPI_BOTTOM, 1, type, 1, 901, MPI_COMM_WORLD);
	} else {
		MPI_Recv(MPI_BOTTOM, 1, type, 0, 901, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		CHECK(!memcmp(a.at, message, 40000));
		CHECK(!memcmp(b.at, message + 40000, 30000));
		GUARDED(&a);
		GUARDED(&b);
	}
	MPI_Type_free(&type);
	t_free(&a);
	t_free(&b);
	free(message);
}

int main(int argc, char **argv)
{
	t_begin(&argc, &argv, 40);
	struct shape shape[] = { bytes(), row_of_doubles(), vector(), permuted(), gappy_struct(), pair(), column() };
	int shapes = (int)(sizeof shape / sizeof shape[0]), tag = 1;

	for (int from = 0; from < shapes; from++)
		for (int to = 0; to < shapes; to++) {
			/* both in full; bytes, which fit anything, also ending within an element */
			cross(&shape[from], &shape[to], 40000, 0, tag++);
			cross(&shape[from], &shape[to], 16384, 5, tag++);
			cross(&shape[from], &shape[to], 100, 3, tag++);
		}
	for (int from = 0; from < shapes; from++)
		cross(&shape[from], &shape[from], 600000, 1, tag++);
	for (int i = 0; i < shapes; i++)
		zero_count(&shape[i], tag++);
	elements(&shape[2]);
	bottom();
	for (int i = 0; i < shapes; i++)
		MPI_Type_free(&shape[i].type);
	return t_end();
}
