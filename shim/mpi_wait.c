/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Completion. With nothing outstanding in the shim every call goes straight to MPI.
 *
 * Otherwise each wait is a loop: advance the sends that are waited for, ask MPI which requests are
 * complete, finish those that are receives (an RTS leads to a pull), do one round of other work.
 * Statuses are MPI's own, mended where a message was pulled.
 */
#include "mpi_shim.h"

#include <stdlib.h>
#include <string.h>

#define SMALL 32	/* arrays up to here need no malloc */

/* An array of requests while a call works on it. */
struct batch {
	int n;
	MPI_Request *request;		/* the user's */
	MPI_Request *key;		/* what they were before MPI set them to MPI_REQUEST_NULL */
	MPI_Status *status;		/* own, one each */
	int *index;
	int error;			/* of the first message that the shim pulled and that has one; to be raised on: */
	MPI_Comm error_comm;
	int error_index;
	bool raised;			/* MPI itself has raised one */
	struct vmo_op **op;		/* the receives among those that MPI completed */
	MPI_Request small_key[SMALL];
	MPI_Status small_status[SMALL];
	int small_index[SMALL];
	struct vmo_op *small_op[SMALL];
	void *large;
};

static bool batch_open(struct batch *b, int n, MPI_Request *request)
{
	b->n = n;
	b->request = request;
	b->key = b->small_key;
	b->status = b->small_status;
	b->index = b->small_index;
	b->op = b->small_op;
	b->large = NULL;
	b->error = MPI_SUCCESS;
	b->raised = false;
	if (n > SMALL) {
		b->large = malloc((size_t)n * (sizeof *b->key + sizeof *b->status + sizeof *b->index + sizeof *b->op));
		if (!b->large)
			return false;
		b->op = b->large;
		b->key = (MPI_Request *)(void *)(b->op + n);
		b->status = (MPI_Status *)(void *)(b->key + n);
		b->index = (int *)(void *)(b->status + n);
	}
	memcpy(b->key, request, (size_t)n * sizeof *request);
	return true;
}

static void batch_close(struct batch *b)
{
	free(b->large);
}

void vmo_status_copy(MPI_Status *to, const MPI_Status *from)
{
	int kept = to->MPI_ERROR;

	*to = *from;
	to->MPI_ERROR = kept;
}

void vmo_status_empty(MPI_Status *status)
{
	vmo_status_set(status, MPI_ANY_SOURCE, MPI_ANY_TAG, 0);
	shim.mpi.Status_set_cancelled(status, 0);
}

static MPI_Status *at(MPI_Status *statuses, int i)
{
	return statuses == MPI_STATUSES_IGNORE ? NULL : &statuses[i];
}

/*
 * Entry i is natively complete: its op, if it is a receive of the shim's. MPI may give its handle out again
 * as soon as the lock is let go of, so all ops of a round are claimed before the first is finished. Inside.
 */
static struct vmo_op *claim(struct batch *b, int i, int error)
{
	struct vmo_op *op = vmo_op_find(b->key[i]);

	if (!op || op->kind != VMO_OP_RECV || error == MPI_ERR_PENDING)
		return NULL;
	if (error == MPI_SUCCESS ? op->persistent && !op->started && !op->delivered
	                         : !op->persistent && b->request[i] == b->key[i])
		return NULL;	/* not active, or not complete */
	if (!op->persistent)
		vmo_op_untrack(op);
	return op;
}

static void note(struct batch *b, int i, MPI_Comm comm, int error)
{
	if (error == MPI_SUCCESS || (b->error != MPI_SUCCESS && b->error_index < i))
		return;
	b->error = error;
	b->error_comm = comm;
	b->error_index = i;
}

/* What the shim has to add to entry i. MPI error code; what MPI has not raised itself is noted. Inside. */
static int finish(struct batch *b, int i, struct vmo_op *op, int error, MPI_Status *status)
{
	if (!op)
		return error;
	if (error != MPI_SUCCESS) {	/* MPI itself truncated it, say */
		vmo_recv_failed(op);
		return error;
	}
	MPI_Comm comm = op->rx.comm;
	error = vmo_recv_complete(op, status);
	note(b, i, comm, error);
	return error;
}

