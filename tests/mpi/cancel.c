/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * MPI_Cancel (MPI 3.1, 3.8.4): the request is then either cancelled, and nothing of the message is seen, or it
 * completes as ever; MPI_Wait after it returns whatever the other process does. MPI_Request_free on sends and
 * receives under way (3.7.3): they complete, and the buffer of the receive gets its message.
 *
 * RUN: np=2 VMONECOPY=0
 * RUN: np=2 expect="(onecopy|staged)_bytes [1-9]"
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=100000
 * RUN: np=2 VMONECOPY_THRESHOLD=64
 * RUN: np=2 VMONECOPY_MAP_BUDGET=0 VMONECOPY_GRANT_COPY=0 expect="refusals [1-9]"
 */
#include "t.h"

#define MOST 100000

static MPI_Comm comm;

static int was_cancelled(const MPI_Status *status)
{
	int flag = -1;

	MPI_Test_cancelled((MPI_Status *)(uintptr_t)status, &flag);
	return flag;
}

/* No sender: the receive is cancelled, and a later one of that tag gets the next message. */
static void receive_before(int n)
{
	struct t_buf buf = t_new(MOST, 0), other = t_new(MOST, 8);
	MPI_Request request;
	MPI_Status status;

	if (t_rank == 1) {
		MPI_Irecv(buf.at, MOST, MPI_BYTE, 0, 1, comm, &request);
		CHECK_EQ(MPI_Cancel(&request), MPI_SUCCESS);
		CHECK(request != MPI_REQUEST_NULL);
		CHECK_EQ(MPI_Wait(&request, &status), MPI_SUCCESS);
		CHECK(request == MPI_REQUEST_NULL);
		CHECK_EQ(was_cancelled(&status), 1);
		t_token_send(0);
		MPI_Recv(other.at, MOST, MPI_BYTE, 0, 1, comm, &status);
		STATUS(&status, 0, 1, n);
		GOT(&other, n, 0, 1, n);
		UNTOUCHED(buf.at, buf.bytes);
	} else {
		t_token_recv(1);
		t_fill(buf.at, (size_t)n, 0, 1, n);
		MPI_Send(buf.at, n, MPI_BYTE, 1, 1, comm);
	}
	t_free(&buf);
	t_free(&other);
}

/* The message has come, as far as anybody can tell: it is cancelled or received. */
static void receive_after(int n, bool probed)
{
	struct t_buf buf = t_new(MOST, 0);
	MPI_Request request, send = MPI_REQUEST_NULL;
	MPI_Status status;
	int flag = 0;

	if (t_rank == 1) {
		if (probed) {
			MPI_Probe(0, 2, comm, &status);
			MPI_Irecv(buf.at, MOST, MPI_BYTE, 0, 2, comm, &request);
		} else {
			MPI_Irecv(buf.at, MOST, MPI_BYTE, 0, 2, comm, &request);
			t_token_send(0);
			t_token_recv(0);
			while (!flag)
				MPI_Request_get_status(request, &flag, &status);
		}
		MPI_Cancel(&request);
		MPI_Wait(&request, &status);
		if (was_cancelled(&status)) {
			UNTOUCHED(buf.at, buf.bytes);
			MPI_Recv(buf.at, MOST, MPI_BYTE, 0, 2, comm, &status);
		}
		STATUS(&status, 0, 2, n);
		GOT(&buf, n, 0, 2, n);
	} else {
		if (!probed)
			t_token_recv(1);
		t_fill(buf.at, (size_t)n, 0, 2, n);
		MPI_Isend(buf.at, n, MPI_BYTE, 1, 2, comm, &send);
		if (!probed)
			t_token_send(1);
		MPI_Wait(&send, &status);
	}
	t_free(&buf);
}

