/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "admission.h"

#include "fault.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NEED_MOST 1024
#define NEED_REFUSED 4096
#define USED_WELL 16		/* sends in place, at least, after which a substitution has paid for itself */
#define N_LEAST 2
static const uint32_t n_most[VMO_ADMISSION_SIZES] = { 32, 5 };		/* 5: MPICH's rule for XPMEM */
#define N_UNKNOWN 5
#define LARGEST (VMO_ADMISSION_SIZES - 1)
#define SCRATCH_PAGES (VMO_ADMISSION_PAGES(0) + VMO_ADMISSION_PAGES(1))
#define SCRATCH_BYTES (SCRATCH_PAGES * VMO_PAGE_BYTES)

static char *scratch(int fd, int flags)
{
	long address = syscall(SYS_mmap, NULL, SCRATCH_BYTES, PROT_READ | PROT_WRITE, flags | MAP_POPULATE, fd, 0);

	return address == -1 ? NULL : (char *)address;
}

/* Both costs on pages that exist already, as a pool's do. The second round counts: caches are warm. */
static bool measure_pages(struct vmo_admission_cost *cost, int fd, char *user, char *view, uint32_t first, uint32_t pages)
{
	size_t at = first * VMO_PAGE_BYTES, bytes = pages * VMO_PAGE_BYTES;
	uint64_t start = 0, copied = 0;

	for (int round = 0; round < 2; round++) {
		start = vmo_now_ns();
		memcpy(view + at, user + at, bytes);
		copied = vmo_now_ns();
	}
	if (syscall(SYS_mmap, user + at, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, at) == -1)
		return false;
	*cost = (struct vmo_admission_cost){ .stage_ns = copied - start, .map_ns = vmo_now_ns() - copied };
	return copied > start;
}

static bool measure(struct vmo_admission *admission)
{
	int fd = vmo_fault(admission_memory) ? -1 : (int)syscall(SYS_memfd_create, "vmonecopy", 1U /* MFD_CLOEXEC */);
	char *view = NULL, *user = scratch(-1, MAP_PRIVATE | MAP_ANONYMOUS);
	bool known = false;
	uint32_t first = 0;

	if (fd >= 0 && user && !ftruncate(fd, SCRATCH_BYTES))
		view = scratch(fd, MAP_SHARED);
	if (view) {
		known = true;
		for (int i = 0; known && i < VMO_ADMISSION_SIZES; first += VMO_ADMISSION_PAGES(i++))
			known = measure_pages(&admission->cost[i], fd, user, view, first, VMO_ADMISSION_PAGES(i));
		syscall(SYS_munmap, view, SCRATCH_BYTES);
	}
	if (user)
		syscall(SYS_munmap, user, SCRATCH_BYTES);
	if (fd >= 0)
		syscall(SYS_close, fd);
	return known;
}

void vmo_admission_setup(struct vmo_admission *admission, long n)
{
	memset(admission, 0, sizeof *admission);
	admission->n = n || measure(admission) ? n : N_UNKNOWN;
}

static uint32_t break_even(const struct vmo_admission *admission, int i)
{
	const struct vmo_admission_cost *cost = &admission->cost[i];
	uint64_t n = 1 + (cost->map_ns + cost->stage_ns - 1) / cost->stage_ns;

	return n < N_LEAST ? N_LEAST : n > n_most[i] ? n_most[i] : (uint32_t)n;
}

uint32_t vmo_admission_need(const struct vmo_admission *admission, uint64_t bytes)
{
	int64_t pages = (int64_t)(bytes >> VMO_PAGE_SHIFT);
	int i = 0;

	if (admission->n)
		return (uint32_t)admission->n;
	while (i < VMO_ADMISSION_SIZES && pages > VMO_ADMISSION_PAGES(i))
		i++;
	if (i == 0 || i == VMO_ADMISSION_SIZES)
		return break_even(admission, i ? LARGEST : 0);
	int64_t below = VMO_ADMISSION_PAGES(i - 1), above = VMO_ADMISSION_PAGES(i);
	int64_t from = break_even(admission, i - 1), to = break_even(admission, i);
	return (uint32_t)(from + (to - from) * (pages - below) / (above - below));
}

