/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Caches of registrations learn that the library replaced pages under a buffer. UCX's own cache (ucs_rcache), filled as a
 * transport does: a buffer is registered anew after it was substituted, detached, or given other memory by the hooks, and
 * only then. While Open MPI's own caches listen, which cannot be told, nothing is substituted.
 *
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=100000000 args=ucx expect="substitutions [1-9]" expect="onecopy_bytes [1-9]"
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0 args=ucx expect="moves [1-9]"
 * RUN: np=2 mpi=openmpi VMONECOPY_ADMISSION=1 VMONECOPY_LOG=info args=opal expect="Open MPI caches registrations" expect="staged_bytes [1-9]" expect="\A(?![\s\S]*substitutions)"
 */
#include "t.h"

#include <dlfcn.h>
#include <sys/mman.h>

#define BYTES ((size_t)1 << 19)
#define VM_UNMAPPED (1 << 17)	/* ucm/api/ucm.h */

static void *library(const char *name)
{
	void *handle = dlopen(name, RTLD_NOW | RTLD_GLOBAL);

	if (!handle)
		FAIL("no %s: %s", name, dlerror());
	return handle;
}

static void *symbol(void *handle, const char *name)
{
	void *found = dlsym(handle, name);

	if (!found)
		FAIL("no %s: %s", name, dlerror());
	return found;
}

/* ---- what UCX is told, event by event ---- */

struct event {
	void *address;
	size_t bytes;
};

static char *watched;		/* events that name this byte count */
static volatile int events;

static void on_event(int type, struct event *event, void *arg)
{
	char *at = event->address;

	if (type == VM_UNMAPPED && at <= watched && watched < at + event->bytes)
		events++;
}

/* ---- UCX's cache ---- */

#if __has_include(<ucs/memory/rcache.h>)
#define HAVE_CACHE 1
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#include <ucs/memory/rcache.h>
#pragma GCC diagnostic pop

static int registered;

static ucs_status_t mem_reg(void *context, ucs_rcache_t *cache, void *arg, ucs_rcache_region_t *region, uint16_t flags)
{
	registered++;
	return UCS_OK;
}

static void mem_dereg(void *context, ucs_rcache_t *cache, ucs_rcache_region_t *region)
{
}

static void dump(void *context, ucs_rcache_t *cache, ucs_rcache_region_t *region, char *buf, size_t most)
{
	*buf = '\0';
}

static ucs_rcache_t *cache;
static ucs_status_t (*cache_get)(ucs_rcache_t *, void *, size_t, int, void *, ucs_rcache_region_t **);
static void (*cache_put)(ucs_rcache_t *, ucs_rcache_region_t *);
static void (*cache_destroy)(ucs_rcache_t *);

static void cache_open(void *ucs)
{
	static const ucs_rcache_ops_t ops = { mem_reg, mem_dereg, dump };
	ucs_rcache_params_t params = {
		.region_struct_size = sizeof(ucs_rcache_region_t), .alignment = UCS_RCACHE_MIN_ALIGNMENT, .max_alignment = T_PAGE,
		.ucm_events = VM_UNMAPPED, .ucm_event_priority = 1000, .ops = &ops, .max_regions = -1ul, .max_size = -1ul,
		.max_unreleased = -1ul,
	};
	__typeof__(&ucs_rcache_create) create = (__typeof__(create))symbol(ucs, "ucs_rcache_create");

	cache_get = (__typeof__(cache_get))symbol(ucs, "ucs_rcache_get");
	cache_put = (__typeof__(cache_put))symbol(ucs, "ucs_rcache_region_put");
	cache_destroy = (__typeof__(cache_destroy))symbol(ucs, "ucs_rcache_destroy");
	CHECK_EQ(create(&params, "test", NULL, &cache), UCS_OK);
}

