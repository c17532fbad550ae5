/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls of MPI 4.0: large-count twins (_c), MPI_Isendrecv and its like, partitioned communication. Each send goes
 * as its older twin does, each receive takes what comes; also one whose count is more than an int can say.
 *
 * RUN: np=2 mpi=mpich VMONECOPY=0
 * RUN: np=2 mpi=mpich expect="(onecopy|staged)_bytes [1-9]" expect="fell_through.partitioned 6 messages" expect="MPI_Issend_c 6\b" expect="MPI_Psend_init 3\b"
 * RUN: np=2 mpi=mpich expect="MPI_Ssend_c 6\b" expect="MPI_Rsend_c 6\b" expect="MPI_Irsend_c 6\b" expect="fell_through.buffered_mode 18 messages"
 * RUN: np=2 mpi=mpich VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0
 * RUN: np=2 mpi=mpich VMONECOPY_THRESHOLD=64
 * RUN: np=2 mpi=mpich VMONECOPY_MAP_BUDGET=0 VMONECOPY_GRANT_COPY=0 expect="refusals [1-9]"
 */
#include "t.h"

#include <sys/mman.h>

#if MPI_VERSION < 4

int main(void)
{
	puts("SKIP: this MPI is older than MPI 4");
	return 77;
}

#else

#define N 100000

static MPI_Comm comm;
static struct t_buf out, in;

enum send { SEND, SSEND, RSEND, BSEND, ISEND, ISSEND, IRSEND, IBSEND, INIT, SINIT, RINIT, BINIT, SENDS };

static bool ready(enum send how)
{
	return how == RSEND || how == IRSEND || how == RINIT;
}

static void persistent(enum send how)
{
	MPI_Request request;
	__typeof__(&MPI_Send_init_c) init = how == SINIT ? MPI_Ssend_init_c : how == RINIT ? MPI_Rsend_init_c
	                                  : how == BINIT ? MPI_Bsend_init_c : MPI_Send_init_c;

	init(out.at, N, MPI_BYTE, 1, how, comm, &request);
	MPI_Start(&request);
	MPI_Wait(&request, MPI_STATUS_IGNORE);
	MPI_Request_free(&request);
}

static void send(enum send how)
{
	MPI_Request request = MPI_REQUEST_NULL;

	t_fill(out.at, N, 0, how, 0);
	if (ready(how))
		t_token_recv(1);
	switch (how) {
	case SEND: MPI_Send_c(out.at, N, MPI_BYTE, 1, how, comm); break;
	case SSEND: MPI_Ssend_c(out.at, N, MPI_BYTE, 1, how, comm); break;
	case RSEND: MPI_Rsend_c(out.at, N, MPI_BYTE, 1, how, comm); break;
	case BSEND: MPI_Bsend_c(out.at, N, MPI_BYTE, 1, how, comm); break;
	case ISEND: MPI_Isend_c(out.at, N, MPI_BYTE, 1, how, comm, &request); break;
	case ISSEND: MPI_Issend_c(out.at, N, MPI_BYTE, 1, how, comm, &request); break;
	case IRSEND: MPI_Irsend_c(out.at, N, MPI_BYTE, 1, how, comm, &request); break;
	case IBSEND: MPI_Ibsend_c(out.at, N, MPI_BYTE, 1, how, comm, &request); break;
	default: persistent(how);
	}
	MPI_Wait(&request, MPI_STATUS_IGNORE);
}

enum receive { RECV, IRECV, RECV_INIT, MRECV, IMRECV, RECEIVES };

/* Complete, or the request is. */
static MPI_Request receive(enum receive how, int tag, MPI_Status *status)
{
	MPI_Request request = MPI_REQUEST_NULL;
	MPI_Message message;

	switch (how) {
	case RECV:
		MPI_Recv_c(in.at, N, MPI_BYTE, 0, tag, comm, status);
		break;
	case IRECV:
		MPI_Irecv_c(in.at, N, MPI_BYTE, 0, tag, comm, &request);
		break;
	case RECV_INIT:
		MPI_Recv_init_c(in.at, N, MPI_BYTE, 0, tag, comm, &request);
		MPI_Start(&request);
		break;
	case MRECV:
		MPI_Mprobe(0, tag, comm, &message, status);
		STATUS(status, 0, tag, N);
		MPI_Mrecv_c(in.at, N, MPI_BYTE, &message, status);
		break;
	default:
		MPI_Mprobe(0, tag, comm, &message, status);
		MPI_Imrecv_c(in.at, N, MPI_BYTE, &message, &request);
	}
	return request;
}

