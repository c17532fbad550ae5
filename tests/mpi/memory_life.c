/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of memory, at random, between sends of it: malloc, calloc, posix_memalign, free, realloc, mmap, munmap, mremap
 * (grow, shrink, move to a fixed place, leave the old range), madvise, mprotect, sbrk, malloc_trim, fork. Every message
 * arrives as it was, and every byte of the program's is what the program expects, after each step.
 *
 *   args: STEPS [heap] [threads=N] [seed=N]     heap: all by brk and arenas, given back to the system at once
 *
 * RUN: np=2 timeout=170 VMONECOPY_ADMISSION=1 UCX_MEM_EVENTS=n args="1500" expect="onecopy_bytes [1-9]" expect="hook_releases [1-9][0-9]"
 * RUN: np=2 timeout=170 VMONECOPY_ADMISSION=2 args="1000 heap seed=2" expect="onecopy_bytes [1-9]" expect="hook_releases [1-9][0-9]"
 * RUN: np=2 timeout=170 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0 args="700 seed=3" expect="late_bytes [1-9]"
 * RUN: np=2 timeout=170 VMONECOPY_ADMISSION=1 XENEMU_LIMIT=400 UCX_MEM_EVENTS=n args="700 seed=4" expect="onecopy_bytes [1-9]"
 * RUN: np=2 timeout=170 VMONECOPY_ADMISSION=1 VMONECOPY_CHECK=1 args="500 seed=5" expect="checked_messages [1-9]" expect="\A(?![\s\S]*CHECK:)"
 * RUN: np=2 timeout=170 VMONECOPY_ADMISSION=1 UCX_MEM_EVENTS=n args="200 threads=3 seed=6" expect="onecopy_bytes [1-9]" expect="hook_releases [1-9][0-9]"
 * RUN: np=2 timeout=170 VMONECOPY_ADMISSION=2 args="200 heap threads=3 seed=7" expect="onecopy_bytes [1-9]" expect="hook_releases [1-9]"
 */
#include "t.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

#define ITEMS 10
#define LEAST ((size_t)8 << 10)
#define MOST ((size_t)400 << 10)

enum kind { NOTHING, HEAP, MAP, SHARED };

/* Byte i holds byte first + i of the pattern (rank, maker, sequence). */
struct item {
	enum kind kind;
	char *at;
	size_t bytes;
	int maker, sequence;
	size_t first;		/* a multiple of 8 */
	bool mixed;		/* several mappings to the kernel, by the program's own doing: mremap may refuse it */
};

struct life {
	int id, steps;
	uint64_t random;
	int sequence;
	struct item item[ITEMS];
	char *inbox;		/* for messages that no item has room for */
	MPI_Comm comm;
};

static bool heap_only, threaded, fixed_works;
static struct item common;	/* from thread to thread */
static pthread_mutex_t common_lock = PTHREAD_MUTEX_INITIALIZER;

static uint64_t any(struct life *l, uint64_t below)
{
	l->random ^= l->random << 13;
	l->random ^= l->random >> 7;
	l->random ^= l->random << 17;
	return (l->random >> 11) % below;
}

/* ---- content ---- */

static void put(const struct item *it, size_t from, size_t bytes)
{
	for (size_t i = from; i < from + bytes;) {
		uint64_t word = t_word(t_rank, it->maker, it->sequence, (it->first + i) / 8);
		size_t skip = (it->first + i) % 8, n = 8 - skip < from + bytes - i ? 8 - skip : from + bytes - i;
		memcpy(it->at + i, (char *)&word + skip, n);
		i += n;
	}
}

