/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The functions underneath, and what stands in the entries' slots. */
#include "mpi_shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>

struct vmo_shim shim;

/* In the order of calls.def: real function, wrapper. MPI 4 calls are NULL where mpi.h has none. */
#define NOWHERE { NULL, NULL }
struct slot_pair { void **real; void *wrapper; };
#undef X4
#if MPI_VERSION >= 4
#define X4(name) X(name)
#else
#define X4(name) NOWHERE,
#endif
static const struct slot_pair pairs[] = {
#define X(name) { (void **)&shim.mpi.name, (void *)vmo_##name },
#include "calls.def"
#undef X
};

static void *resolve(void *mpi, const char *name)
{
	char symbol[64] = "PMPI_";

	for (size_t i = 0; name[i] && i + 6 < sizeof symbol; i++)
		symbol[5 + i] = name[i];
	return dlsym(mpi, symbol);
}

static const struct { const char *name; void **to; } wanted[] = {
#undef X4
#if MPI_VERSION >= 4
#define X4(name) X(name)
#else
#define X4(name)
#endif
#define X(name) { #name, (void **)&shim.mpi.name },
#include "calls.def"
#include "uses.def"
#undef X
};

int vmo_real_load(const struct vmo_host *host)
{
	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
		*wanted[i].to = resolve(host->mpi, wanted[i].name);
		if (!*wanted[i].to) {
			vmo_error("INACTIVE: this MPI has no PMPI_%s; every call goes to MPI itself", wanted[i].name);
			return -ENOSYS;
		}
	}
	shim.host = *host;
	return host->calls == sizeof pairs / sizeof pairs[0] ? 0 : -EPROTO;
}

static void fill_slots(size_t first, bool wrappers)
{
	for (size_t i = first; i < sizeof pairs / sizeof pairs[0]; i++)
		if (pairs[i].real && *pairs[i].real)
			__atomic_store_n(&shim.host.slots[i], wrappers ? pairs[i].wrapper : *pairs[i].real,
			                 __ATOMIC_RELEASE);
}

void vmo_slots_fill(bool wrappers)
{
	fill_slots(0, wrappers);
}

void vmo_slots_collectives(void)
{
	fill_slots(VMO_CALL_FIRST_COLLECTIVE, true);
}

int vmo_real_irecv(void *buf, MPI_Count count, MPI_Datatype type, int source, int tag, MPI_Comm comm,
                   MPI_Request *request)
{
#if MPI_VERSION >= 4
	if (count > INT_MAX)
		return shim.mpi.Irecv_c(buf, count, type, source, tag, comm, request);
#endif
	return shim.mpi.Irecv(buf, (int)count, type, source, tag, comm, request);
}

int vmo_real_recv(void *buf, MPI_Count count, MPI_Datatype type, int source, int tag, MPI_Comm comm,
                  MPI_Status *status)
{
#if MPI_VERSION >= 4
	if (count > INT_MAX)
		return shim.mpi.Recv_c(buf, count, type, source, tag, comm, status);
#endif
	return shim.mpi.Recv(buf, (int)count, type, source, tag, comm, status);
}

int vmo_real_mrecv(void *buf, MPI_Count count, MPI_Datatype type, MPI_Message *message, MPI_Status *status)
{
#if MPI_VERSION >= 4
	if (count > INT_MAX)
		return shim.mpi.Mrecv_c(buf, count, type, message, status);
#endif
	return shim.mpi.Mrecv(buf, (int)count, type, message, status);
}

int vmo_real_imrecv(void *buf, MPI_Count count, MPI_Datatype type, MPI_Message *message, MPI_Request *request)
{
#if MPI_VERSION >= 4
	if (count > INT_MAX)
		return shim.mpi.Imrecv_c(buf, count, type, message, request);
#endif
	return shim.mpi.Imrecv(buf, (int)count, type, message, request);
}

int vmo_real_isend(const void *buf, MPI_Count count, MPI_Datatype type, int dest, int tag, MPI_Comm comm,
                   MPI_Request *request)
{
#if MPI_VERSION >= 4
	if (count > INT_MAX)
		return shim.mpi.Isend_c(buf, count, type, dest, tag, comm, request);
#endif
	return shim.mpi.Isend(buf, (int)count, type, dest, tag, comm, request);
}
