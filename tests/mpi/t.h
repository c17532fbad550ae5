/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * t.h: what every test of the MPI floor shares. Include it first.
 *
 *   int main(int argc, char **argv)
 *   {
 *           t_begin(&argc, &argv, 20);      MPI_Init, t_rank, t_size, an alarm as time limit
 *           ...
 *           return t_end();                 rank 0 prints `ok`, MPI_Finalize
 *   }
 *
 * PAYLOAD is a function of (source, tag, sequence, offset), so bytes of another message, of an earlier
 * round or of another place in this one never pass for the right ones.
 *
 * BUFFERS (struct t_buf) start where the test wants them within a page and lie between guards:
 *
 *   | ... POISON guard | at: bytes of buffer, POISON before a receive | POISON guard ... |
 *
 * t_got(&buf, n, ...) checks the n bytes of a message, the poison behind them and both guards.
 *
 * A failed CHECK says rank, file and line and ends the job with MPI_Abort. Not handled: threads; a test
 * that has some calls CHECK from them, but begins and ends in its main thread.
 */
#ifndef T_H
#define T_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* MPICH's mpi.h makes gcc take MPI_STATUSES_IGNORE for an array that is too short. */
#pragma GCC diagnostic ignored "-Wstringop-overflow"

#define T_PAGE ((size_t)4096)
#define T_POISON 0xee
#define T_RTS_BYTES 64		/* wire.h: the RTS has one fixed size */
#define T_UNUSED __attribute__((unused))

static int t_rank = -1, t_size;
static MPI_Comm t_tokens;	/* for t_token_send and t_token_recv alone */

#define FAIL(...) do { \
	fprintf(stderr, "rank %d: %s:%d: ", t_rank, __FILE__, __LINE__); \
	fprintf(stderr, __VA_ARGS__); \
	fputc('\n', stderr); \
	MPI_Abort(MPI_COMM_WORLD, 1); \
} while (0)

#define CHECK(condition) do { \
	if (!(condition)) \
		FAIL("CHECK(%s)", #condition); \
} while (0)

#define CHECK_EQ(value, wanted) do { \
	long long t_v = (long long)(value), t_w = (long long)(wanted); \
	if (t_v != t_w) \
		FAIL("%s is %lld, not %s = %lld", #value, t_v, #wanted, t_w); \
} while (0)

/* The class of an MPI error code. */
#define CHECK_CLASS(code, wanted) do { \
	int t_class = -1; \
	MPI_Error_class(code, &t_class); \
	CHECK_EQ(t_class, wanted); \
} while (0)

static T_UNUSED void t_begin_thread(int *argc, char ***argv, unsigned seconds, int level)
{
	int provided;

	alarm(seconds);
	MPI_Init_thread(argc, argv, level, &provided);
	MPI_Comm_rank(MPI_COMM_WORLD, &t_rank);
	MPI_Comm_size(MPI_COMM_WORLD, &t_size);
	MPI_Comm_dup(MPI_COMM_WORLD, &t_tokens);
	if (provided < level)
		FAIL("this MPI gives thread level %d, not %d", provided, level);
}

static T_UNUSED void t_begin(int *argc, char ***argv, unsigned seconds)
{
	alarm(seconds);
	MPI_Init(argc, argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &t_rank);
	MPI_Comm_size(MPI_COMM_WORLD, &t_size);
	MPI_Comm_dup(MPI_COMM_WORLD, &t_tokens);
}

static T_UNUSED int t_end(void)
{
	if (t_rank == 0) {
		fputs("ok\n", stdout);	/* one write: MPICH unbuffers stdout */
		fflush(stdout);
	}
	return MPI_Finalize();
}

/* Eight bytes of payload. */
static inline uint64_t t_word(int source, int tag, int sequence, size_t word)
{
	uint64_t x = ((uint64_t)(unsigned)source << 48) ^ ((uint64_t)(unsigned)tag << 24) ^ (unsigned)sequence;

	x = (x + 1) * 0x9e3779b97f4a7c15u + word * 0xbf58476d1ce4e5b9u;
	return x ^ (x >> 29);
}

static T_UNUSED void t_fill(void *buf, size_t bytes, int source, int tag, int sequence)
{
	char *at = buf;

	for (size_t w = 0; w * 8 < bytes; w++) {
		uint64_t word = t_word(source, tag, sequence, w);
		size_t n = bytes - w * 8 < 8 ? bytes - w * 8 : 8;
		memcpy(at + w * 8, &word, n);
	}
}

