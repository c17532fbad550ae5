/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Completion calls on arrays of all kinds at once (MPI 3.1, 3.7.3 to 3.7.5, 3.8.4):
 *
 *   large receives and sends, small ones, MPI_REQUEST_NULL, inactive persistent ones, an MPI_Ibarrier
 *
 * by MPI_Wait, Waitall, Waitany, Waitsome, Test, Testall, Testany, Testsome and MPI_Request_get_status;
 * MPI_Request_free of sends and receives; MPI_Cancel of a receive that nothing matches.
 * Each request completes once, with its own status; MPI_ERROR stays as it was where no error is reported
 * (3.2.5); the bytes are there at completion and not a call later.
 *
 * RUN: np=2 expect="(onecopy|staged)_bytes [1-9]"
 * RUN: np=2 VMONECOPY_ADMISSION=1
 * RUN: np=2 VMONECOPY_SUBSTITUTE=0 expect="staged_bytes [1-9]"
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0
 * RUN: np=2 VMONECOPY_THRESHOLD=64 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0
 * RUN: np=2 VMONECOPY_MAP_BUDGET=0 expect="grant_copy_bytes [1-9]"
 * RUN: np=2 VMONECOPY_MAP_BUDGET=0 VMONECOPY_GRANT_COPY=0 expect="refusals [1-9]"
 */
#include "t.h"

#define MOST 70000
#define PAIRS 6				/* receives from the peer, and sends to it */
#define NULLS 2
#define INACTIVE (2 * PAIRS + NULLS)	/* a persistent receive that is never started */
#define BARRIER (INACTIVE + 1)
#define ALL (BARRIER + 1)
#define MARK 0x5eed			/* in MPI_ERROR */

static const int sizes[PAIRS] = { MOST, 10, 16384, 64, 50001, 0 };
static struct t_buf in[PAIRS], out[PAIRS];
static MPI_Request request[ALL];
static bool done[ALL];
static int peer, sequence;
static bool by_mpi_alone;

static void start(bool with_barrier)
{
	sequence++;
	for (int i = 0; i < PAIRS; i++) {
		t_poison(&in[i]);
		t_fill(out[i].at, (size_t)sizes[i], t_rank, i, sequence);
		MPI_Irecv(in[i].at, MOST, MPI_BYTE, i % 2 ? MPI_ANY_SOURCE : peer, i, MPI_COMM_WORLD, &request[2 * i]);
	}
	for (int i = PAIRS - 1; i >= 0; i--)
		MPI_Isend(out[i].at, sizes[i], MPI_BYTE, peer, i, MPI_COMM_WORLD, &request[2 * i + 1]);
	for (int i = 0; i < NULLS; i++)
		request[2 * PAIRS + i] = MPI_REQUEST_NULL;
	request[BARRIER] = MPI_REQUEST_NULL;
	if (with_barrier)
		MPI_Ibarrier(MPI_COMM_WORLD, &request[BARRIER]);
	memset(done, 0, sizeof done);
	for (int i = 0; i < NULLS; i++)
		done[2 * PAIRS + i] = true;
	done[INACTIVE] = true;
	done[BARRIER] = !with_barrier;
}

/* Request i is said to be complete. */
static void completed(int i, const MPI_Status *status)
{
	CHECK(i >= 0 && i < ALL);
	CHECK(!done[i]);
	done[i] = true;
	CHECK(request[i] == MPI_REQUEST_NULL);
	if (i >= 2 * PAIRS || i % 2)
		return;
	if (status)
		STATUS(status, peer, i / 2, sizes[i / 2]);
	GOT(&in[i / 2], sizes[i / 2], peer, i / 2, sequence);
}

static bool all_done(void)
{
	for (int i = 0; i < ALL; i++)
		if (!done[i])
			return false;
	return true;
}

static void mark(MPI_Status *status, int n)
{
	for (int i = 0; i < n; i++)
		status[i].MPI_ERROR = MARK;
}

/* The MPIs by themselves may write MPI_SUCCESS there; the shim, which has work throughout this test, does not. */
static void check_mark(const MPI_Status *status)
{
	if (!by_mpi_alone)
		CHECK_EQ(status->MPI_ERROR, MARK);
}

static void by_wait(void)
{
	MPI_Status status;

	for (int k = 0; k < ALL; k++) {
		int i = (k * 5) % ALL;
		if (done[i])
			continue;
		mark(&status, 1);
		MPI_Wait(&request[i], &status);
		check_mark(&status);
		completed(i, &status);
	}
}

