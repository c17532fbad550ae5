/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every probe shows the true size, and what follows receives that very message: MPI_Probe, MPI_Iprobe
 * (MPI 3.1, 3.8.1) with MPI_Recv, MPI_Irecv, MPI_Sendrecv, a persistent receive; MPI_Mprobe, MPI_Improbe
 * (3.8.2) with MPI_Mrecv, MPI_Imrecv. Genuine messages of an RTS's size are among them.
 *
 * RUN: np=2 expect="held_messages [1-9]" expect="(onecopy|staged)_bytes [1-9]"
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0
 * RUN: np=2 VMONECOPY_THRESHOLD=64
 * RUN: np=2 VMONECOPY_MAP_BUDGET=0 expect="grant_copy_bytes [1-9]"
 * RUN: np=2 VMONECOPY_MAP_BUDGET=0 VMONECOPY_GRANT_COPY=0 expect="refusals [1-9]"
 */
#include "t.h"

#define MOST 50000
static const int sizes[] = { MOST, 64, 16384, 0, 63, 64, 4097, 33333, 65, 16383 };
#define SIZES 10

/* MPICH's own probes leave the cancelled bit as they find it. */
static bool by_mpi_alone;

enum probe { PROBE, IPROBE, MPROBE, IMPROBE, PROBES };
enum receive { RECV, IRECV, SENDRECV, START, MRECV, IMRECV, RECEIVES };

/* Blocks until a message is found, with wildcards or without. */
static void probe(enum probe how, bool any, int tag, MPI_Message *message, MPI_Status *status)
{
	int source = any ? MPI_ANY_SOURCE : 0, wanted = any ? MPI_ANY_TAG : tag, flag = 0;

	*message = MPI_MESSAGE_NULL;
	switch (how) {
	case PROBE:
		MPI_Probe(source, wanted, MPI_COMM_WORLD, status);
		break;
	case IPROBE:
		while (!flag)
			MPI_Iprobe(source, wanted, MPI_COMM_WORLD, &flag, status);
		break;
	case MPROBE:
		MPI_Mprobe(source, wanted, MPI_COMM_WORLD, message, status);
		break;
	default:
		while (!flag)
			MPI_Improbe(source, wanted, MPI_COMM_WORLD, &flag, message, status);
	}
	if (how >= MPROBE)
		CHECK(*message != MPI_MESSAGE_NULL);
}

static void receive(enum receive how, char *buf, int n, int tag, MPI_Message *message, MPI_Status *status)
{
	MPI_Request request;
	MPI_Comm world = MPI_COMM_WORLD;

	switch (how) {
	case RECV:
		MPI_Recv(buf, n, MPI_BYTE, 0, tag, world, status);
		return;
	case IRECV:
		MPI_Irecv(buf, n, MPI_BYTE, 0, tag, world, &request);
		MPI_Wait(&request, status);
		break;
	case SENDRECV:
		MPI_Sendrecv(NULL, 0, MPI_BYTE, MPI_PROC_NULL, 0, buf, n, MPI_BYTE, 0, tag, world, status);
		return;
	case START:
		MPI_Recv_init(buf, n, MPI_BYTE, 0, tag, world, &request);
		MPI_Start(&request);
		MPI_Wait(&request, status);
		CHECK(request != MPI_REQUEST_NULL);
		MPI_Request_free(&request);
		break;
	case MRECV:
		MPI_Mrecv(buf, n, MPI_BYTE, message, status);
		CHECK(*message == MPI_MESSAGE_NULL);
		return;
	default:
		MPI_Imrecv(buf, n, MPI_BYTE, message, &request);
		CHECK(*message == MPI_MESSAGE_NULL);
		MPI_Wait(&request, status);
	}
	CHECK(request == MPI_REQUEST_NULL);
}

static void one(enum probe how, enum receive then, bool any, int n, int sequence)
{
	struct t_buf buf = t_new(MOST, 24);
	int tag = 10 + (int)then;
	MPI_Message message;
	MPI_Status status;

	if (t_rank == 0) {
		t_fill(buf.at, (size_t)n, 0, tag, sequence);
		MPI_Send(buf.at, n, MPI_BYTE, 1, tag, MPI_COMM_WORLD);
	} else {
		memset(&status, by_mpi_alone ? 0 : 0xff, sizeof status);
		probe(how, any, tag, &message, &status);
		STATUS(&status, 0, tag, n);
		if (how < MPROBE) {	/* a second look sees the same */
			probe(how, any, tag, &message, &status);
			STATUS(&status, 0, tag, n);
		}
		buf.bytes = (size_t)n;
		receive(then, buf.at, n, tag, &message, &status);
		STATUS(&status, 0, tag, n);
		VERIFY(buf.at, n, 0, tag, sequence);
		buf.bytes = MOST;
		UNTOUCHED(buf.at + n, (size_t)(MOST - n));
	}
	t_free(&buf);
}

