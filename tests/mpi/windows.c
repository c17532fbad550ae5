/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A buffer that was sent in place, and is sent no more, leaves the pool; not once the program has a window for one-sided
 * access, by which other processes may be writing. Its content stays, and it can be sent again.
 *
 * RUN: np=2 args=none VMONECOPY_ADMISSION=1 VMONECOPY_IDLE_MS=5 expect="idle_buffers [1-9]"
 * RUN: np=2 args=create VMONECOPY_ADMISSION=1 VMONECOPY_IDLE_MS=5 expect="MPI_Win_create 2" expect="(?s)^(?!.*idle_buffers)"
 * RUN: np=2 args=allocate VMONECOPY_ADMISSION=1 VMONECOPY_IDLE_MS=5 expect="MPI_Win_allocate 2" expect="(?s)^(?!.*idle_buffers)"
 * RUN: np=2 args=dynamic VMONECOPY_ADMISSION=1 VMONECOPY_IDLE_MS=5 expect="MPI_Win_create_dynamic 2" expect="(?s)^(?!.*idle_buffers)"
 */
#include "t.h"

#define BYTES ((size_t)256 << 10)
#define TURNS 200		/* of a millisecond: many idle periods, */
#define CALLS 50		/* each with enough calls for a look at what is idle */

static struct t_buf buffer;
static char memory[4096];
static long word;

static void one_message(int sequence)
{
	if (t_rank == 0) {
		t_fill(buffer.at, BYTES, 0, 1, sequence);
		MPI_Send(buffer.at, (int)BYTES, MPI_BYTE, 1, 1, MPI_COMM_WORLD);
		VERIFY(buffer.at, BYTES, 0, 1, sequence);
	} else {
		t_poison(&buffer);
		MPI_Recv(buffer.at, (int)BYTES, MPI_BYTE, 0, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		GOT(&buffer, BYTES, 0, 1, sequence);
	}
}

static MPI_Win make(const char *how)
{
	MPI_Win win = MPI_WIN_NULL;
	void *base;

	if (!strcmp(how, "create"))
		MPI_Win_create(memory, sizeof memory, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &win);
	else if (!strcmp(how, "allocate"))
		MPI_Win_allocate(4096, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &base, &win);
	else if (!strcmp(how, "dynamic"))
		MPI_Win_create_dynamic(MPI_INFO_NULL, MPI_COMM_WORLD, &win);
	return win;
}

int main(int argc, char **argv)
{
	t_begin(&argc, &argv, 30);
	buffer = t_new(BYTES, 0);
	one_message(1);
	MPI_Win win = make(argc > 1 ? argv[1] : "");
	for (int turn = 0; turn < TURNS; turn++) {
		usleep(1000);
		for (int i = 0; i < CALLS; i++)
			MPI_Sendrecv_replace(&word, 1, MPI_LONG, !t_rank, 2, !t_rank, 2, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	}
	if (t_rank == 0)
		VERIFY(buffer.at, BYTES, 0, 1, 1);
	one_message(2);
	if (win != MPI_WIN_NULL)
		MPI_Win_free(&win);
	t_free(&buffer);
	return t_end();
}
