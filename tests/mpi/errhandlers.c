/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A message that is too long for its receive is an error that is raised once, on the communicator and with the code
 * that the MPI underneath raises it with (mpi_error.c has the table), whether the error handler is a function,
 * MPI_ERRORS_RETURN or MPI_ERRORS_ARE_FATAL (MPI 3.1, 8.3). A second message, on another communicator, is fine.
 *
 * RUN: np=2 VMONECOPY=0
 * RUN: np=2 expect="(onecopy|staged)_bytes [1-9]"
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0
 * RUN: np=2 VMONECOPY_THRESHOLD=64
 * RUN: np=2 VMONECOPY_MAP_BUDGET=0 VMONECOPY_GRANT_COPY=0 expect="refusals [1-9]"
 * RUN: np=2 args=fatal must-fail=1
 * RUN: np=2 args=fatal VMONECOPY=0 must-fail=1
 */
#include "t.h"

#define MOST 100000

enum how {
	RECV, SENDRECV, WAIT, TEST, WAITALL, WAITANY, TESTANY, WAITSOME, TESTSOME, TESTALL, BOTH_WAITALL, MRECV, IMRECV,
	PROBED_RECV, PROBED_IRECV, LOOKED_AT, HOWS
};

#ifdef MPICH
enum { COMPLETION_RAISES_ON_WORLD = 1 };
#else
enum { COMPLETION_RAISES_ON_WORLD = 0 };
#endif

static MPI_Comm bad, good;
static char bad_buf[MOST], good_buf[MOST], out[MOST];
static int calls, told_class;
static MPI_Comm told;

static void handler(MPI_Comm *comm, int *error, ...)
{
	calls++;
	told = *comm;
	MPI_Error_class(*error, &told_class);
}

static bool blocking(enum how how)
{
	return how == RECV || how == SENDRECV || how == PROBED_RECV;
}

static bool array(enum how how)
{
	return how == WAITALL || how == TESTALL || how == WAITSOME || how == TESTSOME || how == BOTH_WAITALL;
}

static bool posted_first(enum how how)
{
	return (how >= WAIT && how <= BOTH_WAITALL) || how == LOOKED_AT;
}

/* The error of the array's first entry, which is the message that is too long; statuses of the call. */
static int in_status(int rc, const MPI_Status *status)
{
	CHECK_CLASS(rc, MPI_ERR_IN_STATUS);
	return status[0].MPI_ERROR;
}

static int completed(enum how how, int n, MPI_Request *request, MPI_Status *status)
{
	int rc = MPI_SUCCESS, flag = 0, index = -1, got = 0, indices[2];

	switch (how) {
	case WAIT:
		return MPI_Wait(&request[0], &status[0]);
	case TEST:
		while (!flag && rc == MPI_SUCCESS)
			rc = MPI_Test(&request[0], &flag, &status[0]);
		return rc;
	case WAITANY:
		rc = MPI_Waitany(n, request, &index, &status[0]);
		CHECK_EQ(index, 0);
		return rc;
	case TESTANY:
		while (!flag && rc == MPI_SUCCESS)
			rc = MPI_Testany(n, request, &index, &flag, &status[0]);
		CHECK_EQ(index, 0);
		return rc;
	case WAITSOME:
		rc = MPI_Waitsome(n, request, &got, indices, status);
		break;
	case TESTSOME:
		while (!got && rc == MPI_SUCCESS)
			rc = MPI_Testsome(n, request, &got, indices, status);
		break;
	case TESTALL:
		while (!flag && rc == MPI_SUCCESS)
			rc = MPI_Testall(n, request, &flag, status);
		return in_status(rc, status);
	default:
		return in_status(MPI_Waitall(n, request, status), status);
	}
	CHECK_EQ(got, 1);
	CHECK_EQ(indices[0], 0);
	return in_status(rc, status);
}

static int received(enum how how, int n)
{
	MPI_Request request;
	MPI_Status status;
	MPI_Message message;

	switch (how) {
	case RECV:
		return MPI_Recv(bad_buf, n, MPI_BYTE, 0, how, bad, &status);
	case SENDRECV:
		return MPI_Sendrecv(NULL, 0, MPI_BYTE, 0, 999, bad_buf, n, MPI_BYTE, 0, how, bad, &status);
	case MRECV:
		MPI_Mprobe(0, how, bad, &message, &status);
		return MPI_Mrecv(bad_buf, n, MPI_BYTE, &message, &status);
	case IMRECV:
		MPI_Mprobe(0, how, bad, &message, &status);
		CHECK_EQ(MPI_Imrecv(bad_buf, n, MPI_BYTE, &message, &request), MPI_SUCCESS);
		return MPI_Wait(&request, &status);
	case PROBED_RECV:
		MPI_Probe(0, how, bad, &status);
		return MPI_Recv(bad_buf, n, MPI_BYTE, 0, how, bad, &status);
	default:
		MPI_Probe(0, how, bad, &status);
		CHECK_EQ(MPI_Irecv(bad_buf, n, MPI_BYTE, 0, how, bad, &request), MPI_SUCCESS);
		return MPI_Wait(&request, &status);
	}
}

/* MPI_Request_get_status first: on MPICH it raises the error as well. */
static void look(MPI_Request request)
{
	MPI_Status status;
	int flag = 0;

	while (!flag)
		MPI_Request_get_status(request, &flag, &status);
	calls = 0;
}

