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
#define USED_WELL 16		/* sends in place after which a substitution has paid for itself */
#define N_LEAST 2
#define N_MOST 5		/* MPICH's rule for XPMEM; staging costs the receiver too, which is not measured */
#define SCRATCH_BYTES (32 * VMO_PAGE_BYTES)

static char *scratch(int fd, int flags)
{
	long address = syscall(SYS_mmap, NULL, SCRATCH_BYTES, PROT_READ | PROT_WRITE, flags | MAP_POPULATE, fd, 0);

	return address == -1 ? NULL : (char *)address;
}

/* Both costs on pages that exist already, as a pool's do. The second round counts: caches are warm. */
static long measure_on(int fd, char *user, char *view)
{
	uint64_t start = 0, copied = 0, placed = 0;

	for (int round = 0; round < 2; round++) {
		start = vmo_now_ns();
		memcpy(view, user, SCRATCH_BYTES);
		copied = vmo_now_ns();
		if (round && syscall(SYS_mmap, user, SCRATCH_BYTES, PROT_READ | PROT_WRITE,
		                     MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, 0) == -1)
			return N_MOST;
		placed = vmo_now_ns();
	}
	if (copied <= start)
		return N_MOST;
	return 1 + (long)((placed - start + copied - start - 1) / (copied - start));
}

static long measure(void)
{
	int fd = vmo_fault(admission_memory) ? -1 : (int)syscall(SYS_memfd_create, "vmonecopy", 1U /* MFD_CLOEXEC */);
	char *view = NULL, *user = scratch(-1, MAP_PRIVATE | MAP_ANONYMOUS);
	long n = N_MOST;

	if (fd >= 0 && user && !ftruncate(fd, SCRATCH_BYTES))
		view = scratch(fd, MAP_SHARED);
	if (view)
		n = measure_on(fd, user, view);
	if (view)
		syscall(SYS_munmap, view, SCRATCH_BYTES);
	if (user)
		syscall(SYS_munmap, user, SCRATCH_BYTES);
	if (fd >= 0)
		syscall(SYS_close, fd);
	return n < N_LEAST ? N_LEAST : n > N_MOST ? N_MOST : n;
}

void vmo_admission_setup(struct vmo_admission *admission, long n)
{
	memset(admission, 0, sizeof *admission);
	admission->n = n > 0 ? n : measure();
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
	*oldest = (struct vmo_admission_entry){ begin, end, 0, (uint32_t)admission->n, now, now };
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

	e->sends = 0;
	e->need = uses >= USED_WELL ? (uint32_t)admission->n : e->need * 2;
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