/*
 * Finishes n claimed entries, index[k] or k of the array; their native errors stand in the statuses' MPI_ERROR, and so do the
 * results. Receives with a landing come last: a message pulled over a shared buffer must not meet an RTS
 * there that is not read yet. True: some error. Inside.
 */
static bool finish_all(struct batch *b, int n, const int *index)
{
	bool bad = false;

	for (int last = 0; last < 2; last++)
		for (int k = 0; k < n; k++) {
			if (last ? !b->op[k] : b->op[k] && b->op[k]->rx.landing)
				continue;
			int error = finish(b, index ? index[k] : k, b->op[k], b->status[k].MPI_ERROR, &b->status[k]);
			b->op[k] = NULL;
			b->status[k].MPI_ERROR = error;
			bad |= error != MPI_SUCCESS;
		}
	return bad;
}

/* Calls the user's error handler, once for a call, with no lock held. */
static void raise_noted(const struct batch *b, bool in_status)
{
	if (!b->raised)
		vmo_raise_completed(b->error_comm, b->error, in_status);
}

/* The sends among the array are waited for: their patience runs. Inside. */
static void advance_sends(struct batch *b)
{
	if (!shim.sends && !shim.pairs)
		return;
	for (int i = 0; i < b->n; i++) {
		struct vmo_op *op = vmo_op_find(b->key[i]);
		if (op)
			vmo_op_asked(op);
	}
}

/*
 * Persistent requests that are active though MPI holds them inactive: receives fed from a held message, which
 * are complete, and one-copy sends. The first complete one's number, or -1; *pending: a send is not. Inside.
 */
static int find_aside(struct batch *b, bool *pending)
{
	*pending = false;
	for (int i = 0; i < b->n; i++) {
		struct vmo_op *op = vmo_op_find(b->key[i]);
		if (op && (op->delivered || (op->aside && op->complete)))
			return i;
		*pending |= op && op->aside;
	}
	return -1;
}

static bool aside_pending(struct batch *b)
{
	for (int i = 0; i < b->n; i++) {
		struct vmo_op *op = vmo_op_find(b->key[i]);
		if (op && op->aside && !op->complete)
			return true;
	}
	return false;
}

/* A complete send of these becomes inactive; its status is empty. */
static void complete_aside(struct batch *b, int i)
{
	struct vmo_op *op = vmo_op_find(b->key[i]);

	if (op && op->aside && op->complete)
		op->aside = op->complete = false;
}

/* The one request is an active send of that kind. Inside. */
static bool single_aside(struct batch *b, int *flag)
{
	struct vmo_op *op = vmo_op_find(b->key[0]);

	if (!op || !op->aside)
		return false;
	*flag = op->complete;
	complete_aside(b, 0);
	vmo_status_empty(&b->status[0]);
	return true;
}

static int single(MPI_Request *request, bool waited, int *flag, MPI_Status *status, struct batch *b)
{
	vmo_enter();
	if (waited)
		advance_sends(b);
	int rc = MPI_SUCCESS;
	if (!single_aside(b, flag))
		rc = shim.mpi.Test(request, flag, &b->status[0]);
	if (*flag || rc != MPI_SUCCESS)
		rc = finish(b, 0, claim(b, 0, rc), rc, &b->status[0]);
	vmo_leave();
	if (*flag && status != MPI_STATUS_IGNORE)
		vmo_status_copy(status, &b->status[0]);
	return rc;
}

/* Until it is complete. Errors of MPI's own are raised, the shim's are noted. */
static int wait_single(MPI_Request *request, MPI_Status *status, struct batch *b)
{
	struct vmo_wait wait = VMO_WAIT_INIT;
	int flag = 0, rc;

	batch_open(b, 1, request);
	for (uint32_t turn = 1;; turn++) {
		rc = single(request, true, &flag, status, b);
		if (flag || rc != MPI_SUCCESS)
			return rc;
		if (turn % 4 == 0)
			vmo_mpi_progress(NULL);
		vmo_wait_turn(&wait);
	}
}

