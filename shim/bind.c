/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bind.c: the first MPI call of the process arrives here. Which MPI is it, and who serves it?
 *
 *   vmo_bind --> find_mpi       the object that provides PMPI_*: any scope, also dlopen'ed RTLD_LOCAL
 *            --> find_flavour   by MPI_Get_library_version and SONAME
 *            --> load_flavour   dlopen it beside this file, links followed; vmo_flavour_attach fills the slots
 *            --> fill_slots     all that is still lazy: the MPI's own functions
 *
 * No MPI found: the call returns an error code, and the slots stay lazy: one may be dlopen'ed later.
 *
 * Threads: one thread binds, others wait for it. A call that binding itself causes (an MPI may call
 * its own entries) goes to the MPI's own function. A thread never waits without end: it might hold
 * the loader's lock, which the binding thread needs.
 *
 * All MPI functions are taken from the MPI's own handle. A lookup in the global scope would find
 * the entries of this library, so each result's owner is checked.
 */
#include "bind.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const names[] = {
#define X(name) "PMPI_" #name,
#include "calls.def"
#undef X
};
#define CALLS (sizeof names / sizeof names[0])

/* entry_<cpu>.S */
extern void *vmo_slots[CALLS] VMO_HIDDEN;
VMO_HIDDEN void *vmo_bind(unsigned int call);

/* Any other copy of this library exports PMPI_Send too, but only an MPI has this one. */
#define PROOF_OF_MPI "PMPI_Comm_size"

static const struct flavour {
	const char *says;	/* near the beginning of MPI_Get_library_version's text */
	const char *name;
	const char *soname;	/* how the DT_SONAME of a binary compatible library ends */
	int error;		/* MPI_ERR_OTHER */
} flavours[] = {
	{ "Open MPI", "openmpi", "libmpi.so.40", 16 },
	{ "MPICH", "mpich", ".so.12", 15 },		/* Cray's too */
	{ "MVAPICH", "mpich", ".so.12", 15 },
	{ "Intel(R) MPI", "mpich", ".so.12", 15 },
};
#define SAYS_WITHIN 40		/* bytes; further on, wrappers and configure lines name other MPIs */
#define VERSION_BYTES 16384	/* twice MPICH's MPI_MAX_LIBRARY_VERSION_STRING, the largest known */

enum { BOUND = -1, NOBODY = 0 };	/* else: the thread that binds */
static int binder;
static char directory[2 * PATH_MAX];
static struct vmo_host host = {
	.abi = VMO_HOST_ABI, .calls = CALLS, .slots = vmo_slots,
	.hook = &vmo_memhook_table, .api = &vmo_api_of_flavour, .pmix = &vmo_pmixhook_table, .directory = directory,
};
static unsigned long long searched_in_vain;	/* dlpi_adds when no MPI was found */
static int absent_error = 15;

/* Stands for a call that the MPI has not. Arguments are the caller's to clean up, on every CPU. */
static int absent(void)
{
	return absent_error;
}

/* ---- messages ------------------------------------------------------------------------------- */

static char why_inactive[512] = "no MPI function was called yet";

const char *vmo_bind_why(void)
{
	return why_inactive;
}

/* The rank is not known yet, so the launcher's variables say who speaks for the job. */
static bool speaks_for_job(void)
{
	static const char *const ranks[] = { "PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK" };
	const char *level = getenv("VMONECOPY_LOG");

	if (level && strcmp(level, "none") == 0)
		return false;
	for (size_t i = 0; i < sizeof ranks / sizeof ranks[0]; i++) {
		const char *rank = getenv(ranks[i]);
		if (rank)
			return strcmp(rank, "0") == 0;
	}
	return true;
}

static void inactive(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void inactive(const char *format, ...)
{
	char line[1024] = "vmonecopy: INACTIVE: ";
	size_t used = strlen(line);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line + used, sizeof line - used - 1, format, arguments);
	va_end(arguments);
	snprintf(why_inactive, sizeof why_inactive, "%s", line + used);
	if (!speaks_for_job())
		return;
	used = strlen(line);
	line[used++] = '\n';
	if (write(STDERR_FILENO, line, used) < 0)
		return;		/* nobody to tell */
}

/* ---- which object provides PMPI_? ----------------------------------------------------------- */

struct nth_object {
	unsigned int skip;
	char *name;		/* PATH_MAX bytes */
};

static int copy_nth_name(struct dl_phdr_info *info, size_t size, void *data)
{
	struct nth_object *nth = data;

	if (nth->skip--)
		return 0;
	/* The vdso's name has no slash. A name that does not fit could not be opened either. */
	nth->name[0] = '\0';
	if (strchr(info->dlpi_name, '/') && strlen(info->dlpi_name) < PATH_MAX)
		strcpy(nth->name, info->dlpi_name);
	return 1;
}

static int copy_adds(struct dl_phdr_info *info, size_t size, void *data)
{
	*(unsigned long long *)data = info->dlpi_adds;
	return 1;
}