#define OUTLIER 4	/* times what is known: more the process was not running, perhaps */
#define INERTIA 4	/* one substitution's part is one in so many */

void vmo_admission_mapped(struct vmo_admission *admission, uint64_t bytes, uint64_t ns)
{
	uint64_t pages = bytes >> VMO_PAGE_SHIFT;
	int i = 0;

	if (admission->n || !pages)
		return;
	while (i < LARGEST && pages > 2 * VMO_ADMISSION_PAGES(i))
		i++;
	struct vmo_admission_cost *cost = &admission->cost[i];
	ns = ns * VMO_ADMISSION_PAGES(i) / pages;
	if (ns > OUTLIER * cost->map_ns)
		ns = OUTLIER * cost->map_ns;
	cost->map_ns = (cost->map_ns * (INERTIA - 1) + ns) / INERTIA;
}

/* The interior's entry; a new one in place of the longest unused one if it has none. */
static struct vmo_admission_entry *entry(struct vmo_admission *admission, uintptr_t begin, uintptr_t end)
{
	uint64_t hash = (begin >> VMO_PAGE_SHIFT) * 0x9e3779b97f4a7c15u ^ (end >> VMO_PAGE_SHIFT) * 0xc2b2ae3d27d4eb4fu;
	struct vmo_admission_entry *set = admission->set[hash >> 32 & (VMO_ADMISSION_SETS - 1)], *oldest = set;
	uint32_t now = admission->now;

	for (struct vmo_admission_entry *e = set; e < set + VMO_ADMISSION_WAYS; e++) {
		if (e->begin == begin && e->end == end) {
			e->last_use = now;
			return e;
		}
		if (now - e->last_use > now - oldest->last_use)
			oldest = e;
	}
	*oldest = (struct vmo_admission_entry){ begin, end, 0, vmo_admission_need(admission, end - begin), now, now };
	return oldest;
}

bool vmo_admission_sent(struct vmo_admission *admission, uintptr_t begin, uintptr_t end)
{
	struct vmo_admission_entry *e;

	admission->now++;
	e = entry(admission, begin, end);
	if (!e->sends)
		e->since = admission->now;
	if (e->sends < e->need)
		e->sends++;
	return e->sends >= e->need;
}

uint32_t vmo_admission_interval(struct vmo_admission *admission, uintptr_t begin, uintptr_t end)
{
	struct vmo_admission_entry *e = entry(admission, begin, end);

	return e->sends > 1 ? (admission->now - e->since) / (e->sends - 1) : 0;
}

void vmo_admission_ended(struct vmo_admission *admission, uintptr_t begin, uintptr_t end, uint32_t uses)
{
	struct vmo_admission_entry *e = entry(admission, begin, end);
	uint32_t most = admission->n > NEED_MOST ? (uint32_t)admission->n : NEED_MOST;
	uint32_t need = vmo_admission_need(admission, end - begin);
	uint32_t paid = !admission->n && need > USED_WELL ? need : USED_WELL;

	e->sends = 0;
	e->need = uses >= paid ? need : e->need * 2;
	if (e->need > most)
		e->need = most;
}

void vmo_admission_interrupted(struct vmo_admission *admission, uintptr_t begin, uintptr_t end)
{
	struct vmo_admission_entry *e = entry(admission, begin, end);

	e->sends = e->need;
	e->since = admission->now;
}

void vmo_admission_refused(struct vmo_admission *admission, uintptr_t begin, uintptr_t end)
{
	struct vmo_admission_entry *e = entry(admission, begin, end);

	e->sends = 0;
	e->need = NEED_REFUSED;
}

void vmo_admission_no_room(struct vmo_admission *admission, uintptr_t begin, uintptr_t end)
{
	entry(admission, begin, end)->sends = 0;
}