static void by_test(void)
{
	MPI_Status status;

	while (!all_done())
		for (int i = 0; i < ALL; i++) {
			int flag = 0;
			if (done[i])
				continue;
			mark(&status, 1);
			MPI_Test(&request[i], &flag, &status);
			check_mark(&status);
			if (flag)
				completed(i, &status);
		}
}

static void by_all(bool test, bool ignore)
{
	MPI_Status status[ALL];
	MPI_Status *wanted = ignore ? MPI_STATUSES_IGNORE : status;
	int flag = 0;

	mark(status, ALL);
	if (!test)
		MPI_Waitall(ALL, request, wanted);
	while (test && !flag) {
		for (int i = 0; i < 2 * PAIRS; i++)
			CHECK(request[i] != MPI_REQUEST_NULL);	/* all or none */
		MPI_Testall(ALL, request, &flag, wanted);
	}
	for (int i = 0; i < ALL; i++) {
		if (!ignore)
			check_mark(&status[i]);
		if (done[i] && !ignore)
			STATUS(&status[i], MPI_ANY_SOURCE, MPI_ANY_TAG, 0);
		else if (!done[i])
			completed(i, ignore ? NULL : &status[i]);
	}
}

static void by_any(bool test)
{
	MPI_Status status;
	int index, flag;

	while (!all_done()) {
		index = -1;
		flag = !test;
		mark(&status, 1);
		if (test)
			MPI_Testany(ALL, request, &index, &flag, &status);
		else
			MPI_Waitany(ALL, request, &index, &status);
		check_mark(&status);
		if (flag)
			completed(index, &status);
		else
			CHECK_EQ(index, MPI_UNDEFINED);
	}
	flag = 0;
	index = 0;
	if (test)
		MPI_Testany(ALL, request, &index, &flag, &status);
	else
		MPI_Waitany(ALL, request, &index, &status);
	CHECK_EQ(index, MPI_UNDEFINED);
	CHECK(!test || flag);
}

static void by_some(bool test, bool ignore)
{
	MPI_Status status[ALL];
	int index[ALL], got;

	while (!all_done()) {
		got = -1;
		mark(status, ALL);
		if (test)
			MPI_Testsome(ALL, request, &got, index, ignore ? MPI_STATUSES_IGNORE : status);
		else
			MPI_Waitsome(ALL, request, &got, index, ignore ? MPI_STATUSES_IGNORE : status);
		CHECK(got >= !test && got <= ALL);
		for (int k = 0; k < got; k++) {
			check_mark(&status[k]);
			completed(index[k], ignore ? NULL : &status[k]);
		}
	}
	if (test)
		MPI_Testsome(ALL, request, &got, index, status);
	else
		MPI_Waitsome(ALL, request, &got, index, status);
	CHECK_EQ(got, MPI_UNDEFINED);
}

/* Says complete without freeing; the message is in the buffer at once, and the same status comes again. */
static void by_get_status(void)
{
	MPI_Status status, again;
	int flag;

	for (int i = 0; i < ALL; i++) {
		if (done[i])
			continue;
		for (flag = 0; !flag;)
			MPI_Request_get_status(request[i], &flag, &status);
		CHECK(request[i] != MPI_REQUEST_NULL);
		if (i < 2 * PAIRS && i % 2 == 0) {
			STATUS(&status, peer, i / 2, sizes[i / 2]);
			GOT(&in[i / 2], sizes[i / 2], peer, i / 2, sequence);
		}
		MPI_Request_get_status(request[i], &flag, MPI_STATUS_IGNORE);
		CHECK(flag);
		MPI_Wait(&request[i], &again);
		completed(i, &again);
	}
}

