/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A program with a memory pool of its own: blocks are carved out of one mapping, reused at once for others that overlap
 * them, and given back to the system by MADV_DONTNEED or MADV_FREE, which free() and munmap() never hear of. Messages
 * arrive as they were; a given back block reads as zeroes.
 *
 * RUN: np=2 VMONECOPY_ADMISSION=1 args=1 expect="onecopy_bytes [1-9]" expect="hook_releases [1-9][0-9]"
 * RUN: np=2 VMONECOPY_ADMISSION=2 args=2 expect="onecopy_bytes [1-9]"
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0 args=3 expect="late_bytes [1-9]"
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_CHECK=1 args=4 expect="checked_messages [1-9]" expect="\A(?![\s\S]*CHECK:)"
 */
#include "t.h"

#include <sys/mman.h>

#define POOL ((size_t)4 << 20)
#define MOST ((size_t)300 << 10)
#define STEPS 600
#define BLOCKS 6

struct block {
	size_t at, bytes;	/* bytes == 0: none */
	int sequence;
};

static uint64_t state;

static size_t any(size_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (size_t)(state >> 11) % below;
}

/* What overlaps ends: the pool reuses it. */
static void carve(struct block *blocks, struct block *b)
{
	size_t bytes = ((20 << 10) + any(MOST)) & ~(size_t)15, at = any(POOL - bytes) & ~(size_t)15;

	for (int i = 0; i < BLOCKS; i++)
		if (blocks[i].at < at + bytes && blocks[i].at + blocks[i].bytes > at)
			blocks[i].bytes = 0;
	*b = (struct block){ at, bytes, 0 };
}

static void give_back(char *pool, struct block *b)
{
	size_t from = (b->at + T_PAGE - 1) & ~(T_PAGE - 1), to = (b->at + b->bytes) & ~(T_PAGE - 1);
	bool zero = any(2);

	CHECK(!madvise(pool + from, to - from, zero ? MADV_DONTNEED : MADV_FREE));
	for (size_t i = from; zero && i < to; i++)
		CHECK_EQ(pool[i], 0);
	b->bytes = 0;
}

static void sender(char *pool)
{
	struct block blocks[BLOCKS] = { { 0 } };

	for (int step = 1; step <= STEPS; step++) {
		struct block *b = &blocks[any(BLOCKS)];
		if (b->bytes && !any(4))
			give_back(pool, b);
		if (!b->bytes)
			carve(blocks, b);
		if (!b->sequence || any(2)) {
			b->sequence = step;
			t_fill(pool + b->at, b->bytes, t_rank, 1, step);
		}
		VERIFY(pool + b->at, b->bytes, t_rank, 1, b->sequence);
		MPI_Send(&b->sequence, 1, MPI_INT, 1 - t_rank, 2, MPI_COMM_WORLD);
		MPI_Send(pool + b->at, (int)b->bytes, MPI_BYTE, 1 - t_rank, 1, MPI_COMM_WORLD);
	}
}

/* Receives into a pool, too: over what was sent from there before. */
static void receiver(char *pool)
{
	for (int step = 1; step <= STEPS; step++) {
		char *at = pool + (any(POOL - MOST - (20 << 10)) & ~(size_t)15);
		MPI_Status status;
		int sequence, bytes;

		MPI_Recv(&sequence, 1, MPI_INT, 1 - t_rank, 2, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		MPI_Recv(at, (int)MOST + (20 << 10), MPI_BYTE, 1 - t_rank, 1, MPI_COMM_WORLD, &status);
		MPI_Get_count(&status, MPI_BYTE, &bytes);
		VERIFY(at, (size_t)bytes, 1 - t_rank, 1, sequence);
	}
}

int main(int argc, char **argv)
{
	char *pool = mmap(NULL, POOL, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	t_begin(&argc, &argv, 50);
	CHECK(pool != MAP_FAILED);
	state = 88172645463325252u + (unsigned)(argc > 1 ? atoi(argv[1]) : 1) + 100 * (unsigned)t_rank;
	for (int turn = 0; turn < 2; turn++)
		if (t_rank == turn)
			sender(pool);
		else
			receiver(pool);
	munmap(pool, POOL);
	return t_end();
}
