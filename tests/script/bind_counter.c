/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bind_counter.c: a flavour for tests. Counts each call, then goes on to the MPI's own function.
 * At exit: one line "name count" per call made, and "attach count", into $BIND_COUNTS/<pid>.
 * The argument list of the fake MPI's calls is longer than that of any MPI call, so it serves for all.
 */
#include "bind.h"
#include "bind_fakempi.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static unsigned int attached;

#define X(n) \
	static unsigned int count_##n; \
	static fake_call *real_##n; \
	static int counted_##n(long a, long b, long c, long d, long e, long f, \
			       long g, long h, long i, long j, long k, long l, \
			       double s, double t, double u, double v, double w, double x, double y, double z, \
			       struct fake_struct *p) \
	{ \
		__atomic_add_fetch(&count_##n, 1, __ATOMIC_RELAXED); \
		return real_##n(a, b, c, d, e, f, g, h, i, j, k, l, s, t, u, v, w, x, y, z, p); \
	}
#include "calls.def"
#undef X

VMO_EXPORT vmo_flavour_attach_fn vmo_flavour_attach;
int vmo_flavour_attach(const struct vmo_host *host)
{
	void **slot = host->slots;

	__atomic_add_fetch(&attached, 1, __ATOMIC_RELAXED);
	if (host->abi != VMO_HOST_ABI || !host->mpi || !host->hook || !host->directory)
		return -EINVAL;
#define X(n) \
	real_##n = (fake_call *)dlsym(host->mpi, "PMPI_" #n); \
	if (real_##n) \
		__atomic_store_n(slot, (void *)counted_##n, __ATOMIC_RELEASE); \
	slot++;
#include "calls.def"
#undef X
	if (getenv("BIND_REFUSE"))
		return -EPROTO;
	return slot == host->slots + host->calls ? 0 : -EINVAL;
}

static void __attribute__((destructor)) print_counts(void)
{
	const char *directory = getenv("BIND_COUNTS");
	char path[512];
	FILE *out;

	if (!attached || !directory)
		return;
	snprintf(path, sizeof path, "%s/%d", directory, (int)getpid());
	out = fopen(path, "w");
	if (!out)
		return;
	fprintf(out, "attach %u\n", attached);
#define X(n) if (count_##n) fprintf(out, #n " %u\n", count_##n);
#include "calls.def"
#undef X
	fclose(out);
}
