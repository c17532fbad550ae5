/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * On which communicator an error is raised, and that it is raised once.
 *
 * What the MPI underneath does is the norm (MPICH 4.0.2, Open MPI 4.1.4):
 *
 *                        MPICH                                Open MPI
 *   MPI_Recv, _Sendrecv  the call's communicator              the same
 *   MPI_Wait, _Mrecv...  MPI_COMM_WORLD                       the message's communicator
 *   MPI_Waitall, _some   MPI_COMM_WORLD, MPI_ERR_IN_STATUS    that of the first error, and its code
 *
 * MPI_Waitall completes by several MPI_Testsome; two errors that MPI itself finds may be raised twice on Open MPI.
 *
 * MPICH also raises an error each time that MPI_Request_get_status meets it. So MPI_COMM_WORLD is hushed there
 * while the shim looks at requests that nobody waits for, in MPI_Waitall, and while a blocking call that the
 * shim takes apart completes by MPI_Test; the latter two's error is then raised where it belongs. Not under MPI_THREAD_MULTIPLE,
 * where another thread's error would be lost: there such an error may be raised twice.
 */
#include "mpi_shim.h"

#ifdef MPICH
enum { COMPLETION_RAISES_ON_WORLD = 1 };
#else
enum { COMPLETION_RAISES_ON_WORLD = 0 };
#endif

void vmo_raise_completed(MPI_Comm comm, int error, bool in_status)
{
	if (error == MPI_SUCCESS)
		return;
	if (COMPLETION_RAISES_ON_WORLD)
		vmo_raise(MPI_COMM_WORLD, in_status ? MPI_ERR_IN_STATUS : error);
	else
		vmo_raise(comm, error);
}

void vmo_hush(struct vmo_hush *hush)
{
	hush->on = COMPLETION_RAISES_ON_WORLD && !shim.multiple &&
	           shim.mpi.Comm_get_errhandler(MPI_COMM_WORLD, &hush->was) == MPI_SUCCESS;
	if (hush->on)
		shim.mpi.Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
}

int vmo_unhush(struct vmo_hush *hush, MPI_Comm comm, int error)
{
	if (!hush->on)
		return error;
	shim.mpi.Comm_set_errhandler(MPI_COMM_WORLD, hush->was);
	shim.mpi.Errhandler_free(&hush->was);
	return vmo_raise(comm, error);
}