static void look(const char *at, size_t bytes, int rank, int maker, int sequence, size_t first, const char *what)
{
	for (size_t i = 0; i < bytes; i++) {
		uint64_t word = t_word(rank, maker, sequence, (first + i) / 8);
		size_t n = bytes - i < 8 ? bytes - i : 8;
		if ((first + i) % 8 == 0 && !memcmp(at + i, &word, n)) {
			i += n - 1;
			continue;
		}
		if (at[i] != ((char *)&word)[(first + i) % 8])
			FAIL("%s: byte %zu of %zu at %p (maker %d, sequence %d) is wrong", what, i, bytes, (void *)at, maker, sequence);
	}
}

static void keeps(const struct item *it, size_t bytes, const char *what)
{
	look(it->at, bytes, t_rank, it->maker, it->sequence, it->first, what);
}

static void zero(const char *at, size_t bytes, const char *what)
{
	for (size_t i = 0; i < bytes; i++)
		if (at[i])
			FAIL("%s: byte %zu of %zu at %p is not 0", what, i, bytes, (void *)at);
}

static void renew(struct life *l, struct item *it)
{
	it->maker = l->id;
	it->sequence = ++l->sequence;
	it->first = 0;
	put(it, 0, it->bytes);
}

/* ---- what happens to memory ---- */

static size_t a_size(struct life *l)
{
	return LEAST + any(l, MOST - LEAST);
}

static size_t whole_pages(size_t bytes)
{
	return (bytes + T_PAGE - 1) & ~(T_PAGE - 1);
}

