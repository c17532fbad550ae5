/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * examples_edges.c: what include/vmonecopy.h promises beside the plain way: answers before MPI_Init and after MPI_Finalize,
 * wrong arguments, memory that is never substituted, sizes of other versions, a hint while a send is under way. Argument:
 * "inactive" or "absent" where the library carries nothing, or is not there. Each of two ranks says `right`.
 */
#include <mpi.h>
#include <vmonecopy.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES (1 << 20)

static int rank, wrong;

static void check_at(int line, int condition, const char *text)
{
	if (!condition) {
		fprintf(stderr, "rank %d, line %d: not so: %s\n", rank, line, text);
		wrong = 1;
	}
}
#define CHECK(condition) check_at(__LINE__, condition, #condition)

static int says(const char *part)
{
	const char *why = NULL;

	return !vmonecopy_active(&why) && strstr(why, part);
}

static void sizes(int there)
{
	struct { struct vmonecopy_counters known; uint64_t later[2]; } newer;
	struct vmonecopy_counters c, none = { .size = 0 };
	size_t old = offsetof(struct vmonecopy_counters, staged_messages);

	memset(&newer, 1, sizeof newer);
	newer.known.size = sizeof newer;
	CHECK(vmonecopy_get_counters(&newer.known) == there);
	CHECK(newer.known.size == sizeof newer && !newer.later[0] && !newer.later[1]);
	memset(&c, 1, sizeof c);
	c.size = old;
	CHECK(vmonecopy_get_counters(&c) == there);
	CHECK(c.size == old && c.staged_messages == 0x0101010101010101u);	/* not an older program's */
	CHECK(!there || (vmonecopy_get_counters(&none) == -EINVAL && vmonecopy_get_counters(NULL) == -EINVAL));
}

/* The data is that of the send, whatever is told of its buffer meanwhile. */
static void under_way(char *data, int peer)
{
	MPI_Request request;
	char *in = malloc(BYTES);

	for (int turn = 0; turn < 4; turn++) {
		memset(data, 10 * rank + turn, BYTES);
		MPI_Isend(data, BYTES, MPI_BYTE, peer, turn, MPI_COMM_WORLD, &request);
		CHECK(vmonecopy_forget(data, BYTES) == (turn % 2 ? 0 : 1));
		MPI_Recv(in, BYTES, MPI_BYTE, peer, turn, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		MPI_Wait(&request, MPI_STATUS_IGNORE);
		CHECK(in[0] == 10 * peer + turn && !memcmp(in, in + 1, BYTES - 1));
		CHECK(data[BYTES / 2] == 10 * rank + turn);
		if (turn % 2)
			CHECK(vmonecopy_prefer(data, BYTES, peer) == 1);
	}
	free(in);
}

static void hints(void)
{
	int peer = 1 - rank;
	char stack[BYTES / 4], *data = malloc(BYTES);

	memset(data, 7, BYTES);
	memset(stack, 8, sizeof stack);
	CHECK(vmonecopy_active(NULL) == 1 && !says(""));
	CHECK(vmonecopy_prefer(data, BYTES, -1) == -EINVAL && vmonecopy_prefer(data, BYTES, 2) == -EINVAL);
	CHECK(vmonecopy_prefer(NULL, BYTES, peer) == -EINVAL);
	CHECK(vmonecopy_prefer(data, BYTES, rank) == 0);		/* to oneself */
	CHECK(vmonecopy_prefer(data, 100, peer) == 0);
	CHECK(vmonecopy_prefer(stack, sizeof stack, peer) == 0 && stack[1000] == 8);
	CHECK(vmonecopy_forget(data, BYTES) == 0);
	CHECK(vmonecopy_prefer(data, BYTES, peer) == 1);
	CHECK(vmonecopy_prefer(data, BYTES, peer) == 1);		/* again: it is */
	CHECK(data[0] == 7 && !memcmp(data, data + 1, BYTES - 1));
	under_way(data, peer);
	CHECK(vmonecopy_forget(data + BYTES / 2, BYTES / 2) == 1 && vmonecopy_forget(data, BYTES) == 1);
	CHECK(vmonecopy_forget((void *)-4096, 1 << 20) == 0 && vmonecopy_forget(NULL, 0) == 0);
	free(data);
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "active";
	int absent = !strcmp(how, "absent");
	struct vmonecopy_counters c = { .size = sizeof c };
	static char some[BYTES];

	CHECK(says(absent ? "not preloaded" : "no MPI function was called yet"));
	CHECK(vmonecopy_get_counters(&c) == 0 && vmonecopy_prefer(some, BYTES, 0) == 0);
	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	CHECK(absent ? !vmonecopy_version() && !*vmonecopy_version_string() : vmonecopy_version() > 0);
	if (!strcmp(how, "inactive"))
		CHECK(says("in one VM"));
	if (!strcmp(how, "active"))
		hints();
	else
		CHECK(vmonecopy_prefer(some, BYTES, 1 - rank) == 0 && vmonecopy_forget(some, BYTES) == 0);
	sizes(!absent);
	MPI_Finalize();
	CHECK(!vmonecopy_active(NULL) && vmonecopy_prefer(some, BYTES, 1 - rank) == 0);
	if (!strcmp(how, "active"))
		CHECK(says("MPI_Finalize was called"));
	if (!wrong)
		puts("right");
	return wrong;
}