static void one(enum send how, enum receive as)
{
	MPI_Request request;
	MPI_Status status;

	if (t_rank == 0) {
		send(how);
		return;
	}
	t_poison(&in);
	if (ready(how))		/* posted before the send */
		as = as == RECV_INIT ? RECV_INIT : IRECV;
	request = receive(as, how, &status);
	if (ready(how))
		t_token_send(0);
	if (request != MPI_REQUEST_NULL)
		MPI_Wait(&request, &status);
	STATUS(&status, 0, how, N);
	GOT(&in, N, 0, how, 0);
	if (request != MPI_REQUEST_NULL)
		MPI_Request_free(&request);
}

/* MPICH 4.0.2 itself leaves the status of MPI_Isendrecv and its like unset. */
static bool native(void)
{
	const char *enable = getenv("VMONECOPY");

	return enable && !strcmp(enable, "0");
}

enum both { SENDRECV, SENDRECV_C, REPLACE, REPLACE_C, ISENDRECV, ISENDRECV_C, IREPLACE, IREPLACE_C, BOTHS };

static void both(enum both how, int round)
{
	int peer = 1 - t_rank, tag = 100 + how;
	bool replace = how == REPLACE || how == REPLACE_C || how == IREPLACE || how == IREPLACE_C;
	MPI_Request request = MPI_REQUEST_NULL;
	MPI_Status status;

	t_poison(&in);
	t_fill(replace ? in.at : out.at, N, t_rank, tag, round);
#define OUT out.at, N, MPI_BYTE, peer, tag
#define IN in.at, N, MPI_BYTE, peer, tag, comm
#define OUT_TAG(tag) out.at, N, MPI_BYTE, peer, tag
#define IN_TAG(tag) in.at, N, MPI_BYTE, peer, tag, comm
#define SAME in.at, N, MPI_BYTE, peer, tag, peer, tag, comm
	switch (how) {
	case SENDRECV: MPI_Sendrecv(OUT, IN, &status); break;
	case SENDRECV_C: MPI_Sendrecv_c(OUT, IN, &status); break;
	case REPLACE: MPI_Sendrecv_replace(SAME, &status); break;
	case REPLACE_C: MPI_Sendrecv_replace_c(SAME, &status); break;
	case ISENDRECV: MPI_Isendrecv(OUT, IN, &request); break;
	case ISENDRECV_C: MPI_Isendrecv_c(OUT, IN, &request); break;
	case IREPLACE: MPI_Isendrecv_replace(SAME, &request); break;
	default: MPI_Isendrecv_replace_c(SAME, &request);
	}
	if (how >= ISENDRECV)
		MPI_Wait(&request, &status);
	if (how < ISENDRECV || !native())
		STATUS(&status, peer, tag, N);
	GOT(&in, N, peer, tag, round);
}

/* Twice as many Isendrecv at once as wait in one array, some probed first, in a ring of two. */
static void many_isendrecv(int round)
{
	struct t_buf o[8], i[8];
	MPI_Request request[8];
	MPI_Status status[8];
	int peer = 1 - t_rank;

	for (int k = 0; k < 8; k++) {
		o[k] = t_new(N, 0);
		i[k] = t_new(N, (size_t)k * 8);
		t_fill(o[k].at, N, t_rank, 200 + k, round);
		if (k == 5)
			MPI_Probe(peer, 201, comm, MPI_STATUS_IGNORE);
		MPI_Isendrecv(o[k].at, N, MPI_BYTE, peer, 200 + k, i[k].at, N, MPI_BYTE, peer, k == 5 ? 201 : k == 1 ? 205 : 200 + k,
		              comm, &request[k]);
	}
	MPI_Waitall(8, request, status);
	for (int k = 0; k < 8; k++) {
		int tag = k == 5 ? 201 : k == 1 ? 205 : 200 + k;
		if (!native())
			STATUS(&status[k], peer, tag, N);
		GOT(&i[k], N, peer, tag, round);
		t_free(&o[k]);
		t_free(&i[k]);
	}
}

/* One side has one call for both halves, the other two: either may be one-copy alone. */
static void mixed(int round)
{
	MPI_Request request;
	MPI_Status status;
	int peer = 1 - t_rank, flag = 0, index, n;

	t_poison(&in);
	t_fill(out.at, N, t_rank, 250, round);
	if (t_rank == round % 2) {
		MPI_Isendrecv(OUT_TAG(250), IN_TAG(250), &request);
		switch (native() ? 0 : round % 5) {	/* MPICH itself cannot free this request */
		case 0: MPI_Wait(&request, &status); break;
		case 1: MPI_Waitany(1, &request, &index, &status); break;
		case 2: MPI_Waitsome(1, &request, &n, &index, &status); break;
		case 3:
			while (!flag)
				MPI_Test(&request, &flag, &status);
			break;
		default:
			while (!flag)
				MPI_Request_get_status(request, &flag, &status);
			MPI_Request_free(&request);
		}
		CHECK(request == MPI_REQUEST_NULL);
	} else {
		MPI_Recv(IN_TAG(250), &status);
		MPI_Send(OUT_TAG(250), comm);
	}
	if (t_rank != round % 2 || !native())
		STATUS(&status, peer, 250, N);
	GOT(&in, N, peer, 250, round);
}