/* A handle of the object that PMPI_ calls made through this scope reach; takes the scope's reference. */
static void *provider_in(void *scope)
{
	void *proof = scope ? dlsym(scope, PROOF_OF_MPI) : NULL;
	struct link_map *map;
	Dl_info info;
	void *mpi = NULL;

	if (proof && dladdr1(proof, &info, (void **)&map, RTLD_DL_LINKMAP))
		mpi = dlopen(map->l_name[0] ? map->l_name : NULL, RTLD_LAZY | RTLD_NOLOAD);
	if (scope)
		dlclose(scope);
	return mpi;
}

/*
 * The names are copied first and opened then: the loader's two locks are taken in the other order
 * by a dlopen from within dl_iterate_phdr. The global scope comes first; it has nearly every MPI.
 */
static void *find_mpi(void)
{
	char name[PATH_MAX];
	unsigned long long adds = 0;
	void *mpi;

	dl_iterate_phdr(copy_adds, &adds);
	if (adds == __atomic_load_n(&searched_in_vain, __ATOMIC_RELAXED))
		return NULL;
	mpi = provider_in(dlopen(NULL, RTLD_LAZY));
	for (unsigned int i = 1; !mpi; i++) {
		struct nth_object nth = { i, name };
		if (!dl_iterate_phdr(copy_nth_name, &nth))
			break;
		if (name[0])
			mpi = provider_in(dlopen(name, RTLD_LAZY | RTLD_NOLOAD));
	}
	if (!mpi)
		__atomic_store_n(&searched_in_vain, adds, __ATOMIC_RELAXED);
	return mpi;
}

static bool is_ours(const void *address)
{
	Dl_info theirs, ours;

	return dladdr(address, &theirs) && dladdr(&host, &ours) && theirs.dli_fbase == ours.dli_fbase;
}

/* The MPI's own function, or absent(). */
static void *real_function(void *mpi, unsigned int call)
{
	void *function = mpi ? dlsym(mpi, names[call]) : NULL;

	return function && !is_ours(function) ? function : (void *)absent;
}

/* ---- which flavour is it? ------------------------------------------------------------------- */

static const char *soname_of(const struct link_map *map)
{
	uintptr_t strings = 0, soname = 0;

	for (const ElfW(Dyn) *dyn = map->l_ld; dyn->d_tag != DT_NULL; dyn++) {
		if (dyn->d_tag == DT_STRTAB)
			strings = dyn->d_un.d_ptr;
		else if (dyn->d_tag == DT_SONAME)
			soname = dyn->d_un.d_val;
	}
	return soname ? (const char *)(strings + soname) : "";
}

static bool ends_with(const char *text, const char *end)
{
	size_t text_bytes = strlen(text), end_bytes = strlen(end);

	return text_bytes >= end_bytes && strcmp(text + text_bytes - end_bytes, end) == 0;
}

/* What the MPI says of itself, one line. It may be called before MPI_Init (MPI 3.0, 8.1.1). */
static const char *version_of(void *mpi)
{
	static char version[VERSION_BYTES];
	int (*get_version)(char *, int *) = dlsym(mpi, "PMPI_Get_library_version");
	int bytes = 0;

	if (!get_version || get_version(version, &bytes) != 0)
		return "without a version";
	version[VERSION_BYTES - 1] = '\0';
	version[strcspn(version, "\r\n")] = '\0';
	return version;
}

static const struct flavour *find_flavour(void *mpi)
{
	const char *version = version_of(mpi), *soname;
	struct link_map *map;

	if (dlinfo(mpi, RTLD_DI_LINKMAP, &map) != 0)
		return NULL;
	soname = soname_of(map);
	for (size_t i = 0; i < sizeof flavours / sizeof flavours[0]; i++) {
		const struct flavour *f = &flavours[i];
		if (!memmem(version, strnlen(version, SAYS_WITHIN), f->says, strlen(f->says)))
			continue;
		absent_error = f->error;
		if (ends_with(soname, f->soname))
			return f;
		inactive("this %s (%s) is not binary compatible with *%s; use one that is",
			 f->says, soname[0] ? soname : "linked statically", f->soname);
		return NULL;
	}
	inactive("this MPI is not known (%.80s); use Open MPI 4 or 5, or an MPI of MPICH's ABI", version);
	return NULL;
}

/* ---- other tools ---------------------------------------------------------------------------- */

static bool begins_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

/* Parts of an MPI that has its MPI_ and PMPI_ functions in two libraries, and copies of this one. */
static bool is_no_tool(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	return begins_with(name, "libmpi.") || begins_with(name, "libmpich.") || begins_with(name, "libvmonecopy");
}

/*
 * A PMPI tool defines MPI_X and calls PMPI_X. Where it comes after this library, MPI_X is found here first and goes on to
 * the MPI's PMPI_X: the tool is never asked.
 */
