/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * MPI_Isendrecv and MPI_Isendrecv_replace (MPI 4.0, 3.10): one request for both halves, completed by every
 * kind of call, with the receive's status, whether the other side uses the same call or plain sends and
 * receives; datatypes with gaps; MPI_PROC_NULL on either side; a receive that is too short; many at once.
 * Needs MPI 4: MPICH alone. MPICH's own (4.0.2) has a wrong status and breaks derived datatypes, so this looks
 * only at those that may bring a large message.
 *
 * RUN: np=2 mpi=mpich expect="(onecopy|staged)_bytes [1-9]"
 * RUN: np=3 mpi=mpich VMONECOPY_ADMISSION=1
 * RUN: np=2 mpi=mpich VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0
 * RUN: np=2 mpi=mpich VMONECOPY_THRESHOLD=64
 * RUN: np=2 mpi=mpich VMONECOPY_MAP_BUDGET=0 expect="grant_copy_bytes [1-9]"
 */
#include "t.h"

#if MPI_VERSION >= 4
#define MOST 200000
static const int sizes[] = { MOST, 100, 0, 16384, 64, 65537 };
#define SIZES 6

enum how { WAIT, TEST, WAITALL, WAITANY, TESTSOME, GET_STATUS, HOWS };

static int left, right;

static void complete(enum how how, MPI_Request *request, MPI_Status *status)
{
	int flag = 0, index = -1, got = 0;

	switch (how) {
	case TEST:
		while (!flag)
			MPI_Test(request, &flag, status);
		break;
	case WAITALL:
		MPI_Waitall(1, request, status);
		break;
	case WAITANY:
		MPI_Waitany(1, request, &index, status);
		CHECK_EQ(index, 0);
		break;
	case TESTSOME:
		while (!got)
			MPI_Testsome(1, request, &got, &index, status);
		CHECK_EQ(got, 1);
		break;
	case GET_STATUS:
		while (!flag)
			MPI_Request_get_status(*request, &flag, status);
		/* fall through */
	default:
		MPI_Wait(request, status);
	}
	CHECK(*request == MPI_REQUEST_NULL);
}

static void ring(enum how how, int sequence)
{
	int n = sizes[(t_rank + sequence) % SIZES], m = sizes[(left + sequence) % SIZES];
	struct t_buf out = t_new(MOST, 72), in = t_new(MOST, 1000);
	MPI_Request request;
	MPI_Status status;

	t_fill(out.at, (size_t)n, t_rank, 1, sequence);
	MPI_Isendrecv(out.at, n, MPI_BYTE, right, 1, in.at, MOST, MPI_BYTE, sequence % 3 ? left : MPI_ANY_SOURCE,
	              sequence % 2 ? 1 : MPI_ANY_TAG, MPI_COMM_WORLD, &request);
	complete(how, &request, &status);
	STATUS(&status, left, 1, m);
	GOT(&in, m, left, 1, sequence);
	VERIFY(out.at, n, t_rank, 1, sequence);
	t_sync();	/* the next one's wildcards */
	t_free(&out);
	t_free(&in);
}

static void ring_replace(enum how how, int sequence)
{
	int n = sizes[sequence % SIZES];
	struct t_buf buf = t_new(MOST, 40);
	MPI_Request request;
	MPI_Status status;

	t_fill(buf.at, (size_t)n, t_rank, 2, sequence);
	MPI_Isendrecv_replace(buf.at, n, MPI_BYTE, right, 2, left, 2, MPI_COMM_WORLD, &request);
	complete(how, &request, &status);
	if (n >= T_RTS_BYTES)
		STATUS(&status, left, 2, n);
	GOT(&buf, n, left, 2, sequence);
	t_free(&buf);
}

/* Every other byte of twice as many. */
static void gaps(int n, int sequence)
{
	char *data = calloc(1, (size_t)n + 1), *buf = malloc((size_t)n * 2 + 1);
	MPI_Datatype type;
	MPI_Request request;

	MPI_Type_vector(n, 1, 2, MPI_BYTE, &type);
	MPI_Type_commit(&type);
	memset(buf, T_POISON, (size_t)n * 2);
	t_fill(data, (size_t)n, t_rank, 3, sequence);
	for (int i = 0; i < n; i++)
		buf[2 * i] = data[i];
	MPI_Isendrecv_replace(buf, 1, type, right, 3, left, 3, MPI_COMM_WORLD, &request);
	MPI_Type_free(&type);
	MPI_Wait(&request, MPI_STATUS_IGNORE);
	for (int i = 0; i < n; i++) {
		data[i] = buf[2 * i];
		CHECK_EQ((unsigned char)buf[2 * i + 1], T_POISON);
	}
	VERIFY(data, n, left, 3, sequence);
	free(data);
	free(buf);
}

