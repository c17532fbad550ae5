/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * RUN: np=2 expect=ok expect="late_bytes [1-9]" VMONECOPY_ADMISSION=1
 *
 * A stopped peer (SIGSTOP): senders go on after their patience, while it is still stopped, and may change what they sent.
 * Whoever must wait for it, in a receive or a collective, gets all of it once it goes on (SIGCONT by a timer).
 */
#include "t.h"

#include <signal.h>
#include <sys/time.h>

#define BYTES ((size_t)1 << 20)
#define MESSAGES 4

static pid_t peer;

/* The letter of /proc/PID/stat. */
static char state(void)
{
	char path[40], stat[300] = "";

	snprintf(path, sizeof path, "/proc/%d/stat", (int)peer);
	FILE *file = fopen(path, "r");
	CHECK(file && fgets(stat, sizeof stat, file));
	fclose(file);
	return strrchr(stat, ')')[2];
}

static void await_stop(void)
{
	while (state() != 'T')
		usleep(1000);
}

static void wake(int number)
{
	kill(peer, SIGCONT);
}

/* Rank 1 stops at once, and goes on half a second later. */
static void stopped_for_a_while(void)
{
	struct itimerval half = { .it_value = { 0, 500000 } };

	t_sync();
	if (t_rank == 1) {
		raise(SIGSTOP);
		return;
	}
	await_stop();
	signal(SIGALRM, wake);
	setitimer(ITIMER_REAL, &half, NULL);
}

/* Rank 0 sends to it. */
static void sends(struct t_buf *buf)
{
	MPI_Request request;

	t_sync();
	if (t_rank == 1) {
		raise(SIGSTOP);
		for (int i = 0; i < MESSAGES; i++) {
			t_poison(buf);
			MPI_Recv(buf->at, (int)BYTES, MPI_BYTE, 0, i, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
			GOT(buf, BYTES, 0, i, i);
		}
		return;
	}
	await_stop();
	for (int i = 0; i < MESSAGES; i++) {
		t_fill(buf->at, BYTES, 0, i, i);
		MPI_Isend(buf->at, (int)BYTES, MPI_BYTE, 1, i, MPI_COMM_WORLD, &request);
		MPI_Wait(&request, MPI_STATUS_IGNORE);
	}
	CHECK_EQ(state(), 'T');
	kill(peer, SIGCONT);
}

static void receives(struct t_buf *buf)
{
	stopped_for_a_while();
	if (t_rank == 1) {
		t_fill(buf->at, BYTES, 1, 9, 9);
		MPI_Send(buf->at, (int)BYTES, MPI_BYTE, 0, 9, MPI_COMM_WORLD);
	} else {
		t_poison(buf);
		MPI_Recv(buf->at, (int)BYTES, MPI_BYTE, 1, 9, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		GOT(buf, BYTES, 1, 9, 9);
	}
}

static void collectives(struct t_buf *out, struct t_buf *in)
{
	stopped_for_a_while();
	if (t_rank == 0)
		t_fill(out->at, BYTES, 0, 3, 3);
	MPI_Bcast(out->at, (int)BYTES, MPI_BYTE, 0, MPI_COMM_WORLD);
	VERIFY(out->at, BYTES, 0, 3, 3);
	stopped_for_a_while();
	t_fill(out->at, BYTES, t_rank, 4, 4);
	MPI_Alltoall(out->at, (int)BYTES / 2, MPI_BYTE, in->at, (int)BYTES / 2, MPI_BYTE, MPI_COMM_WORLD);
	for (int from = 0; from < 2; from++) {
		t_fill(out->at, BYTES, from, 4, 4);
		CHECK(!memcmp(in->at + (size_t)from * BYTES / 2, out->at + (size_t)t_rank * BYTES / 2, BYTES / 2));
	}
}

int main(int argc, char **argv)
{
	int mine = (int)getpid();

	t_begin(&argc, &argv, 0);
	struct t_buf out = t_new(BYTES, 10), in = t_new(BYTES, 500);
	MPI_Sendrecv(&mine, 1, MPI_INT, 1 - t_rank, 0, &peer, 1, MPI_INT, 1 - t_rank, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	sends(&out);
	receives(&in);
	collectives(&out, &in);
	return t_end();
}