int vmo_wait_for(MPI_Comm comm, MPI_Request *request, MPI_Status *status)
{
	struct vmo_hush hush;
	struct batch b;

	vmo_hush(&hush);
	int rc = wait_single(request, status, &b);
	bool ours = b.error != MPI_SUCCESS;
	if (ours && !hush.on)
		return vmo_raise(comm, rc);
	return vmo_unhush(&hush, comm, rc);
}

bool vmo_test_half(MPI_Request *request, bool waited, MPI_Status *status, int *error)
{
	struct vmo_hush hush;
	struct batch b;
	int flag = 0;

	vmo_hush(&hush);
	batch_open(&b, 1, request);
	*error = single(request, waited, &flag, status, &b);
	vmo_unhush(&hush, MPI_COMM_NULL, MPI_SUCCESS);
	return flag || *error != MPI_SUCCESS;
}

int vmo_wait(MPI_Request *request, MPI_Status *status)
{
	struct batch b;

	if (vmo_idle())
		return shim.mpi.Wait(request, status);
	int rc = wait_single(request, status, &b);
	raise_noted(&b, false);
	return rc;
}

int vmo_Wait(MPI_Request *request, MPI_Status *status)
{
	vmo_count_call(Wait);
	return vmo_wait(request, status);
}

int vmo_Test(MPI_Request *request, int *flag, MPI_Status *status)
{
	struct batch b;

	vmo_count_call(Test);
	if (vmo_idle())
		return shim.mpi.Test(request, flag, status);
	batch_open(&b, 1, request);
	vmo_mpi_progress(NULL);
	int rc = single(request, true, flag, status, &b);
	raise_noted(&b, false);
	return rc;
}

/* Testsome's own report of one entry: an error in its status, or MPI_SUCCESS. */
static int reported(int rc, const MPI_Status *status)
{
	return rc == MPI_ERR_IN_STATUS ? status->MPI_ERROR : MPI_SUCCESS;
}

/*
 * Completes whatever is complete; statuses land in b->status[k] for b->index[k]. *got < 0: no active
 * request was there. Any error ends in b->status[k].MPI_ERROR and the result MPI_ERR_IN_STATUS.
 */
static int complete_some(struct batch *b, int *got)
{
	vmo_enter();
	advance_sends(b);
	bool pending;
	int aside = find_aside(b, &pending);
	int rc = MPI_SUCCESS;
	*got = 0;
	if (aside >= 0) {
		*got = 1;
		b->index[0] = aside;
		complete_aside(b, aside);
		vmo_status_empty(&b->status[0]);
	} else {
		rc = shim.mpi.Testsome(b->n, b->request, got, b->index, b->status);
		b->raised |= rc != MPI_SUCCESS;
		if (*got == MPI_UNDEFINED)
			*got = pending ? 0 : -1;
	}
	for (int k = 0; k < *got; k++) {
		b->status[k].MPI_ERROR = reported(rc, &b->status[k]);
		b->op[k] = claim(b, b->index[k], b->status[k].MPI_ERROR);
	}
	bool bad = finish_all(b, *got, b->index);
	vmo_leave();
	return bad ? MPI_ERR_IN_STATUS : rc == MPI_ERR_IN_STATUS ? MPI_SUCCESS : rc;
}

/* Statuses of entries that never were active are empty (MPI 3.1, 3.7.5). */
static void empty_all(int n, MPI_Status *statuses)
{
	MPI_Status empty;

	if (statuses == MPI_STATUSES_IGNORE)
		return;
	vmo_status_empty(&empty);
	for (int i = 0; i < n; i++)
		vmo_status_copy(&statuses[i], &empty);
}

/* MPI_ERROR fields mean something only with MPI_ERR_IN_STATUS: then in every status. */
static void put_errors(int n, MPI_Status *statuses, const char *bad, const int *error)
{
	for (int i = 0; statuses != MPI_STATUSES_IGNORE && i < n; i++)
		statuses[i].MPI_ERROR = bad[i] ? error[i] : MPI_SUCCESS;
}

