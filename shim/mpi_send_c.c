/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * MPI 4: the large-count twins of the sends in other modes, and partitioned sends, which are MPI's own and counted
 * at each start like persistent ones.
 */
#include "mpi_shim.h"

#include <limits.h>

#if MPI_VERSION >= 4

/* Longer than one call of the int twin can say: MPI's, counted. */
static bool too_long(MPI_Count count, MPI_Datatype type, int dest, MPI_Comm comm)
{
	if (vmo_likely(count <= INT_MAX))
		return false;
	vmo_send_count_native(count, type, dest, comm, VMO_R_too_long);
	return true;
}

int vmo_Ssend_c(const void *buf, MPI_Count count, MPI_Datatype type, int dest, int tag, MPI_Comm comm)
{
	vmo_count_call(Ssend_c);
	return too_long(count, type, dest, comm) ? shim.mpi.Ssend_c(buf, count, type, dest, tag, comm)
	                                         : vmo_send(buf, count, type, dest, tag, comm, 'Y');
}

int vmo_Rsend_c(const void *buf, MPI_Count count, MPI_Datatype type, int dest, int tag, MPI_Comm comm)
{
	vmo_count_call(Rsend_c);
	return too_long(count, type, dest, comm) ? shim.mpi.Rsend_c(buf, count, type, dest, tag, comm)
	                                         : vmo_send(buf, count, type, dest, tag, comm, 'R');
}

int vmo_Issend_c(const void *buf, MPI_Count count, MPI_Datatype type, int dest, int tag, MPI_Comm comm,
                 MPI_Request *request)
{
	vmo_count_call(Issend_c);
	return too_long(count, type, dest, comm) ? shim.mpi.Issend_c(buf, count, type, dest, tag, comm, request)
	                                         : vmo_isend(buf, count, type, dest, tag, comm, 'Y', request);
}

int vmo_Irsend_c(const void *buf, MPI_Count count, MPI_Datatype type, int dest, int tag, MPI_Comm comm,
                 MPI_Request *request)
{
	vmo_count_call(Irsend_c);
	return too_long(count, type, dest, comm) ? shim.mpi.Irsend_c(buf, count, type, dest, tag, comm, request)
	                                         : vmo_isend(buf, count, type, dest, tag, comm, 'R', request);
}

int vmo_Bsend_c(const void *buf, MPI_Count count, MPI_Datatype type, int dest, int tag, MPI_Comm comm)
{
	vmo_count_call(Bsend_c);
	vmo_send_count_native(count, type, dest, comm, VMO_R_buffered_mode);
	return shim.mpi.Bsend_c(buf, count, type, dest, tag, comm);
}

int vmo_Ibsend_c(const void *buf, MPI_Count count, MPI_Datatype type, int dest, int tag, MPI_Comm comm,
                 MPI_Request *request)
{
	vmo_count_call(Ibsend_c);
	vmo_send_count_native(count, type, dest, comm, VMO_R_buffered_mode);
	return shim.mpi.Ibsend_c(buf, count, type, dest, tag, comm, request);
}

/* All partitions are one message. */
static void count_starts(MPI_Count count, MPI_Datatype type, int dest, MPI_Comm comm, MPI_Request request)
{
	enum vmo_reason reason = VMO_R_partitioned;
	struct vmo_op *op;
	MPI_Count bytes;

	if (!vmo_send_is_large(count, type, dest, comm, &reason, &bytes) || !(op = vmo_op_new(VMO_OP_PERSISTENT_SEND)))
		return;
	op->handle = request;
	op->persistent = true;
	op->bytes = bytes;
	op->reason = reason;
	vmo_enter();
	vmo_op_track(op);
	vmo_leave();
}

int vmo_Psend_init(const void *buf, int partitions, MPI_Count count, MPI_Datatype type, int dest, int tag,
                   MPI_Comm comm, MPI_Info info, MPI_Request *request)
{
	MPI_Count all;
	int rc = shim.mpi.Psend_init(buf, partitions, count, type, dest, tag, comm, info, request);

	vmo_count_call(Psend_init);
	if (rc == MPI_SUCCESS && !__builtin_mul_overflow(count, partitions, &all))
		count_starts(all, type, dest, comm, *request);
	return rc;
}
#endif
