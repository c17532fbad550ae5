/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Windows for one-sided access are MPI's alone. But with one, ranks of this VM may write into this process's memory while
 * it does something else (MPI_Put by cross-memory attach): no page may change under what is no message (substitute.h).
 * Not seen: MPI_Win_allocate_shared, whose memory is shared, and is never substituted.
 */
#include "mpi_shim.h"

static void expect_writes(void)
{
	if (shim.engine.subst)
		vmo_subst_windows(shim.engine.subst);
}

int vmo_Win_create(void *base, MPI_Aint size, int unit, MPI_Info info, MPI_Comm comm, MPI_Win *win)
{
	vmo_count_call(Win_create);
	expect_writes();
	return shim.mpi.Win_create(base, size, unit, info, comm, win);
}

int vmo_Win_create_dynamic(MPI_Info info, MPI_Comm comm, MPI_Win *win)
{
	vmo_count_call(Win_create_dynamic);
	expect_writes();
	return shim.mpi.Win_create_dynamic(info, comm, win);
}

int vmo_Win_allocate(MPI_Aint size, int unit, MPI_Info info, MPI_Comm comm, void *base, MPI_Win *win)
{
	vmo_count_call(Win_allocate);
	expect_writes();
	return shim.mpi.Win_allocate(size, unit, info, comm, base, win);
}

#if MPI_VERSION >= 4
int vmo_Win_create_c(void *base, MPI_Aint size, MPI_Aint unit, MPI_Info info, MPI_Comm comm, MPI_Win *win)
{
	vmo_count_call(Win_create_c);
	expect_writes();
	return shim.mpi.Win_create_c(base, size, unit, info, comm, win);
}

int vmo_Win_allocate_c(MPI_Aint size, MPI_Aint unit, MPI_Info info, MPI_Comm comm, void *base, MPI_Win *win)
{
	vmo_count_call(Win_allocate_c);
	expect_writes();
	return shim.mpi.Win_allocate_c(size, unit, info, comm, base, win);
}
#endif
