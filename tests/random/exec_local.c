/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * exec_local.c: what a rank does between its steps by itself: asks after requests, probes for nothing, talks
 * to MPI_PROC_NULL, cancels receives that nothing can match, changes memory that no message uses, is late.
 */
#include <unistd.h>

#include "exec.h"
#include "quirks.h"

/* Tags that no message has. */
#define TAG_CANCELLED 31001
#define TAG_NEVER 31002

static void poke(struct exec *x)
{
	struct side *list[MOST_PENDING], *some[MOST_PENDING];
	int n = exec_pending(x, list, -1), k = 0;

	for (int i = 0; i < n; i++)
		if (!(list[i]->m && list[i]->m->truncated) && rnd_chance(&x->rnd, 70))
			some[k++] = list[i];
	exec_poke(x, some, k);
}

static void probe_nothing(struct exec *x)
{
	struct comm *c = comm_now((enum comm_id)rnd_below(&x->rnd, C_CART + 1));
	MPI_Message message = MPI_MESSAGE_NULL;
	int flag = 0, source = rnd_chance(&x->rnd, 50) ? MPI_ANY_SOURCE : 0;

	if (rnd_chance(&x->rnd, 50))
		DO(MPI_Iprobe(source, TAG_NEVER, c->handle, &flag, MPI_STATUS_IGNORE));
	else
		DO(MPI_Improbe(source, TAG_NEVER, c->handle, &flag, &message, MPI_STATUS_IGNORE));
	if (flag)
		fail("a probe found a message that nobody sent");
}

static void check_nobody(const MPI_Status *status)
{
	int count;

	ASK(MPI_Get_count(status, MPI_BYTE, &count));
	if (status->MPI_SOURCE != MPI_PROC_NULL || status->MPI_TAG != MPI_ANY_TAG || count)
		fail("the status of a receive from MPI_PROC_NULL says source %d, tag %d, %d bytes", status->MPI_SOURCE,
		     status->MPI_TAG, count);
}

static void nobody(struct exec *x)
{
	static char out[40000], in[40000];
	MPI_Comm comm = comm_now(C_DUP)->handle;
	MPI_Request request[2];
	MPI_Status status[2];
	MPI_Message message;
	int n = (int)rnd_below(&x->rnd, sizeof in), tag = (int)rnd_below(&x->rnd, 100);

	switch (rnd_below(&x->rnd, 5)) {
	case 0:
		DO(MPI_Send(out, n, MPI_BYTE, MPI_PROC_NULL, tag, comm));
		DO(MPI_Recv(in, n, MPI_BYTE, MPI_PROC_NULL, tag, comm, &status[1]));
		break;
	case 1:
		DO(MPI_Irecv(in, n, MPI_BYTE, MPI_PROC_NULL, tag, comm, &request[1]));
		DO(MPI_Isend(out, n, MPI_BYTE, MPI_PROC_NULL, tag, comm, &request[0]));
		DO(MPI_Waitall(2, request, status));
		if (QUIRK_PROC_NULL_STATUS)
			return;
		break;
	case 2:
		DO(MPI_Sendrecv(out, n, MPI_BYTE, MPI_PROC_NULL, tag, in, n, MPI_BYTE, MPI_PROC_NULL, tag, comm, &status[1]));
		break;
	case 3:
		DO(MPI_Probe(MPI_PROC_NULL, tag, comm, &status[1]));
		break;
	default:
		DO(MPI_Mprobe(MPI_PROC_NULL, tag, comm, &message, &status[1]));
		if (message != MPI_MESSAGE_NO_PROC)
			fail("MPI_Mprobe of MPI_PROC_NULL gave another message than MPI_MESSAGE_NO_PROC");
		DO(MPI_Mrecv(in, n, MPI_BYTE, &message, &status[1]));
	}
	check_nobody(&status[1]);
}

static void cancel(struct exec *x)
{
	bool persistent = rnd_chance(&x->rnd, 40);
	size_t n = (size_t)rnd_below(&x->rnd, 50000);
	MPI_Comm comm = comm_now(C_REVERSED)->handle;
	MPI_Request request;
	MPI_Status status;
	struct place p;
	int cancelled = 0, flag = 0;

	place_take(&p, &x->rnd, n + 1, 1, NULL);
	if (persistent) {
		DO(MPI_Recv_init(p.at, (int)n, MPI_BYTE, MPI_ANY_SOURCE, TAG_CANCELLED, comm, &request));
		DO(MPI_Start(&request));
	} else {
		DO(MPI_Irecv(p.at, (int)n, MPI_BYTE, 0, TAG_CANCELLED, comm, &request));
	}
	DO(MPI_Cancel(&request));
	if (rnd_chance(&x->rnd, 50))
		DO(MPI_Wait(&request, &status));
	else
		while (!flag)
			DO(MPI_Test(&request, &flag, &status));
	ASK(MPI_Test_cancelled(&status, &cancelled));
	if (!cancelled)
		fail("a receive that nothing can match was not cancelled");
	if (persistent)
		DO(MPI_Request_free(&request));
	place_give(&p);
}

void exec_local(struct exec *x, int step)
{
	long kind = rnd_below(&x->rnd, 100);

	if (kind < 25)
		poke(x);
	else if (kind < 29)
		probe_nothing(x);
	else if (kind < 32)
		nobody(x);
	else if (kind < 34)
		cancel(x);
	else if (kind < 39)
		place_stir(&x->rnd);
	else if (kind < 42)
		usleep((useconds_t)rnd_below(&x->rnd, 1500));
}
