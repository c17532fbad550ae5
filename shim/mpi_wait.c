/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Completion. With nothing outstanding in the shim every call goes straight to MPI.
 *
 * Otherwise each wait is a loop: advance the sends that are waited for, ask MPI which requests are
 * complete, finish those that are receives (an RTS leads to a pull), do one round of other work.
 * Statuses are MPI's own, mended where a message was pulled.
 */
#include "mpi_batch.h"


/* The one request is an active send of that kind. Inside. */
static bool single_aside(struct vmo_batch *b, int *flag)
{
	struct vmo_op *op = vmo_op_find(b->key[0]);

	if (!op || !op->aside)
		return false;
	*flag = op->complete;
	vmo_batch_complete_aside(b, 0);
	vmo_status_empty(&b->status[0]);
	return true;
}

static int single(MPI_Request *request, bool waited, int *flag, MPI_Status *status, struct vmo_batch *b)
{
	vmo_enter();
	if (waited)
		vmo_batch_advance(b);
	int rc = MPI_SUCCESS;
	if (!single_aside(b, flag))
		rc = shim.mpi.Test(request, flag, &b->status[0]);
	if (*flag || rc != MPI_SUCCESS)
		rc = vmo_batch_finish(b, 0, vmo_batch_claim(b, 0, rc), rc, &b->status[0]);
	vmo_leave();
	if (*flag && status != MPI_STATUS_IGNORE)
		vmo_status_copy(status, &b->status[0]);
	return rc;
}

/* Until it is complete. Errors of MPI's own are raised, the shim's are noted. */
static int wait_single(MPI_Request *request, MPI_Status *status, struct vmo_batch *b)
{
	struct vmo_wait wait = VMO_WAIT_INIT;
	int flag = 0, rc;

	vmo_batch_open(b, 1, request);
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
	struct vmo_batch b;

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
	struct vmo_batch b;
	int flag = 0;

	vmo_hush(&hush);
	vmo_batch_open(&b, 1, request);
	*error = single(request, waited, &flag, status, &b);
	vmo_unhush(&hush, MPI_COMM_NULL, MPI_SUCCESS);
	return flag || *error != MPI_SUCCESS;
}

/* Requests that MPI alone completes, unless they have been taken aside: then what came is looked at. */
static bool by_mpi(const struct vmo_op *op)
{
	return !op || (op->kind == VMO_OP_RECV && !op->delivered);
}

/* The request's op, if the shim must look at what comes. False: the long way. */
static bool single_calm(const MPI_Request *request, struct vmo_op **op)
{
	if (!vmo_calm() || shim.multiple)
		return false;
	*op = shim.handles ? vmo_op_find(*request) : NULL;
	return by_mpi(*op);
}

/* MPI has completed it, or met an error. key: what the request was. */
static int finish_calm(MPI_Request *request, MPI_Request key, struct vmo_op *op, int rc, MPI_Status *status)
{
	struct vmo_batch b;

	if (vmo_likely(rc == MPI_SUCCESS && !op->persistent)) {
		MPI_Comm comm = op->rx.comm;
		rc = vmo_recv_complete(op, status);
		if (vmo_unlikely(rc != MPI_SUCCESS))
			vmo_raise_completed(comm, rc, false);
		return rc;
	}
	vmo_batch_open(&b, 1, request);
	b.key[0] = key;
	rc = vmo_batch_finish(&b, 0, vmo_batch_claim(&b, 0, rc), rc, status);
	vmo_batch_raise(&b, false);
	return rc;
}

static int wait_calm(MPI_Request *request, MPI_Status *status, struct vmo_op *op)
{
	MPI_Status own, *st = status == MPI_STATUS_IGNORE ? &own : status;
	MPI_Request key = *request;
	int rc = shim.mpi.Wait(request, st);

	return finish_calm(request, key, op, rc, st);
}