static void judge(enum how how, int n)
{
	bool world = COMPLETION_RAISES_ON_WORLD && !blocking(how);

	if (how == BOTH_WAITALL && !COMPLETION_RAISES_ON_WORLD && n < 16384)
		CHECK(calls == 1 || calls == 2);	/* two errors of MPI's own */
	else
		CHECK_EQ(calls, 1);
	if (how == BOTH_WAITALL && told == good)	/* that one is too long as well */
		told = bad;
	CHECK(told == (world ? MPI_COMM_WORLD : bad));
	CHECK_EQ(told_class, world && array(how) ? MPI_ERR_IN_STATUS : MPI_ERR_TRUNCATE);
}

static void receiver(enum how how, int n, bool good_first)
{
	MPI_Request request[2] = { MPI_REQUEST_NULL, MPI_REQUEST_NULL };
	MPI_Status status[2];
	bool first = good_first && how != WAITALL && how != TESTALL && how != BOTH_WAITALL;
	int rc;

	MPI_Irecv(good_buf, how == BOTH_WAITALL ? n / 2 : n, MPI_BYTE, 0, how, good, &request[1]);
	if (posted_first(how))
		MPI_Irecv(bad_buf, n / 2, MPI_BYTE, 0, how, bad, &request[0]);
	if (first || how == WAITANY || how == TESTANY || how == WAITSOME || how == TESTSOME)
		CHECK_EQ(MPI_Wait(&request[1], MPI_STATUS_IGNORE), MPI_SUCCESS);
	if (how == LOOKED_AT)
		look(request[0]);
	calls = 0;
	rc = posted_first(how) ? completed(how == LOOKED_AT ? WAIT : how, 2, request, status) : received(how, n / 2);
	CHECK_CLASS(rc, MPI_ERR_TRUNCATE);
	CHECK(request[0] == MPI_REQUEST_NULL);
	judge(how, n);
	if (how == BOTH_WAITALL && request[1] == MPI_REQUEST_NULL)
		CHECK_CLASS(status[1].MPI_ERROR, MPI_ERR_TRUNCATE);
	else if (request[1] != MPI_REQUEST_NULL)	/* MPICH stops at the first error: MPI_ERR_PENDING */
		rc = MPI_Wait(&request[1], &status[1]);
	if (how != BOTH_WAITALL)
		VERIFY(good_buf, (size_t)n, 0, how, n);
}

static void sender(enum how how, int n)
{
	MPI_Request request[2];

	t_fill(out, (size_t)n, 0, how, n);
	MPI_Isend(out, n, MPI_BYTE, 1, how, bad, &request[0]);
	MPI_Isend(out, n, MPI_BYTE, 1, how, good, &request[1]);
	if (how == SENDRECV)
		MPI_Recv(NULL, 0, MPI_BYTE, 1, 999, bad, MPI_STATUS_IGNORE);
	MPI_Waitall(2, request, MPI_STATUSES_IGNORE);
}

static void one_size(int n)
{
	for (int how = 0; how < HOWS; how++)
		for (int first = 0; first < 2; first++) {
			if (t_rank == 0)
				sender((enum how)how, n);
			else
				receiver((enum how)how, n, first);
			t_sync();
		}
}

/* MPI_ERRORS_RETURN on the communicator is enough for a blocking call, also while the shim follows another receive. */
static void returns(int n)
{
	MPI_Request request;

	MPI_Comm_set_errhandler(bad, MPI_ERRORS_RETURN);
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_ARE_FATAL);
	MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_ARE_FATAL);
	if (t_rank == 0) {
		MPI_Send(out, n, MPI_BYTE, 1, 1, bad);
		MPI_Send(out, n, MPI_BYTE, 1, 2, bad);
		MPI_Recv(NULL, 0, MPI_BYTE, 1, 3, bad, MPI_STATUS_IGNORE);
		MPI_Send(out, n, MPI_BYTE, 1, 4, bad);
	} else {
		MPI_Irecv(good_buf, MOST, MPI_BYTE, 0, 4, bad, &request);
		CHECK_CLASS(MPI_Recv(bad_buf, n / 2, MPI_BYTE, 0, 1, bad, MPI_STATUS_IGNORE), MPI_ERR_TRUNCATE);
		CHECK_CLASS(MPI_Sendrecv(NULL, 0, MPI_BYTE, 0, 3, bad_buf, n / 2, MPI_BYTE, 0, 2, bad, MPI_STATUS_IGNORE),
		            MPI_ERR_TRUNCATE);
		MPI_Wait(&request, MPI_STATUS_IGNORE);
	}
}

/* Must end the job. */
static void fatal(void)
{
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
	MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
	MPI_Comm_set_errhandler(bad, MPI_ERRORS_ARE_FATAL);
	if (t_rank == 0)
		MPI_Send(out, MOST, MPI_BYTE, 1, 1, bad);
	else
		MPI_Recv(bad_buf, MOST / 2, MPI_BYTE, 0, 1, bad, MPI_STATUS_IGNORE);
}

int main(int argc, char **argv)
{
	static const int sizes[] = { MOST, 20000, 200 };
	MPI_Errhandler function;

	t_begin(&argc, &argv, 20);
	MPI_Comm_dup(MPI_COMM_WORLD, &bad);
	MPI_Comm_dup(MPI_COMM_WORLD, &good);
	if (argc > 1) {
		fatal();
		return t_end();
	}
	MPI_Comm_create_errhandler(handler, &function);
	for (int i = 0; i < 3; i++) {
		MPI_Comm_set_errhandler(bad, function);
		MPI_Comm_set_errhandler(good, function);
		MPI_Comm_set_errhandler(MPI_COMM_WORLD, function);
		MPI_Comm_set_errhandler(MPI_COMM_SELF, function);
		one_size(sizes[i]);
		returns(sizes[i]);
	}
	MPI_Errhandler_free(&function);
	return t_end();
}