struct failures {
	bool any;
	char *bad;
	int *error;
};

static void note_failures(struct failures *f, const struct batch *b, int got)
{
	if (!f->bad) {
		f->bad = calloc((size_t)b->n, sizeof *f->bad);
		f->error = calloc((size_t)b->n, sizeof *f->error);
	}
	for (int k = 0; f->bad && f->error && k < got; k++) {
		f->bad[b->index[k]] = b->status[k].MPI_ERROR != MPI_SUCCESS;
		f->error[b->index[k]] = b->status[k].MPI_ERROR;
	}
	f->any = true;
}

static int waitall(struct batch *b, MPI_Status *statuses)
{
	struct vmo_wait wait = VMO_WAIT_INIT;
	struct failures f = { 0 };
	int got, rc;

	empty_all(b->n, statuses);
	for (uint32_t turn = 1;; turn++) {
		rc = complete_some(b, &got);
		if (rc == MPI_ERR_IN_STATUS)
			note_failures(&f, b, got);
		else if (rc != MPI_SUCCESS || got < 0)
			break;
		for (int k = 0; k < got; k++)
			if (at(statuses, b->index[k]))
				vmo_status_copy(&statuses[b->index[k]], &b->status[k]);
		if (got == 0) {
			if (turn % 4 == 0)
				vmo_mpi_progress(NULL);
			vmo_wait_turn(&wait);
		}
	}
	if (f.any && f.bad && f.error)
		put_errors(b->n, statuses, f.bad, f.error);
	free(f.bad);
	free(f.error);
	return f.any ? MPI_ERR_IN_STATUS : rc;
}

int vmo_Waitall(int n, MPI_Request requests[], MPI_Status statuses[])
{
	struct batch b;

	vmo_count_call(Waitall);
	if (vmo_idle() || n <= 0 || !batch_open(&b, n, requests))
		return shim.mpi.Waitall(n, requests, statuses);
	struct vmo_hush hush;
	vmo_hush(&hush);
	int rc = waitall(&b, statuses);
	vmo_unhush(&hush, MPI_COMM_WORLD, rc);
	b.raised |= hush.on;
	raise_noted(&b, true);
	batch_close(&b);
	return rc;
}

/* All or nothing: MPI changes nothing until every request is complete. */
static int testall(struct batch *b, int *flag, MPI_Status *statuses)
{
	vmo_enter();
	advance_sends(b);
	if (aside_pending(b)) {
		vmo_leave();
		*flag = 0;
		return MPI_SUCCESS;
	}
	int rc = shim.mpi.Testall(b->n, b->request, flag, b->status);
	b->raised = rc != MPI_SUCCESS;
	int done = *flag || rc == MPI_ERR_IN_STATUS ? b->n : 0;
	for (int i = 0; i < done; i++) {
		b->status[i].MPI_ERROR = reported(rc, &b->status[i]);
		b->op[i] = claim(b, i, b->status[i].MPI_ERROR);
	}
	bool bad = finish_all(b, done, NULL);
	for (int i = 0; i < done; i++)
		complete_aside(b, i);
	vmo_leave();
	for (int i = 0; (*flag || bad) && i < b->n && at(statuses, i); i++) {
		vmo_status_copy(&statuses[i], &b->status[i]);
		if (bad)
			statuses[i].MPI_ERROR = b->status[i].MPI_ERROR;
	}
	return bad ? MPI_ERR_IN_STATUS : rc;
}

int vmo_Testall(int n, MPI_Request requests[], int *flag, MPI_Status statuses[])
{
	struct batch b;

	vmo_count_call(Testall);
	if (vmo_idle() || n <= 0 || !batch_open(&b, n, requests))
		return shim.mpi.Testall(n, requests, flag, statuses);
	vmo_mpi_progress(NULL);
	int rc = testall(&b, flag, statuses);
	raise_noted(&b, true);
	batch_close(&b);
	return rc;
}

