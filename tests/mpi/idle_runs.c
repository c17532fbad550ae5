/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Granted runs that nobody uses are given back: those of a peak, after a while; and those of one VM's pool, at once,
 * when another VM's finds no room. Data stays right, also in what is granted and mapped anew.
 *   peak      several large messages at a time, then small ones until the others' pages were idle, and again
 *   turn      rank 0's budget is all granted to rank 1; then it sends to rank 2, until that gets through other than
 *             by MPI: rank 2 says when enough has come, so the number of messages is not fixed
 *
 * RUN: np=2 args=peak VMONECOPY_IDLE_MS=20 VMONECOPY_SUBSTITUTE=0 expect="returned_runs [1-9]" expect=", 0.0 % fell through"
 * RUN: np=2 args=peak VMONECOPY_IDLE_MS=20 VMONECOPY_ADMISSION=1 expect="returned_runs [1-9]"
 * RUN: np=2 args=peak VMONECOPY_IDLE_MS=20 VMONECOPY_SUBSTITUTE=0 VMONECOPY_MAP_BUDGET=0 expect="returned_runs [1-9]" expect="grant_copy_bytes [1-9]"
 * RUN: np=3 args=turn VMONECOPY_IDLE_MS=0 VMONECOPY_SUBSTITUTE=0 VMONECOPY_GRANT_BUDGET=1040K expect="returned_runs [1-9]" expect="fell_through.no_pool [1-9]" expect="staged_messages [1-9]"
 * RUN: np=3 args=turn VMONECOPY_IDLE_MS=0 VMONECOPY_ADMISSION=1 VMONECOPY_GRANT_BUDGET=1040K expect="returned_runs [1-9]"
 */
#include "t.h"

#define LARGE ((size_t)1 << 20)
#define SMALL ((size_t)64 << 10)
#define TURNS 60

static struct t_buf out, in;

static void from_to(int from, int to, size_t bytes, int sequence)
{
	MPI_Status status;

	if (t_rank == from) {
		t_fill(out.at, bytes, from, 1, sequence);
		MPI_Send(out.at, (int)bytes, MPI_BYTE, to, 1, MPI_COMM_WORLD);
		VERIFY(out.at, bytes, from, 1, sequence);
	} else if (t_rank == to) {
		t_poison(&in);
		MPI_Recv(in.at, (int)bytes, MPI_BYTE, from, 1, MPI_COMM_WORLD, &status);
		GOT(&in, bytes, from, 1, sequence);
		STATUS(&status, from, 1, bytes);
	}
}

static void fresh_out(void)
{
	t_free(&out);
	out = t_new(LARGE, 0);
}

#define AT_A_TIME 4

static void several(int from, int sequence)
{
	struct t_buf message[AT_A_TIME];
	MPI_Request request[AT_A_TIME];

	for (int i = 0; i < AT_A_TIME; i++) {
		message[i] = t_new(LARGE, 0);
		if (t_rank == from)
			t_fill(message[i].at, LARGE, from, i, sequence);
	}
	for (int i = 0; i < AT_A_TIME; i++)
		if (t_rank == from)
			MPI_Isend(message[i].at, (int)LARGE, MPI_BYTE, 1 - from, i, MPI_COMM_WORLD, &request[i]);
		else
			MPI_Irecv(message[i].at, (int)LARGE, MPI_BYTE, from, i, MPI_COMM_WORLD, &request[i]);
	MPI_Waitall(AT_A_TIME, request, MPI_STATUSES_IGNORE);
	for (int i = 0; i < AT_A_TIME; i++) {
		GOT(&message[i], LARGE, from, i, sequence);
		t_free(&message[i]);
	}
}

/* Several looks of the granter, 20 ms apart, and calls enough that it does look. */
static void peak(void)
{
	int sequence = 0;

	for (int round = 0; round < 3; round++) {
		several(0, sequence++);
		several(1, sequence++);
		for (int i = 0; i < 8 * TURNS; i++) {
			from_to(i % 2, 1 - i % 2, SMALL, sequence++);
			if (i % 8 == 7)
				usleep(2000);
		}
	}
}

/* Rank 1 waits in MPI_Iprobe meanwhile, as ranks do that serve others. */
static void serve_until_told(void)
{
	int flag = 0;

	while (!flag)
		MPI_Iprobe(0, 2, MPI_COMM_WORLD, &flag, MPI_STATUS_IGNORE);
	MPI_Recv(NULL, 0, MPI_BYTE, 0, 2, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

static void turn(void)
{
	for (int i = 0; i < 4; i++)
		from_to(0, 1, LARGE, i);
	fresh_out();
	for (int i = 0; i < 20 * TURNS; i++) {
		if (t_rank != 1)
			from_to(0, 2, SMALL, 100 + i);
		if (t_rank == 0 && i % 8 == 7)
			usleep(2000);
	}
	if (t_rank == 0)
		MPI_Send(NULL, 0, MPI_BYTE, 1, 2, MPI_COMM_WORLD);
	else if (t_rank == 1)
		serve_until_told();
	for (int i = 0; i < 4; i++)
		from_to(0, 1, SMALL, 10 + i);
}

int main(int argc, char **argv)
{
	t_begin(&argc, &argv, 50);
	in = t_new(LARGE, 0);
	out = t_new(LARGE, 0);
	if (argc > 1 && !strcmp(argv[1], "turn"))
		turn();
	else
		peak();
	t_free(&in);
	t_free(&out);
	return t_end();
}