static void every_pair(void)
{
	int sequence = 0;

	for (int how = 0; how < PROBES; how++)
		for (int then = 0; then < RECEIVES; then++) {
			if ((how >= MPROBE) != (then >= MRECV))
				continue;
			for (int i = 0; i < SIZES; i++)
				for (int any = 0; any < 2; any++)
					one((enum probe)how, (enum receive)then, any, sizes[i], sequence++);
		}
}

/* All at once: none waits for the one before to be received. */
static void send_series(int tag, int count)
{
	char *buf = malloc((size_t)count * MOST);
	MPI_Request *request = malloc((size_t)count * sizeof *request);

	for (int i = 0; i < count; i++) {
		char *at = buf + (size_t)i * MOST;
		t_fill(at, (size_t)sizes[i % SIZES], 0, tag, i);
		MPI_Isend(at, sizes[i % SIZES], MPI_BYTE, 1, tag, MPI_COMM_WORLD, &request[i]);
	}
	MPI_Waitall(count, request, MPI_STATUSES_IGNORE);
	free(buf);
	free(request);
}

static void expect_recv(int tag, int wanted_tag, int i)
{
	struct t_buf buf = t_new(MOST, 0);
	MPI_Status status;

	MPI_Recv(buf.at, MOST, MPI_BYTE, 0, wanted_tag, MPI_COMM_WORLD, &status);
	STATUS(&status, 0, tag, sizes[i % SIZES]);
	GOT(&buf, sizes[i % SIZES], 0, tag, i);
	t_free(&buf);
}

/* Some of a row of messages are probed, some not: all come in order (MPI 3.1, 3.5). */
static void order(void)
{
	MPI_Status status = { 0 };
	int flag;

	if (t_rank == 0)
		send_series(30, 3 * SIZES);
	for (int i = 0; t_rank == 1 && i < 3 * SIZES; i++) {
		if (i % 3)
			MPI_Probe(0, i % 2 ? 30 : MPI_ANY_TAG, MPI_COMM_WORLD, &status);
		else
			MPI_Iprobe(MPI_ANY_SOURCE, 30, MPI_COMM_WORLD, &flag, &status);
		expect_recv(30, i % 4 ? 30 : MPI_ANY_TAG, i);
	}
}

/*
 * A probe for a later message's tag does not make that message overtake an earlier one: a receive with
 * MPI_ANY_TAG still gets the first (MPI 3.1, 3.5, "non-overtaking").
 */
static void probe_of_a_later_one(void)
{
	MPI_Status status;
	char *buf = malloc(MOST), *early = malloc(MOST);
	MPI_Request request;

	for (int round = 0; round < 6; round++) {
		static const int firsts[] = { 64, 20000, 5 };
		int first = firsts[round % 3], second = round / 3 ? 64 : MOST;
		if (t_rank == 0) {
			t_fill(early, (size_t)first, 0, 40, round);
			MPI_Isend(early, first, MPI_BYTE, 1, 40, MPI_COMM_WORLD, &request);
			t_fill(buf, (size_t)second, 0, 41, round);
			MPI_Send(buf, second, MPI_BYTE, 1, 41, MPI_COMM_WORLD);
			MPI_Wait(&request, MPI_STATUS_IGNORE);
			continue;
		}
		MPI_Probe(0, 41, MPI_COMM_WORLD, &status);
		STATUS(&status, 0, 41, second);
		MPI_Recv(buf, MOST, MPI_BYTE, 0, MPI_ANY_TAG, MPI_COMM_WORLD, &status);
		STATUS(&status, 0, 40, first);
		VERIFY(buf, first, 0, 40, round);
		MPI_Recv(buf, MOST, MPI_BYTE, MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &status);
		STATUS(&status, 0, 41, second);
		VERIFY(buf, second, 0, 41, round);
	}
	free(buf);
	free(early);
}