static void freed_requests(void)
{
	struct t_buf to = t_new(MOST, 0), from = t_new(MOST, 0);
	MPI_Request r;

	for (int round = 0; round < 3; round++) {
		if (t_rank == 1) {
			t_poison(&to);
			MPI_Irecv(to.at, MOST, MPI_BYTE, 0, 20, MPI_COMM_WORLD, &r);
			MPI_Request_free(&r);
			CHECK(r == MPI_REQUEST_NULL);
			t_token_send(0);
			MPI_Recv(NULL, 0, MPI_BYTE, 0, 21, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
			while (to.at[MOST - 1] == (char)T_POISON && t_wrong(to.at, MOST, 0, 20, round) >= 0) {
				int flag;	/* any call makes progress */
				MPI_Iprobe(0, 999, MPI_COMM_WORLD, &flag, MPI_STATUS_IGNORE);
			}
			GOT(&to, MOST, 0, 20, round);
			MPI_Send(NULL, 0, MPI_BYTE, 0, 22, MPI_COMM_WORLD);
		} else {
			t_token_recv(1);
			t_fill(from.at, MOST, 0, 20, round);
			MPI_Isend(from.at, MOST, MPI_BYTE, 1, 20, MPI_COMM_WORLD, &r);
			MPI_Request_free(&r);
			CHECK(r == MPI_REQUEST_NULL);
			MPI_Send(NULL, 0, MPI_BYTE, 1, 21, MPI_COMM_WORLD);
			MPI_Recv(NULL, 0, MPI_BYTE, 1, 22, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		}
	}
	t_free(&to);
	t_free(&from);
}

/* Cancelled, so the next message goes to the next receive (MPI 3.1, 3.8.4). */
static void cancelled(void)
{
	struct t_buf never = t_new(MOST, 0), to = t_new(MOST, 0);
	MPI_Request r[2];
	MPI_Status status[2];
	int flag = 0;

	if (t_rank == 1) {
		MPI_Irecv(never.at, MOST, MPI_BYTE, 0, 30, MPI_COMM_WORLD, &r[0]);
		MPI_Irecv(to.at, MOST, MPI_BYTE, 0, 30, MPI_COMM_WORLD, &r[1]);
		MPI_Cancel(&r[0]);
		MPI_Wait(&r[0], &status[0]);
		MPI_Test_cancelled(&status[0], &flag);
		CHECK(flag);
		t_token_send(0);
		MPI_Wait(&r[1], &status[1]);
		STATUS(&status[1], 0, 30, MOST);
		GOT(&to, MOST, 0, 30, 0);
		UNTOUCHED(never.at, never.bytes);
	} else {
		t_token_recv(1);
		t_fill(to.at, MOST, 0, 30, 0);
		MPI_Send(to.at, MOST, MPI_BYTE, 1, 30, MPI_COMM_WORLD);
	}
	t_free(&never);
	t_free(&to);
}

/* A one-copy send whose cancellation is asked completes; if not cancelled, its message arrives. */
static void cancelled_send(void)
{
	struct t_buf buf = t_new(MOST, 0);
	MPI_Request r;
	MPI_Status status;
	int flag = 0;

	if (t_rank == 0) {
		t_fill(buf.at, MOST, 0, 31, 0);
		MPI_Isend(buf.at, MOST, MPI_BYTE, 1, 31, MPI_COMM_WORLD, &r);
		MPI_Cancel(&r);
		MPI_Wait(&r, &status);
		MPI_Test_cancelled(&status, &flag);
		MPI_Send(&flag, 1, MPI_INT, 1, 32, MPI_COMM_WORLD);
	} else {
		MPI_Recv(&flag, 1, MPI_INT, 0, 32, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		if (!flag) {
			MPI_Recv(buf.at, MOST, MPI_BYTE, 0, 31, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
			GOT(&buf, MOST, 0, 31, 0);
		}
	}
	t_free(&buf);
}

int main(int argc, char **argv)
{
	char never[100];

	t_begin(&argc, &argv, 15);
	peer = 1 - t_rank;
	by_mpi_alone = getenv("VMONECOPY") && !strcmp(getenv("VMONECOPY"), "0");
	for (int i = 0; i < PAIRS; i++) {
		in[i] = t_new(MOST, (size_t)i * 500);
		out[i] = t_new(MOST, (size_t)i * 900);
	}
	MPI_Recv_init(never, 100, MPI_BYTE, peer, 99, MPI_COMM_WORLD, &request[INACTIVE]);
	MPI_Request inactive = request[INACTIVE];
	for (int round = 0; round < 40; round++) {
		start(round % 3);
		switch (round % 10) {
		case 0: by_wait(); break;
		case 1: by_test(); break;
		case 2: by_all(false, false); break;
		case 3: by_all(true, false); break;
		case 4: by_any(false); break;
		case 5: by_any(true); break;
		case 6: by_some(false, round % 20 == 6); break;
		case 7: by_some(true, round % 20 == 7); break;
		case 8: by_get_status(); break;
		default: by_all(round % 20 == 9, true);
		}
		CHECK(request[INACTIVE] == inactive);
	}
	MPI_Request_free(&request[INACTIVE]);
	freed_requests();
	cancelled();
	t_sync();
	cancelled_send();
	return t_end();
}