/* Offset of the first wrong byte, or -1. */
static T_UNUSED long t_wrong(const void *buf, size_t bytes, int source, int tag, int sequence)
{
	const unsigned char *at = buf;

	for (size_t w = 0; w * 8 < bytes; w++) {
		uint64_t word = t_word(source, tag, sequence, w);
		size_t n = bytes - w * 8 < 8 ? bytes - w * 8 : 8;
		for (size_t i = 0; memcmp(at + w * 8, &word, n) && i < n; i++)
			if (at[w * 8 + i] != ((unsigned char *)&word)[i])
				return (long)(w * 8 + i);
	}
	return -1;
}

/* Offset of the first byte that is not the poison, or -1. */
static T_UNUSED long t_touched(const void *buf, size_t bytes)
{
	const unsigned char *at = buf;

	for (size_t i = 0; i < bytes; i++)
		if (at[i] != T_POISON)
			return (long)i;
	return -1;
}

#define VERIFY(buf, bytes, source, tag, sequence) do { \
	long t_at = t_wrong(buf, bytes, source, tag, sequence); \
	if (t_at >= 0) \
		FAIL("byte %ld of %ld from rank %d, tag %d, sequence %d is wrong", t_at, (long)(bytes), \
		     (int)(source), (int)(tag), (int)(sequence)); \
} while (0)

#define UNTOUCHED(buf, bytes) do { \
	long t_at = t_touched(buf, bytes); \
	if (t_at >= 0) \
		FAIL("byte %ld of %ld that no message may touch has changed", t_at, (long)(bytes)); \
} while (0)

struct t_buf {
	char *at;
	size_t bytes;
	char *base;
	size_t all;
};

#define T_GUARD 200

/* `skew`: offset of the buffer within a page. */
static T_UNUSED struct t_buf t_new(size_t bytes, size_t skew)
{
	struct t_buf buf = { .bytes = bytes, .all = (bytes + skew + 3 * T_PAGE) & ~(T_PAGE - 1) };

	CHECK(!posix_memalign((void **)&buf.base, T_PAGE, buf.all));
	memset(buf.base, T_POISON, buf.all);
	buf.at = buf.base + T_PAGE + skew % T_PAGE;
	return buf;
}

static T_UNUSED void t_free(struct t_buf *buf)
{
	free(buf->base);
	buf->at = buf->base = NULL;
}

static T_UNUSED void t_poison(struct t_buf *buf)
{
	memset(buf->at, T_POISON, buf->bytes);
}

#define GUARDED(buf) do { \
	UNTOUCHED((buf)->at - T_GUARD, (size_t)T_GUARD); \
	UNTOUCHED((buf)->at + (buf)->bytes, (size_t)T_GUARD); \
} while (0)

/* The buffer holds this message of n bytes, and nothing else has changed. */
#define GOT(buf, n, source, tag, sequence) do { \
	VERIFY((buf)->at, n, source, tag, sequence); \
	UNTOUCHED((buf)->at + (n), (buf)->bytes - (size_t)(n)); \
	GUARDED(buf); \
} while (0)

/* Envelope and count, and that nothing was cancelled. */
#define STATUS(st, source, tag, n) do { \
	int t_count = -1, t_cancelled = -1; \
	CHECK_EQ((st)->MPI_SOURCE, source); \
	CHECK_EQ((st)->MPI_TAG, tag); \
	MPI_Get_count(st, MPI_BYTE, &t_count); \
	CHECK_EQ(t_count, n); \
	MPI_Test_cancelled(st, &t_cancelled); \
	CHECK_EQ(t_cancelled, 0); \
} while (0)

/* A zero-byte token, to order the ranks without help of the large messages under test. */
static T_UNUSED void t_token_send(int to)
{
	MPI_Send(NULL, 0, MPI_BYTE, to, 0, t_tokens);
}

static T_UNUSED void t_token_recv(int from)
{
	MPI_Recv(NULL, 0, MPI_BYTE, from, 0, t_tokens, MPI_STATUS_IGNORE);
}

/* All ranks have come here; by point-to-point calls alone. */
static T_UNUSED void t_sync(void)
{
	for (int r = 1; t_rank == 0 && r < t_size; r++)
		t_token_recv(r);
	for (int r = 1; t_rank == 0 && r < t_size; r++)
		t_token_send(r);
	if (t_rank) {
		t_token_send(0);
		t_token_recv(0);
	}
}

#endif