/* A persistent receive, whose message a probe has taken in, or has not. */
static void persistent(int n, bool probed)
{
	struct t_buf buf = t_new(MOST, 0);
	MPI_Request request;
	MPI_Status status;

	if (t_rank == 1) {
		MPI_Recv_init(buf.at, MOST, MPI_BYTE, 0, 3, comm, &request);
		if (probed)
			MPI_Probe(0, 3, comm, &status);
		MPI_Start(&request);
		CHECK_EQ(MPI_Cancel(&request), MPI_SUCCESS);
		CHECK_EQ(MPI_Wait(&request, &status), MPI_SUCCESS);
		if (was_cancelled(&status)) {
			UNTOUCHED(buf.at, buf.bytes);
			MPI_Start(&request);
			MPI_Wait(&request, &status);
		}
		STATUS(&status, 0, 3, n);
		GOT(&buf, n, 0, 3, n);
		MPI_Request_free(&request);
	} else {
		t_fill(buf.at, (size_t)n, 0, 3, n);
		MPI_Send(buf.at, n, MPI_BYTE, 1, 3, comm);
	}
	t_free(&buf);
}

/*
 * A send that nobody has received: MPI_Wait after MPI_Cancel is local. Rank 1 receives what comes: the message,
 * unless it was cancelled, and a last one.
 */
static void send_unreceived(int n)
{
	struct t_buf buf = t_new(MOST, 0);
	MPI_Request request;
	MPI_Status status;
	int cancelled = -1;

	if (t_rank == 0) {
		t_fill(buf.at, (size_t)n, 0, 4, n);
		MPI_Isend(buf.at, n, MPI_BYTE, 1, 4, comm, &request);
		MPI_Cancel(&request);
		MPI_Wait(&request, &status);
		cancelled = was_cancelled(&status);
		t_fill(buf.at, 10, 0, 4, 7);
		t_token_send(1);
		MPI_Send(&cancelled, 1, MPI_INT, 1, 5, comm);
		MPI_Send(buf.at, 10, MPI_BYTE, 1, 4, comm);
	} else {
		t_token_recv(0);
		MPI_Recv(&cancelled, 1, MPI_INT, 0, 5, comm, MPI_STATUS_IGNORE);
		if (!cancelled) {
			MPI_Recv(buf.at, MOST, MPI_BYTE, 0, 4, comm, &status);
			STATUS(&status, 0, 4, n);
			GOT(&buf, n, 0, 4, n);
			t_poison(&buf);
		}
		MPI_Recv(buf.at, MOST, MPI_BYTE, 0, 4, comm, &status);
		STATUS(&status, 0, 4, 10);
		GOT(&buf, 10, 0, 4, 7);
	}
	t_free(&buf);
}

/* Both requests are freed under way. A token after the message says that it has come. */
static void freed(int n, bool receiver_late)
{
	struct t_buf buf = t_new(MOST, 0);
	MPI_Request request;

	if (t_rank == 0) {
		t_fill(buf.at, (size_t)n, 0, 6, n);
		MPI_Isend(buf.at, n, MPI_BYTE, 1, 6, comm, &request);
		MPI_Request_free(&request);
		CHECK(request == MPI_REQUEST_NULL);
		t_token_recv(1);	/* it has come: the buffer is free */
	} else {
		if (receiver_late)
			for (int i = 0; i < 100; i++)
				MPI_Iprobe(0, 99, comm, &(int){ 0 }, MPI_STATUS_IGNORE);
		MPI_Irecv(buf.at, MOST, MPI_BYTE, 0, 6, comm, &request);
		MPI_Request_free(&request);
		CHECK(request == MPI_REQUEST_NULL);
		while (t_wrong(buf.at, (size_t)n, 0, 6, n) >= 0)
			MPI_Iprobe(0, 99, comm, &(int){ 0 }, MPI_STATUS_IGNORE);
		GOT(&buf, n, 0, 6, n);
		t_token_send(0);
	}
	t_free(&buf);
}

/* Neither MPI itself can cancel a large send: MPI_Wait then waits for its receiver. */
static bool native(void)
{
	const char *enable = getenv("VMONECOPY");

	return enable && !strcmp(enable, "0");
}

int main(int argc, char **argv)
{
	static const int sizes[] = { MOST, 20000, 300 };

	t_begin(&argc, &argv, 20);
	MPI_Comm_dup(MPI_COMM_WORLD, &comm);
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < 3; i++) {
			receive_before(sizes[i]);
			receive_after(sizes[i], false);
			receive_after(sizes[i], true);
			persistent(sizes[i], false);
			persistent(sizes[i], true);
			freed(sizes[i], false);
			freed(sizes[i], true);
			if (!native() || sizes[i] < 1000)
				send_unreceived(sizes[i]);
		}
	MPI_Comm_free(&comm);
	return t_end();
}
