/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A large message of a datatype that is not committed is an error of the call on its own communicator, with its
 * error handler, as without the library; committed, the same type goes (MPI 3.1, 4.1.9, 8.3).
 *
 * RUN: np=2 expect="(onecopy|staged)_bytes [1-9]"
 */
#include "t.h"

#define N 100000

int main(int argc, char **argv)
{
	static char buf[N];
	MPI_Datatype type;
	MPI_Status status;
	MPI_Comm comm;

	t_begin(&argc, &argv, 20);
	MPI_Comm_dup(MPI_COMM_WORLD, &comm);
	MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
	MPI_Type_contiguous(N, MPI_BYTE, &type);
	if (t_rank == 0)
		CHECK_CLASS(MPI_Send(buf, 1, type, 1, 3, comm), MPI_ERR_TYPE);
	MPI_Type_commit(&type);
	if (t_rank == 0) {
		t_fill(buf, N, 0, 3, 0);
		CHECK_EQ(MPI_Send(buf, 1, type, 1, 3, comm), MPI_SUCCESS);
	} else if (t_rank == 1) {
		CHECK_EQ(MPI_Recv(buf, 1, type, 0, 3, comm, &status), MPI_SUCCESS);
		VERIFY(buf, N, 0, 3, 0);
	}
	MPI_Type_free(&type);
	MPI_Comm_free(&comm);
	return t_end();
}
