/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Completion of one or some of several requests; the others are in mpi_wait.c. */
#include "mpi_batch.h"

static int any(struct vmo_batch *b, int *index, int *flag, MPI_Status *status)
{
	vmo_enter();
	vmo_batch_advance(b);
	bool pending;
	int aside = vmo_batch_aside(b, &pending), rc = MPI_SUCCESS;
	*index = MPI_UNDEFINED;
	if (aside >= 0) {
		*flag = 1;
		*index = aside;
		vmo_batch_complete_aside(b, aside);
		vmo_status_empty(&b->status[0]);
	} else {
		rc = shim.mpi.Testany(b->n, b->request, index, flag, &b->status[0]);
		if (*flag && *index == MPI_UNDEFINED && pending)
			*flag = 0;
	}
	if (*index >= 0 && *index < b->n && (*flag || rc != MPI_SUCCESS))
		rc = vmo_batch_finish(b, *index, vmo_batch_claim(b, *index, rc), rc, &b->status[0]);
	vmo_leave();
	if (*flag && status != MPI_STATUS_IGNORE)
		vmo_status_copy(status, &b->status[0]);
	return rc;
}

int vmo_Waitany(int n, MPI_Request requests[], int *index, MPI_Status *status)
{
	struct vmo_wait wait = VMO_WAIT_INIT;
	struct vmo_batch b;
	int flag = 0, rc;

	vmo_count_call(Waitany);
	if (vmo_idle() || n <= 0)
		return shim.mpi.Waitany(n, requests, index, status);
	if (!vmo_batch_open(&b, n, requests))
		return vmo_raise(MPI_COMM_WORLD, MPI_ERR_NO_MEM);	/* MPI alone would miss requests to send */
	for (uint32_t turn = 1;; turn++) {
		rc = any(&b, index, &flag, status);
		if (flag || rc != MPI_SUCCESS)
			break;
		if (turn % 4 == 0)
			vmo_mpi_progress(NULL);
		vmo_wait_turn(&wait);
	}
	vmo_batch_raise(&b, false);
	vmo_batch_close(&b);
	return rc;
}

int vmo_Testany(int n, MPI_Request requests[], int *index, int *flag, MPI_Status *status)
{
	struct vmo_batch b;

	vmo_count_call(Testany);
	if (vmo_idle() || n <= 0)
		return shim.mpi.Testany(n, requests, index, flag, status);
	if (!vmo_batch_open(&b, n, requests))
		return vmo_raise(MPI_COMM_WORLD, MPI_ERR_NO_MEM);	/* MPI alone would miss requests to send */
	vmo_mpi_progress(NULL);
	int rc = any(&b, index, flag, status);
	vmo_batch_raise(&b, false);
	vmo_batch_close(&b);
	return rc;
}

/* Hands one round's result to the user. */
static void give_some(const struct vmo_batch *b, int got, int rc, int *outcount, int *indices, MPI_Status *statuses)
{
	*outcount = got < 0 ? MPI_UNDEFINED : got;
	for (int k = 0; k < got; k++) {
		indices[k] = b->index[k];
		if (!vmo_status_at(statuses, k))
			continue;
		vmo_status_copy(&statuses[k], &b->status[k]);
		if (rc == MPI_ERR_IN_STATUS)
			statuses[k].MPI_ERROR = b->status[k].MPI_ERROR;
	}
}

int vmo_Waitsome(int n, MPI_Request requests[], int *outcount, int indices[], MPI_Status statuses[])
{
	struct vmo_wait wait = VMO_WAIT_INIT;
	struct vmo_batch b;
	int got, rc;

	vmo_count_call(Waitsome);
	if (vmo_idle() || n <= 0)
		return shim.mpi.Waitsome(n, requests, outcount, indices, statuses);
	if (!vmo_batch_open(&b, n, requests))
		return vmo_raise(MPI_COMM_WORLD, MPI_ERR_NO_MEM);	/* MPI alone would miss requests to send */
	for (uint32_t turn = 1; (rc = vmo_batch_some(&b, &got)) == MPI_SUCCESS && got == 0; turn++) {
		if (turn % 4 == 0)
			vmo_mpi_progress(NULL);
		vmo_wait_turn(&wait);
	}
	give_some(&b, got, rc, outcount, indices, statuses);
	vmo_batch_raise(&b, true);
	vmo_batch_close(&b);
	return rc;
}

int vmo_Testsome(int n, MPI_Request requests[], int *outcount, int indices[], MPI_Status statuses[])
{
	struct vmo_batch b;
	int got;

	vmo_count_call(Testsome);
	if (vmo_idle() || n <= 0)
		return shim.mpi.Testsome(n, requests, outcount, indices, statuses);
	if (!vmo_batch_open(&b, n, requests))
		return vmo_raise(MPI_COMM_WORLD, MPI_ERR_NO_MEM);	/* MPI alone would miss requests to send */
	vmo_mpi_progress(NULL);
	int rc = vmo_batch_some(&b, &got);
	give_some(&b, got, rc, outcount, indices, statuses);
	vmo_batch_raise(&b, true);
	vmo_batch_close(&b);
	return rc;
}