/* Rank 0 uses the combined call, rank 1 plain ones. */
static void against_plain(int n, int sequence)
{
	struct t_buf out = t_new(MOST, 8), in = t_new(MOST, 16);
	MPI_Request request;
	MPI_Status status;

	t_fill(out.at, (size_t)n, t_rank, 4, sequence);
	if (t_rank == 0) {
		MPI_Isendrecv(out.at, n, MPI_BYTE, 1, 4, in.at, MOST, MPI_BYTE, 1, 4, MPI_COMM_WORLD, &request);
		MPI_Wait(&request, &status);
		STATUS(&status, 1, 4, n);
		GOT(&in, n, 1, 4, sequence);
	} else if (t_rank == 1) {
		MPI_Irecv(in.at, MOST, MPI_BYTE, 0, 4, MPI_COMM_WORLD, &request);
		MPI_Send(out.at, n, MPI_BYTE, 0, 4, MPI_COMM_WORLD);
		MPI_Wait(&request, &status);
		STATUS(&status, 0, 4, n);
		GOT(&in, n, 0, 4, sequence);
	}
	t_free(&out);
	t_free(&in);
}

/* A shift without wrap-around. */
static void shift(int sequence)
{
	int to = t_rank + 1 < t_size ? t_rank + 1 : MPI_PROC_NULL, from = t_rank ? t_rank - 1 : MPI_PROC_NULL;
	struct t_buf out = t_new(MOST, 0), in = t_new(MOST, 8);
	MPI_Request request;
	MPI_Status status;

	t_fill(out.at, MOST, t_rank, 5, sequence);
	MPI_Isendrecv(out.at, MOST, MPI_BYTE, to, 5, in.at, MOST, MPI_BYTE, from, 5, MPI_COMM_WORLD, &request);
	MPI_Wait(&request, &status);
	if (from == MPI_PROC_NULL) {
		STATUS(&status, MPI_PROC_NULL, MPI_ANY_TAG, 0);
		UNTOUCHED(in.at, in.bytes);
	} else {
		STATUS(&status, from, 5, MOST);
		GOT(&in, MOST, from, 5, sequence);
	}
	t_free(&out);
	t_free(&in);
}

static void too_short(void)
{
	struct t_buf out = t_new(MOST, 0), in = t_new(MOST / 2, 8);
	MPI_Request request;
	MPI_Comm comm;

	MPI_Comm_dup(MPI_COMM_WORLD, &comm);
	MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
	MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
	MPI_Isendrecv(out.at, MOST, MPI_BYTE, right, 6, in.at, MOST / 2, MPI_BYTE, left, 6, comm, &request);
	CHECK_CLASS(MPI_Wait(&request, MPI_STATUS_IGNORE), MPI_ERR_TRUNCATE);
	GUARDED(&in);
	MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_ARE_FATAL);
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_ARE_FATAL);
	MPI_Comm_free(&comm);
	t_free(&out);
	t_free(&in);
}

/* Several, completed in another order than begun, with a plain receive among them. */
static void many(int sequence)
{
	struct t_buf out[4], in[4];
	MPI_Request request[4];
	int index;

	for (int i = 0; i < 4; i++) {
		out[i] = t_new(MOST, (size_t)i), in[i] = t_new(MOST, 10 + (size_t)i);
		t_fill(out[i].at, (size_t)sizes[i], t_rank, 10 + i, sequence);
	}
	MPI_Irecv(in[3].at, MOST, MPI_BYTE, left, 13, MPI_COMM_WORLD, &request[3]);
	for (int i = 2; i >= 0; i--)
		MPI_Isendrecv(out[i].at, sizes[i], MPI_BYTE, right, 10 + i, in[i].at, MOST, MPI_BYTE, left, 10 + i,
		              MPI_COMM_WORLD, &request[i]);
	MPI_Send(out[3].at, sizes[3], MPI_BYTE, right, 13, MPI_COMM_WORLD);
	MPI_Waitany(4, request, &index, MPI_STATUS_IGNORE);
	MPI_Waitall(4, request, MPI_STATUSES_IGNORE);
	for (int i = 0; i < 4; i++) {
		GOT(&in[i], sizes[i], left, 10 + i, sequence);
		t_free(&out[i]);
		t_free(&in[i]);
	}
}

int main(int argc, char **argv)
{
	t_begin(&argc, &argv, 50);
	left = (t_rank + t_size - 1) % t_size;
	right = (t_rank + 1) % t_size;
	for (int s = 0; s < 3 * SIZES; s++) {
		ring((enum how)(s % HOWS), s);
		ring_replace((enum how)((s + 3) % HOWS), s);
		against_plain(sizes[s % SIZES], s);
		if (sizes[s % SIZES] >= T_RTS_BYTES)
			gaps(sizes[s % SIZES], s);
		many(s);
	}
	shift(1);
	too_short();
	return t_end();
}
#else
int main(int argc, char **argv)
{
	t_begin(&argc, &argv, 40);
	return t_end();
}
#endif
