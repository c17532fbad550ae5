/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Probes and matched receives: a one-copy message shows its true size (mpi_held.c). */
#include "mpi_shim.h"

/* Hands the status that the shim worked with to the user, who may not want it. MPICH's probes leave a bit of it unset. */
static void give_status(MPI_Status *user, MPI_Status *own)
{
	shim.mpi.Status_set_cancelled(own, 0);
	if (user != MPI_STATUS_IGNORE)
		vmo_status_copy(user, own);
}

/* What a native probe found: held if need be, then shown. */
static int hand_over(MPI_Comm comm, MPI_Message *message, MPI_Status *own, MPI_Status *user)
{
	int rc = vmo_hold(comm, message, own);

	if (rc == MPI_SUCCESS)
		give_status(user, own);
	return vmo_raise(comm, rc);
}

static int iprobe_inside(int source, int tag, MPI_Comm comm, int *flag, MPI_Status *status)
{
	MPI_Status own;

	if (shim.held && vmo_held_peek(comm, source, tag, status)) {
		*flag = 1;
		return MPI_SUCCESS;
	}
	int rc = shim.mpi.Iprobe(source, tag, comm, flag, &own);
	if (rc != MPI_SUCCESS || !*flag)
		return rc;
	return hand_over(comm, NULL, &own, status);
}

static int iprobe(int source, int tag, MPI_Comm comm, int *flag, MPI_Status *status)
{
	vmo_probe_enter();
	int rc = iprobe_inside(source, tag, comm, flag, status);
	vmo_leave();
	return rc;
}

int vmo_Iprobe(int source, int tag, MPI_Comm comm, int *flag, MPI_Status *status)
{
	vmo_count_call(Iprobe);
	if (!shim.active)
		return shim.mpi.Iprobe(source, tag, comm, flag, status);
	if (!vmo_idle())
		vmo_mpi_progress(NULL);
	return iprobe(source, tag, comm, flag, status);
}

int vmo_Probe(int source, int tag, MPI_Comm comm, MPI_Status *status)
{
	struct vmo_wait wait = VMO_WAIT_INIT;
	int flag = 0, rc;

	vmo_count_call(Probe);
	if (!shim.active)
		return shim.mpi.Probe(source, tag, comm, status);
	while ((rc = iprobe(source, tag, comm, &flag, status)) == MPI_SUCCESS && !flag) {
		if (!vmo_idle())
			vmo_mpi_progress(NULL);
		vmo_wait_turn(&wait);
	}
	return rc;
}

static int improbe_inside(int source, int tag, MPI_Comm comm, int *flag, MPI_Message *message, MPI_Status *status)
{
	MPI_Status own;

	if (shim.held && vmo_held_match(comm, source, tag, message, status)) {
		*flag = 1;
		return MPI_SUCCESS;
	}
	int rc = shim.mpi.Improbe(source, tag, comm, flag, message, &own);
	if (rc != MPI_SUCCESS || !*flag)
		return rc;
	return hand_over(comm, message, &own, status);
}

static int improbe(int source, int tag, MPI_Comm comm, int *flag, MPI_Message *message, MPI_Status *status)
{
	vmo_probe_enter();
	int rc = improbe_inside(source, tag, comm, flag, message, status);
	vmo_leave();
	return rc;
}

int vmo_Improbe(int source, int tag, MPI_Comm comm, int *flag, MPI_Message *message, MPI_Status *status)
{
	vmo_count_call(Improbe);
	if (!shim.active)
		return shim.mpi.Improbe(source, tag, comm, flag, message, status);
	if (!vmo_idle())
		vmo_mpi_progress(NULL);
	return improbe(source, tag, comm, flag, message, status);
}

/* With nothing outstanding MPI's own blocking call is used: its nonblocking one has had errors. */
static int mprobe_blocking(int source, int tag, MPI_Comm comm, MPI_Message *message, MPI_Status *status)
{
	MPI_Status own;
	int rc = shim.mpi.Mprobe(source, tag, comm, message, &own);

	if (rc != MPI_SUCCESS)
		return rc;
	return hand_over(comm, message, &own, status);
}

int vmo_Mprobe(int source, int tag, MPI_Comm comm, MPI_Message *message, MPI_Status *status)
{
	struct vmo_wait wait = VMO_WAIT_INIT;
	int flag = 0, rc;

	vmo_count_call(Mprobe);
	if (!shim.active)
		return shim.mpi.Mprobe(source, tag, comm, message, status);
	if (vmo_idle() && !shim.held && !shim.multiple)
		return mprobe_blocking(source, tag, comm, message, status);
	while ((rc = improbe(source, tag, comm, &flag, message, status)) == MPI_SUCCESS && !flag) {
		vmo_mpi_progress(NULL);
		vmo_wait_turn(&wait);
	}
	return rc;
}

/* The held message behind this handle, or NULL: MPI's own. */
static struct vmo_held *take(MPI_Message *message)
{
	return shim.held ? vmo_held_take_message(message) : NULL;
}

int vmo_Mrecv(void *buf, int count, MPI_Datatype type, MPI_Message *message, MPI_Status *status)
{
	struct vmo_held *held = take(message);

	vmo_count_call(Mrecv);
	return held ? vmo_held_recv(held, buf, count, type, true, status)
	            : shim.mpi.Mrecv(buf, count, type, message, status);
}

int vmo_Imrecv(void *buf, int count, MPI_Datatype type, MPI_Message *message, MPI_Request *request)
{
	struct vmo_held *held = take(message);

	vmo_count_call(Imrecv);
	return held ? vmo_held_irecv(held, buf, count, type, request)
	            : shim.mpi.Imrecv(buf, count, type, message, request);
}

#if MPI_VERSION >= 4
int vmo_Mrecv_c(void *buf, MPI_Count count, MPI_Datatype type, MPI_Message *message, MPI_Status *status)
{
	struct vmo_held *held = take(message);

	vmo_count_call(Mrecv_c);
	return held ? vmo_held_recv(held, buf, count, type, true, status)
	            : shim.mpi.Mrecv_c(buf, count, type, message, status);
}

int vmo_Imrecv_c(void *buf, MPI_Count count, MPI_Datatype type, MPI_Message *message, MPI_Request *request)
{
	struct vmo_held *held = take(message);

	vmo_count_call(Imrecv_c);
	return held ? vmo_held_irecv(held, buf, count, type, request)
	            : shim.mpi.Imrecv_c(buf, count, type, message, request);
}
#endif
