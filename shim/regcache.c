/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "regcache.h"

#include "log.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>

#define UCX_MOST 4	/* a Python package may bring its own */

typedef void tell_fn(void *address, size_t bytes);

static tell_fn *ucx[UCX_MOST];
static unsigned ucx_count;
static const int *opal_listens;

struct found {
	char ucx[UCX_MOST][512];
	unsigned count;
	char opal[512];
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* libucm.so.0, or as packed into a Python package: libucm-1a2b3c4d.so.0.0.0; not libucm_cuda.so. */
static bool is_library(const char *path, const char *name)
{
	const char *base = base_name(path);
	size_t n = strlen(name);

	return !strncmp(base, name, n) && (base[n] == '.' || base[n] == '-') && strlen(path) < 512;
}

/* Names alone: nothing may be opened in here. */
static int note(struct dl_phdr_info *object, size_t bytes, void *context)
{
	struct found *found = context;

	if (is_library(object->dlpi_name, "libucm") && found->count < UCX_MOST)
		strcpy(found->ucx[found->count++], object->dlpi_name);
	else if (is_library(object->dlpi_name, "libopen-pal"))
		strcpy(found->opal, object->dlpi_name);
	return 0;
}

static void *symbol(const char *library, const char *name)
{
	void *handle = *library ? dlopen(library, RTLD_LAZY | RTLD_NOLOAD) : NULL;

	return handle ? dlsym(handle, name) : NULL;	/* the handle stays: so does the library */
}

void vmo_regcache_find(void)
{
	struct found found = { .count = 0 };

	dl_iterate_phdr(note, &found);
	ucx_count = 0;
	for (unsigned i = 0; i < found.count; i++) {
		tell_fn *tell = (tell_fn *)symbol(found.ucx[i], "ucm_vm_munmap");
		if (tell)
			ucx[ucx_count++] = tell;
	}
	opal_listens = symbol(found.opal, "mca_rcache_base_used_mem_hooks");
}

bool vmo_regcache_bars(void)
{
	static bool said;

	if (vmo_likely(!opal_listens || !__atomic_load_n(opal_listens, __ATOMIC_RELAXED)))
		return false;
	if (!__atomic_exchange_n(&said, true, __ATOMIC_RELAXED))
		vmo_info("no substitution: Open MPI caches registrations of memory (leave_pinned); all is staged");
	return true;
}

void vmo_regcache_tell(uintptr_t begin, size_t bytes)
{
	for (unsigned i = 0; i < ucx_count; i++)
		ucx[i]((void *)begin, bytes);
}
