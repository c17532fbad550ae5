/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The budget of granted pages, and of mapped ones: at none, at one page, at one run, at exactly what a message needs
 * and at one page less. Whatever finds no room falls through or is staged, with the right data.
 *   fit BYTES     eight messages each way, out of fresh buffers: staged if there is room
 *   rotate [N]    N = 20 rounds: twelve buffers, three times what has room, and before each of them a hot one, which is to be in
 *                 place; what is not sent any more leaves its pages to what is; nothing falls through
 *
 * Two ranks of one VM have half of its budget each.
 * A catalog (directory and gref page) is 8K of the budget; a gntalloc of 1 page allows pools none at all.
 *
 * RUN: np=2 args="fit 1048576" XENEMU_LIMIT=1 expect="INACTIVE: .*gntalloc"
 * RUN: np=2 args="fit 1048576" VMONECOPY_SUBSTITUTE=0 VMONECOPY_GRANT_BUDGET=4K expect="fell_through.no_pool 16 messages" expect="\n.* granted_pages 2\n"
 * RUN: np=2 args="fit 16384" VMONECOPY_SUBSTITUTE=0 VMONECOPY_GRANT_BUDGET=12K expect="fell_through.no_pool 16 messages" expect="\n.* granted_pages 6\n"
 * RUN: np=2 args="fit 1048576" VMONECOPY_SUBSTITUTE=0 VMONECOPY_GRANT_BUDGET=1032K expect="staged_messages 16" expect="\n.* granted_pages 516\n"
 * RUN: np=2 args="fit 1048577" VMONECOPY_SUBSTITUTE=0 VMONECOPY_GRANT_BUDGET=1032K expect="fell_through.no_pool 16 messages"
 * RUN: np=2 args="fit 1048576" VMONECOPY_SUBSTITUTE=0 VMONECOPY_GRANT_BUDGET=1028K expect="fell_through.no_pool 16 messages"
 * RUN: np=2 args="fit 1048576" VMONECOPY_SUBSTITUTE=0 VMONECOPY_RUN=128K VMONECOPY_GRANT_BUDGET=1032K expect="staged_messages 16"
 * RUN: np=2 args="fit 1048576" VMONECOPY_SUBSTITUTE=0 XENEMU_LIMIT=344 expect="staged_messages 16"
 * RUN: np=2 args="fit 1048576" VMONECOPY_SUBSTITUTE=0 VMONECOPY_MAP_BUDGET=4K expect="grant_copy_bytes 16777216"
 * RUN: np=2 args="fit 1048576" VMONECOPY_SUBSTITUTE=0 VMONECOPY_MAP_BUDGET=1020K expect="grant_copy_bytes 16777216"
 * RUN: np=2 args="fit 1048576" VMONECOPY_SUBSTITUTE=0 VMONECOPY_MAP_BUDGET=1M expect="\n.* maps 2\n" expect="map_hits 14"
 * RUN: np=4 XENEMU_DOMAINS=2 args="fit 1048576" VMONECOPY_SUBSTITUTE=0 VMONECOPY_VM_GRANT_BUDGET=2064K expect="staged_messages 32" expect="\n.* granted_pages 1032\n"
 * RUN: np=4 XENEMU_DOMAINS=2 args="fit 1048576" VMONECOPY_SUBSTITUTE=0 VMONECOPY_VM_GRANT_BUDGET=2060K expect="fell_through.no_pool 32 messages"
 * RUN: np=4 XENEMU_DOMAINS=2 args="fit 1048576" VMONECOPY_SUBSTITUTE=0 VMONECOPY_GRANT_BUDGET=1032K VMONECOPY_VM_GRANT_BUDGET=1100K expect="\n.* granted_pages ([1-4]..|5[0-4].|550)\n"
 * RUN: np=4 XENEMU_DOMAINS=2 args="fit 1048576" VMONECOPY_SUBSTITUTE=0 VMONECOPY_VM_MAP_BUDGET=2M expect="\n.* maps 4\n"
 * RUN: np=4 XENEMU_DOMAINS=2 args="fit 1048576" VMONECOPY_SUBSTITUTE=0 VMONECOPY_VM_MAP_BUDGET=2040K expect="grant_copy_bytes 33554432"
 * RUN: np=2 args=rotate VMONECOPY_ADMISSION=2 VMONECOPY_PATIENCE_US=60000000 VMONECOPY_RUN=800K VMONECOPY_GRANT_BUDGET=808K expect=", 0.0 % fell through" expect="evicted_buffers [1-9]" expect="onecopy_messages [7-9]..\b"
 * RUN: np=2 args=rotate VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=60000000 VMONECOPY_RUN=800K VMONECOPY_GRANT_BUDGET=808K expect=", 0.0 % fell through" expect="evicted_buffers [1-9]"
 */
#include "t.h"

#define BUFFER ((size_t)200 << 10)
#define BUFFERS 12
#define ROUNDS 20

static struct t_buf in;

/* To the partner and from it, the even rank first. */
static void exchange(struct t_buf *out, size_t bytes, int tag, int sequence)
{
	int partner = t_rank ^ 1;
	MPI_Status status;

	t_fill(out->at, bytes, t_rank, tag, sequence);
	t_poison(&in);
	if (t_rank < partner)
		MPI_Send(out->at, (int)bytes, MPI_BYTE, partner, tag, MPI_COMM_WORLD);
	MPI_Recv(in.at, (int)bytes, MPI_BYTE, partner, tag, MPI_COMM_WORLD, &status);
	if (t_rank > partner)
		MPI_Send(out->at, (int)bytes, MPI_BYTE, partner, tag, MPI_COMM_WORLD);
	GOT(&in, bytes, partner, tag, sequence);
	STATUS(&status, partner, tag, bytes);
}

static void fit(size_t bytes)
{
	in = t_new(bytes, 0);
	for (int i = 0; i < 8; i++) {
		struct t_buf out = t_new(bytes, 0);

		exchange(&out, bytes, 1, i);
		VERIFY(out.at, bytes, t_rank, 1, i);
		t_free(&out);
	}
}

/* Phases: one half of the buffers more often than the other, then the other way round. */
static void rotate(int rounds)
{
	struct t_buf hot = t_new(BUFFER, 0), cold[BUFFERS];

	in = t_new(BUFFER, 0);
	for (int i = 0; i < BUFFERS; i++)
		cold[i] = t_new(BUFFER, 0);
	for (int round = 0; round < rounds; round++)
		for (int i = 0; i < BUFFERS; i++) {
			int b = round < rounds / 2 ? i : BUFFERS - 1 - i % 3;

			exchange(&hot, BUFFER, 1, round * BUFFERS + i);
			exchange(&cold[b], BUFFER, 2, round * BUFFERS + i);
			VERIFY(hot.at, BUFFER, t_rank, 1, round * BUFFERS + i);
		}
	for (int i = 0; i < BUFFERS; i++) {
		GUARDED(&cold[i]);
		t_free(&cold[i]);
	}
	GUARDED(&hot);
	t_free(&hot);
}

int main(int argc, char **argv)
{
	t_begin(&argc, &argv, 50);
	if (argc > 2 && !strcmp(argv[1], "fit"))
		fit((size_t)atol(argv[2]));
	else
		rotate(argc > 2 ? atoi(argv[2]) : ROUNDS);
	return t_end();
}