static void look_for_tools_behind(void)
{
	const char *level = getenv("VMONECOPY_LOG");
	struct link_map *mpi, *map;
	char line[1024];
	Dl_info info;

	if (!speaks_for_job() || (level && strcmp(level, "error") == 0) || dlinfo(host.mpi, RTLD_DI_LINKMAP, &mpi) != 0)
		return;
	for (unsigned int i = 0; i < CALLS; i++) {
		void *next = dlsym(RTLD_NEXT, names[i] + 1);
		if (!next || !dladdr1(next, &info, (void **)&map, RTLD_DL_LINKMAP) || map == mpi || is_no_tool(map->l_name))
			continue;
		int bytes = snprintf(line, sizeof line, "vmonecopy: %.700s comes after libvmonecopy.so and does not see %s and other "
		                     "calls that the library intercepts; put it before in LD_PRELOAD\n", map->l_name, names[i] + 1);
		if (write(STDERR_FILENO, line, (size_t)bytes) < 0)
			return;		/* nobody to tell */
		return;
	}
}

/* ---- bind ----------------------------------------------------------------------------------- */

/*
 * Where this very file lies: a link in the loader's path, or in a tree of links, leads to it. The loader knows
 * where a file preloaded by a relative name was, also after a chdir.
 */
static bool find_directory(void)
{
	char path[sizeof directory + 1], real[PATH_MAX];
	const char *name;
	Dl_info info;
	void *self = dladdr(&host, &info) ? dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD) : NULL;
	int error = self ? dlinfo(self, RTLD_DI_ORIGIN, directory) : -1;

	if (self)
		dlclose(self);
	if (error)
		return false;
	name = strrchr(info.dli_fname, '/');
	snprintf(path, sizeof path, "%.4095s/%.4095s", directory, name ? name + 1 : info.dli_fname);
	if (realpath(path, real)) {
		*strrchr(real, '/') = '\0';
		strcpy(directory, real);
	}
	return true;
}

static void load_flavour(const struct flavour *flavour)
{
	char path[sizeof directory + 64];
	vmo_flavour_attach_fn *attach;
	void *library;
	int error;

	if (!find_directory()) {
		inactive("the directory of libvmonecopy.so is not known; preload it by its full name");
		return;
	}
	snprintf(path, sizeof path, "%s/libvmonecopy-%s.so", directory, flavour->name);
	library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		inactive("%.700s; put libvmonecopy-%s.so beside libvmonecopy.so", dlerror(), flavour->name);
		return;
	}
	attach = dlsym(library, VMO_FLAVOUR_ATTACH);
	error = attach ? attach(&host) : -ENOSYS;
	if (error)
		inactive("%.700s refused with error %d; use libraries of one build", path, error);
	if (!error)
		return;
	/* The library stays loaded: another thread may already have gone through a slot. */
	for (unsigned int i = 0; i < CALLS; i++)
		__atomic_store_n(&vmo_slots[i], real_function(host.mpi, i), __ATOMIC_RELEASE);
}

/* A slot that still holds its lazy stub gets the MPI's own function. */
static void fill_slots(void *const *lazy)
{
	for (unsigned int i = 0; i < CALLS; i++)
		if (__atomic_load_n(&vmo_slots[i], __ATOMIC_RELAXED) == lazy[i])
			__atomic_store_n(&vmo_slots[i], real_function(host.mpi, i), __ATOMIC_RELEASE);
}

static bool bind_all(void)
{
	void *lazy[CALLS];
	const struct flavour *flavour;

	host.mpi = find_mpi();
	if (!host.mpi)
		return false;
	vmo_memhook_table.threads = &vmo_threadhook_table;
	memcpy(lazy, vmo_slots, sizeof lazy);
	flavour = find_flavour(host.mpi);
	if (flavour) {
		load_flavour(flavour);
		look_for_tools_behind();
	}
	fill_slots(lazy);
	return true;
}

/* 0.1 ms at first, longer later; 5 s in all. */
#define NAPS 150
static void nap(unsigned int turn)
{
	struct timespec span = { 0, turn < 100 ? 100 * 1000L : 100 * 1000 * 1000L };

	nanosleep(&span, NULL);
}

static void *bind_or_wait(unsigned int call)
{
	int self = gettid();

	for (unsigned int turn = 0; turn < NAPS; turn++) {
		int who = __atomic_load_n(&binder, __ATOMIC_ACQUIRE);

		if (who == BOUND)
			return __atomic_load_n(&vmo_slots[call], __ATOMIC_ACQUIRE);
		if (who == self)
			return real_function(host.mpi, call);
		if (who == NOBODY && __atomic_compare_exchange_n(&binder, &who, self, false,
								 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
			bool bound = bind_all();
			__atomic_store_n(&binder, bound ? BOUND : NOBODY, __ATOMIC_RELEASE);
			return bound ? __atomic_load_n(&vmo_slots[call], __ATOMIC_ACQUIRE) : (void *)absent;
		}
		nap(turn);
	}
	return real_function(find_mpi(), call);
}

/*
 * Called by the lazy stubs with the caller's arguments saved: where does this call go?
 * Never NULL, never a lazy stub. errno and the arguments are as they were; cancellation is held off
 * lest a thread cancelled in dlopen leaves the binding half done.
 */
void *vmo_bind(unsigned int call)
{
	int saved_errno = errno, cancel;
	void *target;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	target = bind_or_wait(call);
	pthread_setcancelstate(cancel, &cancel);
	errno = saved_errno;
	return target;
}
