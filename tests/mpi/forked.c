/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A buffer that was sent is moved by realloc, and its owner forks: both keep every byte, whether its pages were
 * granted ones (the first run), or private ones that came back in their place for want of others (the second).
 *
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0 expect="moves [1-9]"
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0 VMONECOPY_GRANT_BUDGET=400K VMONECOPY_RUN=64K expect="detaches [1-9]"
 */
#include "t.h"

#include <sys/wait.h>

#define N ((size_t)300000)

/* Its receiver comes after the sender has asked for its buffer. Then realloc grows the buffer, which moves it. */
static char *late(char *buf, int round)
{
	MPI_Request request;
	int flag = 0;

	if (t_rank == 0) {
		t_fill(buf, N, 0, 1, round);
		MPI_Isend(buf, (int)N, MPI_BYTE, 1, 1, MPI_COMM_WORLD, &request);
		MPI_Test(&request, &flag, MPI_STATUS_IGNORE);
		t_token_send(1);
		MPI_Wait(&request, MPI_STATUS_IGNORE);
		buf = realloc(buf, (size_t)(round + 2) * N);
		VERIFY(buf, N, 0, 1, round);
	} else {
		t_token_recv(0);
		MPI_Recv(buf, (int)N, MPI_BYTE, 0, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		VERIFY(buf, N, 0, 1, round);
	}
	return buf;
}

/* What either writes after the fork the other does not see. */
static void fork_sender(char *buf, int round)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		bool right = t_wrong(buf, N, 0, 1, round) < 0;
		memset(buf, 1, N);
		_exit(right ? 0 : 7);
	}
	CHECK(child > 0 && waitpid(child, &status, 0) == child);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), 0);
	VERIFY(buf, N, 0, 1, round);
}

/* The pages are granted ones when it forks, if any can be had: its receiver is there. */
static void prompt(char *buf, int round)
{
	t_sync();
	if (t_rank == 0) {
		t_fill(buf, N, 0, 1, round);
		MPI_Send(buf, (int)N, MPI_BYTE, 1, 1, MPI_COMM_WORLD);
		fork_sender(buf, round);
	} else {
		MPI_Recv(buf, (int)N, MPI_BYTE, 0, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		VERIFY(buf, N, 0, 1, round);
	}
}

int main(int argc, char **argv)
{
	char *buf = malloc(N);

	t_begin(&argc, &argv, 20);
	for (int round = 0; round < 6; round++)
		buf = late(buf, round);
	for (int round = 6; round < 12; round++)
		prompt(buf, round);
	free(buf);
	return t_end();
}