static void *map(void *at, size_t bytes, int flags)
{
	void *got = mmap(at, bytes, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	CHECK(got != MAP_FAILED);
	return got;
}

/* UCX 1.13 takes mremap over and forgets the new address; UCX_MEM_EVENTS=n keeps it from that. */
static bool does_fixed_work(void)
{
	char *from = map(NULL, T_PAGE, MAP_PRIVATE), *place = map(NULL, T_PAGE, MAP_PRIVATE);
	char *at = mremap(from, T_PAGE, T_PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place);

	if (at == MAP_FAILED)
		at = from;
	munmap(at, T_PAGE);
	if (at != place)
		munmap(place, T_PAGE);
	return at == place;
}

static void make(struct life *l, struct item *it)
{
	int how = (int)any(l, heap_only ? 3 : 6);

	it->bytes = a_size(l);
	it->mixed = false;
	it->kind = how < 3 ? HEAP : how == 5 ? SHARED : MAP;
	if (how == 0) {
		it->at = malloc(it->bytes);
	} else if (how == 1) {
		it->at = calloc(1, it->bytes);
		zero(it->at, it->bytes, "calloc");
	} else if (how == 2) {
		CHECK(!posix_memalign((void **)&it->at, (size_t)64 << any(l, 8), it->bytes));
	} else {
		it->bytes = whole_pages(it->bytes);
		it->at = map(NULL, it->bytes, how == 5 ? MAP_SHARED : MAP_PRIVATE);
		zero(it->at, it->bytes, "mmap");
	}
	CHECK(it->at);
	renew(l, it);
}

/* jemalloc's own, which no hook sees. */
extern void dallocx(void *p, int flags) __attribute__((weak));

static void end(struct item *it)
{
	if (it->kind == HEAP && dallocx && (uintptr_t)it->at >> 14 & 1)
		dallocx(it->at, 0);
	else if (it->kind == HEAP)
		free(it->at);
	else if (it->kind != NOTHING)
		CHECK(!munmap(it->at, it->bytes));
	it->kind = NOTHING;
}

/* realloc, reallocarray, or mremap with the kernel's choice of place. */
static void resize(struct life *l, struct item *it)
{
	size_t old = it->bytes, bytes = a_size(l), kept;
	char *at;

	if (it->kind == SHARED || it->mixed)
		return;
	if (it->kind == MAP) {
		bytes = whole_pages(bytes);
		at = mremap(it->at, old, bytes, MREMAP_MAYMOVE);
		CHECK(at != MAP_FAILED);
	} else {
		at = any(l, 2) ? realloc(it->at, bytes) : reallocarray(it->at, bytes, 1);
		CHECK(at);
	}
	kept = old < bytes ? old : bytes;
	it->at = at;
	it->bytes = bytes;
	keeps(it, kept, "resized");
	put(it, kept, bytes - kept);
}

/* To a fixed place, where other memory was; at times the old range stays, empty. */
static void move(struct life *l, struct item *it)
{
	char *place, *old = it->at;
	bool stays = any(l, 2);

	if (it->kind != MAP || it->mixed || !fixed_works)
		return;
	place = map(NULL, it->bytes, MAP_PRIVATE);
	memset(place, 1, T_PAGE);
	if (!stays || mremap(old, it->bytes, it->bytes, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, place) == MAP_FAILED) {
		stays = false;
		CHECK(mremap(old, it->bytes, it->bytes, MREMAP_MAYMOVE | MREMAP_FIXED, place) == place);
	}
	it->at = place;
	keeps(it, it->bytes, "moved");
	if (stays) {
		zero(old, it->bytes, "moved away");
		CHECK(!munmap(old, it->bytes));
	}
}

/* A mapping in two: the second half moves on top of another's place, or goes. */
static void split(struct life *l, struct item *it, struct item *empty)
{
	size_t half = whole_pages(it->bytes / 2), rest = it->bytes - half;

	if (it->kind != MAP || it->mixed || it->bytes < 4 * T_PAGE)
		return;
	it->bytes = half;
	if (empty->kind != NOTHING || !fixed_works || any(l, 2)) {
		CHECK(!munmap(it->at + half, rest));
	} else {
		*empty = *it;
		empty->at = map(NULL, rest, MAP_PRIVATE);
		CHECK(mremap(it->at + half, rest, rest, MREMAP_MAYMOVE | MREMAP_FIXED, empty->at) == empty->at);
		empty->bytes = rest;
		empty->first += half;
		keeps(empty, rest, "second half");
	}
	keeps(it, it->bytes, "first half");
}

/* Some whole pages lose their content, or advice that the kernel refuses or that does no harm keeps it. */
static void advise(struct life *l, struct item *it)
{
	static const int advice[] = { MADV_DONTNEED, MADV_FREE, MADV_REMOVE, MADV_WILLNEED, MADV_HUGEPAGE, MADV_NOHUGEPAGE,
	                              MADV_SEQUENTIAL, MADV_COLD };
	int a = advice[any(l, sizeof advice / sizeof *advice)];
	char *begin = (char *)whole_pages((uintptr_t)it->at);
	size_t pages = (size_t)(it->at + it->bytes - begin) / T_PAGE, from, n;

	if (pages < 2 || it->kind == NOTHING)
		return;
	from = any(l, pages);
	n = 1 + any(l, pages - from);
	begin += from * T_PAGE;
	it->mixed |= it->kind == MAP && (a == MADV_HUGEPAGE || a == MADV_NOHUGEPAGE || a == MADV_SEQUENTIAL);
	int rc = madvise(begin, n * T_PAGE, a);
	if (!rc && ((a == MADV_DONTNEED && it->kind != SHARED) || a == MADV_REMOVE))
		zero(begin, n * T_PAGE, "madvise");
	else if (rc || a != MADV_FREE)
		keeps(it, it->bytes, "advised");
	put(it, (size_t)(begin - it->at), n * T_PAGE);
	keeps(it, it->bytes, "around what was advised");
}

/* Fresh memory over a part of it; a call that the kernel refuses first. */
static void map_over(struct life *l, struct item *it)
{
	size_t pages = it->bytes / T_PAGE, from = any(l, pages), n = 1 + any(l, pages - from);
	char *at = it->at + from * T_PAGE;

	if (it->kind != MAP)
		return;
	CHECK(mmap(at, n * T_PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, -1, 0) == MAP_FAILED && errno == EBADF);
	keeps(it, it->bytes, "mmap failed");
	it->mixed = true;
	map(at, n * T_PAGE, MAP_PRIVATE | MAP_FIXED);
	zero(at, n * T_PAGE, "mapped over");
	put(it, from * T_PAGE, n * T_PAGE);
}

static void protect(struct life *l, struct item *it)
{
	if (it->kind != MAP)
		return;
	CHECK(!mprotect(it->at, it->bytes, any(l, 2) ? PROT_NONE : PROT_READ));
	CHECK(!mprotect(it->at, it->bytes, PROT_READ | PROT_WRITE));
	keeps(it, it->bytes, "protected");
}

/* The child scribbles on all that it has; nothing of this is seen here. */
static void split_process(struct life *l)
{
	pid_t child = fork();
	int status;

	if (!child) {
		for (int i = 0; i < ITEMS; i++)
			if (l->item[i].kind == HEAP || l->item[i].kind == MAP)
				memset(l->item[i].at, 0x55, l->item[i].bytes);
		_exit(0);
	}
	CHECK(child > 0 && waitpid(child, &status, 0) == child && !status);
}

static void swap_with_others(struct life *l, struct item *it)
{
	struct item mine = *it;

	pthread_mutex_lock(&common_lock);
	*it = common;
	common = mine;
	pthread_mutex_unlock(&common_lock);
	if (it->kind != NOTHING)
		keeps(it, it->bytes, "another thread's");
}

/* ---- messages ---- */

struct header {
	int maker, sequence;
	size_t first, bytes;
};

static void send_by(struct life *l, void *at, int n)
{
	MPI_Request request;

	switch (any(l, 4)) {
	case 0: MPI_Send(at, n, MPI_BYTE, 1 - t_rank, 2, l->comm); return;
	case 1: MPI_Ssend(at, n, MPI_BYTE, 1 - t_rank, 2, l->comm); return;
	case 2: MPI_Isend(at, n, MPI_BYTE, 1 - t_rank, 2, l->comm, &request); break;
	default:
		MPI_Send_init(at, n, MPI_BYTE, 1 - t_rank, 2, l->comm, &request);
		MPI_Start(&request);
		MPI_Wait(&request, MPI_STATUS_IGNORE);
		MPI_Request_free(&request);
		return;
	}
	MPI_Wait(&request, MPI_STATUS_IGNORE);
}

/* All of an item, or a part of it; at times it is read-only meanwhile. */
static void tell(struct life *l, const struct item *it)
{
	size_t skip = any(l, 4) ? 0 : any(l, it->bytes / 16) * 8;
	struct header h = { it->maker, it->sequence, it->first + skip, it->bytes - skip - (any(l, 4) ? 0 : any(l, it->bytes / 4)) };
	bool locked = it->kind == MAP && !any(l, 8);

	keeps(it, it->bytes, "before it is sent");
	if (locked)
		CHECK(!mprotect(it->at, it->bytes, PROT_READ));
	MPI_Send(&h, sizeof h, MPI_BYTE, 1 - t_rank, 1, l->comm);
	send_by(l, it->at + skip, (int)h.bytes);
	if (locked)
		CHECK(!mprotect(it->at, it->bytes, PROT_READ | PROT_WRITE));
}

/* Into an item that has room, perhaps one that was sent before. */
static void hear(struct life *l)
{
	struct item *it = &l->item[any(l, ITEMS)];
	struct header h;
	MPI_Status status;

	MPI_Recv(&h, sizeof h, MPI_BYTE, 1 - t_rank, 1, l->comm, MPI_STATUS_IGNORE);
	bool fits = it->kind != NOTHING && it->bytes >= h.bytes;
	char *at = fits ? it->at : l->inbox;
	MPI_Recv(at, (int)(fits ? it->bytes : MOST + T_PAGE), MPI_BYTE, 1 - t_rank, 2, l->comm, &status);
	STATUS(&status, 1 - t_rank, 2, h.bytes);
	look(at, h.bytes, 1 - t_rank, h.maker, h.sequence, h.first, "received");
	if (fits)
		put(it, 0, h.bytes);
}

static void talk(struct life *l, const struct item *it)
{
	if (t_rank == 0)
		tell(l, it);
	hear(l);
	if (t_rank == 1)
		tell(l, it);
}

/* The end of the heap, sent and given back. Nobody else may want memory of the heap meanwhile: else it stays. */
static void heap_end(struct life *l)
{
	struct item it = { .bytes = whole_pages(a_size(l)) };

	it.at = sbrk((intptr_t)it.bytes);
	CHECK(it.at != (void *)-1);
	renew(l, &it);
	for (int i = 0; i < 3; i++)
		talk(l, &it);
	if (sbrk(0) == it.at + it.bytes)
		CHECK(sbrk(-(intptr_t)it.bytes) == it.at + it.bytes);
}

/* ---- steps ---- */

static void change(struct life *l, struct item *it)
{
	switch (any(l, 12)) {
	case 0: case 1: end(it); make(l, it); break;
	case 2: case 3: resize(l, it); break;
	case 4: move(l, it); break;
	case 5: split(l, it, &l->item[any(l, ITEMS)]); break;
	case 6: advise(l, it); break;
	case 7: map_over(l, it); break;
	case 8: protect(l, it); break;
	case 9: any(l, 8) ? 0 : malloc_trim(0); break;
	case 10: threaded ? swap_with_others(l, it) : renew(l, it); break;
	default:
		if (!any(l, 20))
			split_process(l);
	}
	if (it->kind == NOTHING)
		make(l, it);
}

static void *live(void *context)
{
	struct life *l = context;

	l->inbox = malloc(MOST + T_PAGE);
	for (int step = 0; step < l->steps; step++) {
		struct item *it = &l->item[any(l, ITEMS)];
		change(l, it);
		talk(l, any(l, 3) || l->item[0].kind == NOTHING ? it : &l->item[0]);
	}
	if (!threaded)	/* the same number of messages on both sides */
		for (int i = 0; i < 40; i++)
			heap_end(l);
	for (int i = 0; i < ITEMS; i++)
		end(&l->item[i]);
	free(l->inbox);
	return NULL;
}

int main(int argc, char **argv)
{
	int steps = 300, threads = 1;
	unsigned long seed = 1;
	static struct life life[16];
	pthread_t thread[16];

	for (int i = 1; i < argc; i++) {
		heap_only |= !strcmp(argv[i], "heap");
		sscanf(argv[i], "threads=%d", &threads);
		sscanf(argv[i], "seed=%lu", &seed);
		if (i == 1)
			steps = atoi(argv[i]);
	}
	threaded = threads > 1;
	if (heap_only) {
		mallopt(M_MMAP_THRESHOLD, 32 << 20);
		mallopt(M_TRIM_THRESHOLD, 4096);
		mallopt(M_TOP_PAD, 0);
	}
	t_begin_thread(&argc, &argv, 160, threaded ? MPI_THREAD_MULTIPLE : MPI_THREAD_SINGLE);
	fixed_works = does_fixed_work();
	for (int i = 0; i < threads; i++) {
		life[i] = (struct life){ .id = i, .steps = steps, .random = (seed * 2 + (unsigned)t_rank) * 0x9e3779b97f4a7c15u + (unsigned)i + 1 };
		MPI_Comm_dup(MPI_COMM_WORLD, &life[i].comm);
	}
	for (int i = 1; i < threads; i++)
		CHECK(!pthread_create(&thread[i], NULL, live, &life[i]));
	live(&life[0]);
	for (int i = 1; i < threads; i++)
		pthread_join(thread[i], NULL);
	end(&common);
	for (int i = 0; i < threads; i++)
		MPI_Comm_free(&life[i].comm);
	return t_end();
}