static int any(struct batch *b, int *index, int *flag, MPI_Status *status)
{
	vmo_enter();
	advance_sends(b);
	bool pending;
	int aside = find_aside(b, &pending), rc = MPI_SUCCESS;
	*index = MPI_UNDEFINED;
	if (aside >= 0) {
		*flag = 1;
		*index = aside;
		complete_aside(b, aside);
		vmo_status_empty(&b->status[0]);
	} else {
		rc = shim.mpi.Testany(b->n, b->request, index, flag, &b->status[0]);
		if (*flag && *index == MPI_UNDEFINED && pending)
			*flag = 0;
	}
	if (*index >= 0 && *index < b->n && (*flag || rc != MPI_SUCCESS))
		rc = finish(b, *index, claim(b, *index, rc), rc, &b->status[0]);
	vmo_leave();
	if (*flag && status != MPI_STATUS_IGNORE)
		vmo_status_copy(status, &b->status[0]);
	return rc;
}

int vmo_Waitany(int n, MPI_Request requests[], int *index, MPI_Status *status)
{
	struct vmo_wait wait = VMO_WAIT_INIT;
	struct batch b;
	int flag = 0, rc;

	vmo_count_call(Waitany);
	if (vmo_idle() || n <= 0 || !batch_open(&b, n, requests))
		return shim.mpi.Waitany(n, requests, index, status);
	for (uint32_t turn = 1;; turn++) {
		rc = any(&b, index, &flag, status);
		if (flag || rc != MPI_SUCCESS)
			break;
		if (turn % 4 == 0)
			vmo_mpi_progress(NULL);
		vmo_wait_turn(&wait);
	}
	raise_noted(&b, false);
	batch_close(&b);
	return rc;
}

int vmo_Testany(int n, MPI_Request requests[], int *index, int *flag, MPI_Status *status)
{
	struct batch b;

	vmo_count_call(Testany);
	if (vmo_idle() || n <= 0 || !batch_open(&b, n, requests))
		return shim.mpi.Testany(n, requests, index, flag, status);
	vmo_mpi_progress(NULL);
	int rc = any(&b, index, flag, status);
	raise_noted(&b, false);
	batch_close(&b);
	return rc;
}

/* Hands one round's result to the user. */
static void give_some(const struct batch *b, int got, int rc, int *outcount, int *indices, MPI_Status *statuses)
{
	*outcount = got < 0 ? MPI_UNDEFINED : got;
	for (int k = 0; k < got; k++) {
		indices[k] = b->index[k];
		if (!at(statuses, k))
			continue;
		vmo_status_copy(&statuses[k], &b->status[k]);
		if (rc == MPI_ERR_IN_STATUS)
			statuses[k].MPI_ERROR = b->status[k].MPI_ERROR;
	}
}

int vmo_Waitsome(int n, MPI_Request requests[], int *outcount, int indices[], MPI_Status statuses[])
{
	struct vmo_wait wait = VMO_WAIT_INIT;
	struct batch b;
	int got, rc;

	vmo_count_call(Waitsome);
	if (vmo_idle() || n <= 0 || !batch_open(&b, n, requests))
		return shim.mpi.Waitsome(n, requests, outcount, indices, statuses);
	for (uint32_t turn = 1; (rc = complete_some(&b, &got)) == MPI_SUCCESS && got == 0; turn++) {
		if (turn % 4 == 0)
			vmo_mpi_progress(NULL);
		vmo_wait_turn(&wait);
	}
	give_some(&b, got, rc, outcount, indices, statuses);
	raise_noted(&b, true);
	batch_close(&b);
	return rc;
}

int vmo_Testsome(int n, MPI_Request requests[], int *outcount, int indices[], MPI_Status statuses[])
{
	struct batch b;
	int got;

	vmo_count_call(Testsome);
	if (vmo_idle() || n <= 0 || !batch_open(&b, n, requests))
		return shim.mpi.Testsome(n, requests, outcount, indices, statuses);
	vmo_mpi_progress(NULL);
	int rc = complete_some(&b, &got);
	give_some(&b, got, rc, outcount, indices, statuses);
	raise_noted(&b, true);
	batch_close(&b);
	return rc;
}