/* Matched messages are received in another order than they were probed, with others between. */
static void matched_out_of_order(void)
{
	MPI_Message message[4];
	MPI_Status status;
	struct t_buf buf = t_new(MOST, 8);

	if (t_rank == 0)
		send_series(50, 5);
	for (int i = 0; t_rank == 1 && i < 4; i++) {
		MPI_Mprobe(0, 50, MPI_COMM_WORLD, &message[i], &status);
		STATUS(&status, 0, 50, sizes[i]);
	}
	if (t_rank == 1)
		expect_recv(50, 50, 4);		/* the matched ones are out of its reach */
	for (int i = 3; t_rank == 1 && i >= 0; i--) {
		t_poison(&buf);
		MPI_Mrecv(buf.at, MOST, MPI_BYTE, &message[i], &status);
		STATUS(&status, 0, 50, sizes[i]);
		GOT(&buf, sizes[i], 0, 50, i);
	}
	t_free(&buf);
}

/* A probe on one communicator changes nothing for a receive on another. */
static void other_communicator(void)
{
	struct t_buf buf = t_new(MOST, 0);
	char *second = malloc(40000);
	MPI_Request request;
	MPI_Comm other;
	MPI_Status status;
	int flag;

	t_sync();
	MPI_Comm_dup(MPI_COMM_WORLD, &other);
	if (t_rank == 0) {
		t_fill(buf.at, MOST, 0, 60, 1);
		MPI_Isend(buf.at, MOST, MPI_BYTE, 1, 60, MPI_COMM_WORLD, &request);
		t_fill(second, 40000, 0, 60, 2);
		MPI_Send(second, 40000, MPI_BYTE, 1, 60, other);
		MPI_Wait(&request, MPI_STATUS_IGNORE);
	} else {
		MPI_Probe(0, 60, MPI_COMM_WORLD, &status);
		MPI_Recv(buf.at, MOST, MPI_BYTE, 0, 60, other, &status);
		STATUS(&status, 0, 60, 40000);
		GOT(&buf, 40000, 0, 60, 2);
		MPI_Iprobe(0, 60, other, &flag, &status);
		CHECK(!flag);
		MPI_Recv(buf.at, MOST, MPI_BYTE, 0, 60, MPI_COMM_WORLD, &status);
		STATUS(&status, 0, 60, MOST);
		GOT(&buf, MOST, 0, 60, 1);
		MPI_Iprobe(MPI_ANY_SOURCE, 60, MPI_COMM_WORLD, &flag, &status);
		CHECK(!flag);
	}
	t_sync();
	MPI_Comm_free(&other);
	free(second);
	t_free(&buf);
}

/* The held message is too long for its receive (MPI 3.1, 3.2.4); and one is probed with no status wanted. */
static void truncated(void)
{
	struct t_buf buf = t_new(1000, 0);
	char *large = malloc(MOST);

	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
	for (int how = 0; how < 2; how++) {
		if (t_rank == 0) {
			MPI_Send(large, MOST, MPI_BYTE, 1, 70, MPI_COMM_WORLD);
			continue;
		}
		MPI_Request request;
		MPI_Probe(0, 70, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		int rc = how ? MPI_Recv(buf.at, 1000, MPI_BYTE, 0, 70, MPI_COMM_WORLD, MPI_STATUS_IGNORE)
		             : MPI_Irecv(buf.at, 1000, MPI_BYTE, 0, 70, MPI_COMM_WORLD, &request);
		if (!how)
			rc = MPI_Wait(&request, MPI_STATUS_IGNORE);
		CHECK_CLASS(rc, MPI_ERR_TRUNCATE);
		if (!by_mpi_alone)	/* Open MPI 4.1.4 writes beyond the buffer here */
			GUARDED(&buf);
	}
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_ARE_FATAL);
	free(large);
	t_free(&buf);
}

/* MPI_PROC_NULL: found at once, empty (MPI 3.1, 3.8.1, 3.8.2). */
static void proc_null(void)
{
	MPI_Message message;
	MPI_Status status;

	MPI_Probe(MPI_PROC_NULL, 1, MPI_COMM_WORLD, &status);
	STATUS(&status, MPI_PROC_NULL, MPI_ANY_TAG, 0);
	MPI_Mprobe(MPI_PROC_NULL, 1, MPI_COMM_WORLD, &message, &status);
	CHECK(message == MPI_MESSAGE_NO_PROC);
	MPI_Mrecv(NULL, 0, MPI_BYTE, &message, &status);
	CHECK_EQ(status.MPI_SOURCE, MPI_PROC_NULL);
	CHECK(message == MPI_MESSAGE_NULL);
}

int main(int argc, char **argv)
{
	t_begin(&argc, &argv, 40);
	by_mpi_alone = getenv("VMONECOPY") && !strcmp(getenv("VMONECOPY"), "0");
	every_pair();
	order();
	matched_out_of_order();
	other_communicator();
	truncated();
	proc_null();
	probe_of_a_later_one();
	return t_end();
}