/* A transfer of the buffer: how many registrations it needs. */
static int use(char *buf, size_t bytes)
{
	ucs_rcache_region_t *region;
	int before = registered;

	CHECK_EQ(cache_get(cache, buf, bytes, PROT_READ, NULL, &region), UCS_OK);
	cache_put(cache, region);
	return registered - before;
}
#else
#define HAVE_CACHE 0
static void cache_open(void *ucs) { }
static int use(char *buf, size_t bytes) { return 0; }
#endif

/* Between two calls the pages under `watched` were replaced, or were not: event and cache agree. */
static void told(bool replaced, char *buf, const char *what)
{
	int anew = use(buf, BYTES);

	if ((events > 0) != replaced)
		FAIL("%s: %d events", what, events);
	if (HAVE_CACHE && (anew > 0) != replaced)
		FAIL("%s: the cache registered %d times", what, anew);
	events = 0;
}

static void exchange(char *buf, char *in, int sequence)
{
	t_fill(buf, BYTES, t_rank, 1, sequence);
	if (t_rank == 0)
		MPI_Send(buf, (int)BYTES, MPI_BYTE, 1, 1, MPI_COMM_WORLD);
	MPI_Recv(in, (int)BYTES, MPI_BYTE, 1 - t_rank, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	if (t_rank == 1)
		MPI_Send(buf, (int)BYTES, MPI_BYTE, 0, 1, MPI_COMM_WORLD);
	VERIFY(in, BYTES, 1 - t_rank, 1, sequence);
}

static void with_ucx(void)
{
	void *ucm = library("libucm.so.0"), *ucs = library("libucs.so.0");
	int (*set_handler)(int, int, void (*)(int, struct event *, void *), void *) =
		(__typeof__(set_handler))symbol(ucm, "ucm_set_event_handler");
	void (*unset_handler)(int, void (*)(int, struct event *, void *), void *) =
		(__typeof__(unset_handler))symbol(ucm, "ucm_unset_event_handler");
	bool late = !strcmp(getenv("VMONECOPY_PATIENCE_US"), "0");
	char *buf = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *in = malloc(BYTES);

	CHECK_EQ(set_handler(VM_UNMAPPED, 1000, on_event, NULL), 0);
	cache_open(ucs);
	watched = buf + BYTES / 2;
	memset(buf, 1, BYTES);
	use(buf, BYTES);
	told(false, buf, "untouched");
	exchange(buf, in, 1);
	told(true, buf, "substituted");
	for (int i = 2; i < 6; i++) {
		exchange(buf, in, i);
		if (!late)
			told(false, buf, "in place");
	}
	if (late)
		told(true, buf, "detached");
	CHECK(!posix_madvise(buf, BYTES, POSIX_MADV_DONTNEED));	/* of which UCX itself takes no notice */
	told(true, buf, "ended by a hook");
	VERIFY(buf, BYTES, t_rank, 1, 5);
	told(false, buf, "private again");
	unset_handler(VM_UNMAPPED, on_event, NULL);
#if HAVE_CACHE
	cache_destroy(cache);
#endif
	munmap(buf, BYTES);
	free(in);
}

static void with_opal(void)
{
	int *listens = symbol(library("libopen-pal.so.40"), "mca_rcache_base_used_mem_hooks");
	char *buf = malloc(BYTES), *in = malloc(BYTES);

	CHECK_EQ(*listens, 0);		/* tcp and shared memory register nothing */
	*listens = 1;
	for (int i = 0; i < 4; i++)
		exchange(buf, in, i);
	*listens = 0;
	free(buf);
	free(in);
}

int main(int argc, char **argv)
{
	void *early = dlopen("libucs.so.0", RTLD_NOW | RTLD_GLOBAL);	/* as if the MPI had loaded it */

	t_begin(&argc, &argv, 40);
	CHECK(early && argc > 1);
	if (!strcmp(argv[1], "ucx"))
		with_ucx();
	else
		with_opal();
	return t_end();
}