static int test_calm(MPI_Request *request, int *flag, MPI_Status *status, struct vmo_op *op)
{
	MPI_Status own, *st = status == MPI_STATUS_IGNORE ? &own : status;
	MPI_Request key = *request;
	int rc = shim.mpi.Test(request, flag, st);

	return *flag || rc != MPI_SUCCESS ? finish_calm(request, key, op, rc, st) : rc;
}

int vmo_wait(MPI_Request *request, MPI_Status *status)
{
	struct vmo_batch b;
	struct vmo_op *op;

	if (vmo_likely(single_calm(request, &op)))
		return op ? wait_calm(request, status, op) : shim.mpi.Wait(request, status);
	if (vmo_idle())
		return shim.mpi.Wait(request, status);
	int rc = wait_single(request, status, &b);
	vmo_batch_raise(&b, false);
	return rc;
}

int vmo_Wait(MPI_Request *request, MPI_Status *status)
{
	vmo_count_call(Wait);
	return vmo_wait(request, status);
}

int vmo_Test(MPI_Request *request, int *flag, MPI_Status *status)
{
	struct vmo_batch b;
	struct vmo_op *op;

	vmo_count_call(Test);
	if (vmo_likely(single_calm(request, &op)))
		return op ? test_calm(request, flag, status, op) : shim.mpi.Test(request, flag, status);
	if (vmo_idle())
		return shim.mpi.Test(request, flag, status);
	vmo_batch_open(&b, 1, request);
	vmo_mpi_progress(NULL);
	int rc = single(request, true, flag, status, &b);
	vmo_batch_raise(&b, false);
	return rc;
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

/* MPI_ERROR fields mean something only with MPI_ERR_IN_STATUS: then in every status, from the first error on. */
static void put_errors(const struct vmo_batch *b, MPI_Status *statuses, bool first, int got)
{
	for (int i = 0; statuses != MPI_STATUSES_IGNORE && first && i < b->n; i++)
		statuses[i].MPI_ERROR = MPI_SUCCESS;
	for (int k = 0; statuses != MPI_STATUSES_IGNORE && k < got; k++)
		statuses[b->index[k]].MPI_ERROR = b->status[k].MPI_ERROR;
}

static int waitall(struct vmo_batch *b, MPI_Status *statuses)
{
	struct vmo_wait wait = VMO_WAIT_INIT;
	bool failed = false;
	int got, rc;

	empty_all(b->n, statuses);
	for (uint32_t turn = 1;; turn++) {
		rc = vmo_batch_some(b, &got);
		if (rc == MPI_ERR_IN_STATUS) {
			put_errors(b, statuses, !failed, got);
			failed = true;
		} else if (rc != MPI_SUCCESS || got < 0) {
			break;
		}
		for (int k = 0; k < got; k++)
			if (vmo_status_at(statuses, b->index[k]))
				vmo_status_copy(&statuses[b->index[k]], &b->status[k]);
		if (got == 0) {
			if (turn % 4 == 0)
				vmo_mpi_progress(NULL);
			vmo_wait_turn(&wait);
		}
	}
	return failed ? MPI_ERR_IN_STATUS : rc;
}

/* MPI has completed all, or has met errors: what the shim has to add. Inside. True: some error. */
static bool finish_array(struct vmo_batch *b, int rc, int done)
{
	b->raised = rc != MPI_SUCCESS;
	for (int i = 0; i < done; i++) {
		b->status[i].MPI_ERROR = vmo_batch_reported(rc, &b->status[i]);
		b->op[i] = vmo_batch_claim(b, i, b->status[i].MPI_ERROR);
	}
	bool bad = vmo_batch_finish_all(b, done, NULL);
	for (int i = 0; i < done; i++)
		vmo_batch_complete_aside(b, i);
	return bad;
}

/* The user's statuses; where there is an error, their MPI_ERROR too. */
static void give_array(const struct vmo_batch *b, bool bad, MPI_Status *statuses)
{
	for (int i = 0; i < b->n && vmo_status_at(statuses, i); i++) {
		vmo_status_copy(&statuses[i], &b->status[i]);
		if (bad)
			statuses[i].MPI_ERROR = b->status[i].MPI_ERROR;
	}
}

/* None needs progress, and all are MPI's to complete; finds their ops. */
static bool calm(struct vmo_batch *b)
{
	if (shim.multiple || !vmo_calm())
		return false;
	for (int i = 0; i < b->n; i++) {
		b->op[i] = vmo_op_find(b->key[i]);
		if (!by_mpi(b->op[i]))
			return false;
	}
	return true;
}

/* All are complete without an error. Claimed are all before the first is finished, and those with a landing come last. */
static bool finish_found(struct vmo_batch *b)
{
	for (int i = 0; i < b->n; i++) {
		b->status[i].MPI_ERROR = MPI_SUCCESS;
		if (b->op[i] && !b->op[i]->persistent)
			vmo_op_untrack(b->op[i]);
		else if (b->op[i] && !b->op[i]->started)
			b->op[i] = NULL;
	}
	return vmo_batch_finish_all(b, b->n, NULL);
}

static int waitall_calm(struct vmo_batch *b, MPI_Status *statuses)
{
	int rc = shim.mpi.Waitall(b->n, b->request, b->status);
	bool all = rc == MPI_SUCCESS || rc == MPI_ERR_IN_STATUS;
	bool bad = rc == MPI_SUCCESS ? finish_found(b) : finish_array(b, rc, all ? b->n : 0);

	if (all)
		give_array(b, bad, statuses);
	vmo_batch_raise(b, true);
	vmo_batch_close(b);
	return bad ? MPI_ERR_IN_STATUS : rc;
}

int vmo_Waitall(int n, MPI_Request requests[], MPI_Status statuses[])
{
	struct vmo_batch b;

	vmo_count_call(Waitall);
	if (vmo_idle() || n <= 0)
		return shim.mpi.Waitall(n, requests, statuses);
	if (!vmo_batch_open(&b, n, requests))
		return vmo_raise(MPI_COMM_WORLD, MPI_ERR_NO_MEM);	/* MPI alone would miss requests to send */
	if (calm(&b))
		return waitall_calm(&b, statuses);
	struct vmo_hush hush;
	vmo_hush(&hush);
	int rc = waitall(&b, statuses);
	vmo_unhush(&hush, MPI_COMM_WORLD, rc);
	b.raised |= hush.on;
	vmo_batch_raise(&b, true);
	vmo_batch_close(&b);
	return rc;
}

/* All or nothing: MPI changes nothing until every request is complete. */
static int testall(struct vmo_batch *b, int *flag, MPI_Status *statuses)
{
	vmo_enter();
	vmo_batch_advance(b);
	if (vmo_batch_pending(b)) {
		vmo_leave();
		*flag = 0;
		return MPI_SUCCESS;
	}
	int rc = shim.mpi.Testall(b->n, b->request, flag, b->status);
	bool bad = finish_array(b, rc, *flag || rc == MPI_ERR_IN_STATUS ? b->n : 0);
	vmo_leave();
	if (*flag || bad)
		give_array(b, bad, statuses);
	return bad ? MPI_ERR_IN_STATUS : rc;
}

int vmo_Testall(int n, MPI_Request requests[], int *flag, MPI_Status statuses[])
{
	struct vmo_batch b;

	vmo_count_call(Testall);
	if (vmo_idle() || n <= 0)
		return shim.mpi.Testall(n, requests, flag, statuses);
	if (!vmo_batch_open(&b, n, requests))
		return vmo_raise(MPI_COMM_WORLD, MPI_ERR_NO_MEM);	/* MPI alone would miss requests to send */
	vmo_mpi_progress(NULL);
	int rc = testall(&b, flag, statuses);
	vmo_batch_raise(&b, true);
	vmo_batch_close(&b);
	return rc;
}
