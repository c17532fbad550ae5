/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "threadhook.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <threads.h>

VMO_HIDDEN struct vmo_threadhook vmo_threadhook_table;

/* Begins of names: MPICH and its like, Open MPI with its plugins, what they are built on; the emulated Xen. */
static const char *const of_mpi[] = {
	"libmpi", "libopen-", "libpm", "libprrte", "libevent", "mca_", "libuc", "libfabric", "libpsm",
	"libxenemu",
};

static bool starts_in_mpi(void *start)
{
	const char *name;
	Dl_info where;

	if (!dladdr(start, &where) || !where.dli_fname)
		return false;
	name = strrchr(where.dli_fname, '/');
	name = name ? name + 1 : where.dli_fname;
	for (size_t i = 0; i < sizeof of_mpi / sizeof of_mpi[0]; i++)
		if (!strncmp(name, of_mpi[i], strlen(of_mpi[i])))
			return true;
	return false;
}

static void tell(void *start)
{
	struct vmo_threadhook *t = &vmo_threadhook_table;
	void (*listener)(void) = __atomic_load_n(&t->listener, __ATOMIC_ACQUIRE);

	__atomic_fetch_add(&t->created, 1, __ATOMIC_RELAXED);
	if (__atomic_load_n(&t->in_init, __ATOMIC_RELAXED) || starts_in_mpi(start))
		__atomic_fetch_add(&t->of_mpi, 1, __ATOMIC_RELAXED);
	else if (listener)
		listener();
}

VMO_EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *arg)
{
	__typeof__(&pthread_create) real = (__typeof__(&pthread_create))dlsym(RTLD_NEXT, "pthread_create");

	tell((void *)start);
	return real ? real(thread, attributes, start, arg) : EAGAIN;
}

VMO_EXPORT int thrd_create(thrd_t *thread, thrd_start_t start, void *arg)
{
	__typeof__(&thrd_create) real = (__typeof__(&thrd_create))dlsym(RTLD_NEXT, "thrd_create");

	tell((void *)start);
	return real ? real(thread, start, arg) : thrd_error;
}
