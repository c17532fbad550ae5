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

int vmo_wait(MPI_Request *request, MPI_Status *status)
{
	struct vmo_batch b;

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

	vmo_count_call(Test);
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

int vmo_Waitall(int n, MPI_Request requests[], MPI_Status statuses[])
{
	struct vmo_batch b;

	vmo_count_call(Waitall);
	if (vmo_idle() || n <= 0)
		return shim.mpi.Waitall(n, requests, statuses);
	if (!vmo_batch_open(&b, n, requests))
		return vmo_raise(MPI_COMM_WORLD, MPI_ERR_NO_MEM);	/* MPI alone would miss requests to send */
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
	b->raised = rc != MPI_SUCCESS;
	int done = *flag || rc == MPI_ERR_IN_STATUS ? b->n : 0;
	for (int i = 0; i < done; i++) {
		b->status[i].MPI_ERROR = vmo_batch_reported(rc, &b->status[i]);
		b->op[i] = vmo_batch_claim(b, i, b->status[i].MPI_ERROR);
	}
	bool bad = vmo_batch_finish_all(b, done, NULL);
	for (int i = 0; i < done; i++)
		vmo_batch_complete_aside(b, i);
	vmo_leave();
	for (int i = 0; (*flag || bad) && i < b->n && vmo_status_at(statuses, i); i++) {
		vmo_status_copy(&statuses[i], &b->status[i]);
		if (bad)
			statuses[i].MPI_ERROR = b->status[i].MPI_ERROR;
	}
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