/* MPI_PROC_NULL on either side; too short a receive. */
static void halves(int round)
{
	MPI_Request request;
	MPI_Status status;
	int peer = 1 - t_rank, count;

	if (native())
		return;
	t_poison(&in);
	t_fill(out.at, N, t_rank, 260, round);
	if (t_rank == 0)
		MPI_Isendrecv(OUT_TAG(260), in.at, N, MPI_BYTE, MPI_PROC_NULL, 3, comm, &request);
	else
		MPI_Isendrecv(out.at, N, MPI_BYTE, MPI_PROC_NULL, 3, IN_TAG(260), &request);
	MPI_Wait(&request, &status);
	MPI_Get_count(&status, MPI_BYTE, &count);
	CHECK_EQ(count, t_rank == 0 ? 0 : N);
	CHECK_EQ(status.MPI_SOURCE, t_rank == 0 ? MPI_PROC_NULL : peer);
	if (t_rank == 1)
		GOT(&in, N, peer, 260, round);
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
	MPI_Isendrecv(OUT_TAG(261), in.at, N / 2, MPI_BYTE, peer, 261, comm, &request);
	CHECK_CLASS(MPI_Wait(&request, &status), MPI_ERR_TRUNCATE);
	CHECK(request == MPI_REQUEST_NULL);
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_ARE_FATAL);
}

/* Two starts of one message in four partitions. */
static void partitioned(void)
{
	MPI_Request request;

	if (t_rank == 0)
		MPI_Psend_init(out.at, 4, N / 4, MPI_BYTE, 1, 7, comm, MPI_INFO_NULL, &request);
	else
		MPI_Precv_init(in.at, 4, N / 4, MPI_BYTE, 0, 7, comm, MPI_INFO_NULL, &request);
	for (int round = 0; round < 2; round++) {
		t_poison(&in);
		if (t_rank == 0)
			t_fill(out.at, N, 0, 7, round);
		MPI_Start(&request);
		for (int p = 3; t_rank == 0 && p >= 0; p--)
			MPI_Pready(p, request);
		MPI_Wait(&request, MPI_STATUS_IGNORE);
		if (t_rank == 1)
			GOT(&in, N, 0, 7, round);
	}
	MPI_Request_free(&request);
}

/* Room for more bytes than an int can count. */
static void huge_room(bool probed)
{
	MPI_Count room = 3000000000;
	MPI_Status status;
	MPI_Request request, sent[3];

	if (t_rank == 0) {
		t_fill(out.at, N, 0, 300, 0);
		for (int i = 0; i < 3; i++)
			MPI_Isend(out.at, N, MPI_BYTE, 1, 300 + i, comm, &sent[i]);
		MPI_Waitall(3, sent, MPI_STATUSES_IGNORE);
		MPI_Send(out.at, 40, MPI_BYTE, 1, 303, comm);
		return;
	}
	char *at = mmap(NULL, (size_t)room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(at != MAP_FAILED);
	if (probed)
		MPI_Probe(0, 302, comm, &status);
	MPI_Recv_c(at, room, MPI_BYTE, 0, 300, comm, &status);
	STATUS(&status, 0, 300, N);
	VERIFY(at, N, 0, 300, 0);
	MPI_Irecv_c(at, room, MPI_BYTE, 0, 301, comm, &request);
	MPI_Wait(&request, &status);
	STATUS(&status, 0, 301, N);
	VERIFY(at, N, 0, 300, 0);
	MPI_Recv_c(at, room, MPI_BYTE, 0, 302, comm, &status);
	VERIFY(at, N, 0, 300, 0);
	MPI_Recv_c(at, room, MPI_BYTE, 0, 303, comm, &status);
	STATUS(&status, 0, 303, 40);
	munmap(at, (size_t)room);
}

int main(int argc, char **argv)
{
	int bytes = 4 * (N + MPI_BSEND_OVERHEAD);
	char *attached = malloc((size_t)bytes);

	t_begin(&argc, &argv, 20);
	MPI_Comm_dup(MPI_COMM_WORLD, &comm);
	out = t_new(N, 0);
	in = t_new(N, 0);
	MPI_Buffer_attach(attached, bytes);
	for (int as = 0; as <= RECEIVES; as++) {
		for (int how = 0; how < SENDS; how++)
			one((enum send)how, (enum receive)(as % RECEIVES));
		for (int how = 0; how < BOTHS; how++)
			both((enum both)how, as);
		if (!native())
			many_isendrecv(as);
		mixed(as);
		halves(as);
		t_sync();
	}
	for (int i = 0; i < 3; i++)
		partitioned();
	huge_room(false);
	huge_room(true);
	MPI_Buffer_detach(&attached, &bytes);
	MPI_Comm_free(&comm);
	return t_end();
}
#endif
