/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "underlay.h"

#include "fault.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* NULL and errno. */
static char *map(uintptr_t at, size_t bytes, int flags)
{
	long address = syscall(SYS_mmap, at, bytes, PROT_READ | PROT_WRITE,
	                       MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	return address == -1 ? NULL : (char *)address;
}

static void unmap(char *address, size_t bytes)
{
	if (address)
		syscall(SYS_munmap, address, bytes);
}

int vmo_underlay_zero(uintptr_t at, size_t bytes)
{
	return !vmo_fault(zero_pages) && map(at, bytes, MAP_FIXED) ? 0 : -errno;
}

int vmo_underlay_copy(uintptr_t at, size_t bytes, const void *view)
{
	char *to = vmo_fault(copy_pages) ? NULL : map(at, bytes, MAP_FIXED | MAP_POPULATE);

	if (!to)
		return -errno;
	memcpy(to, view, bytes);
	return 0;
}

/* Where the view's byte is no longer the one that was copied, the user's gets the view's. */
static void carry_over(unsigned char *at, unsigned char copied, unsigned char late)
{
	/* Not if it was written once more, after the exchange. */
	if (copied != late)
		__atomic_compare_exchange_n(at, &copied, late, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static void settle_writes(uintptr_t at, size_t bytes, const char *view, const char *copied)
{
	for (size_t page = 0; page < bytes; page += VMO_PAGE_BYTES) {
		if (!memcmp(view + page, copied + page, VMO_PAGE_BYTES))
			continue;
		for (size_t i = page; i < page + VMO_PAGE_BYTES; i++)
			carry_over((unsigned char *)at + i, (unsigned char)copied[i], (unsigned char)view[i]);
	}
}

/* -1 and errno. */
static long move(char *from, size_t bytes, uintptr_t to)
{
	if (vmo_fault(swap_move))
		return -1;
	if (vmo_fault(swap_move_lost))
		return unmap((char *)to, bytes), -1;
	return syscall(SYS_mremap, from, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to) == -1 ? -1 : 0;
}

/*
 * A kernel that fails late, now or in an earlier attempt to put other pages there, has taken away what was there:
 * nobody can be reading it, so a copy will do. 0, or rc.
 */
static int mend_hole(uintptr_t at, size_t bytes, const void *view, int rc)
{
	bool hole = syscall(SYS_msync, at, bytes, MS_ASYNC) && errno == ENOMEM;

	return hole && !vmo_underlay_copy(at, bytes, view) ? 0 : rc;
}

int vmo_underlay_swap(uintptr_t at, size_t bytes, const void *view, bool settle)
{
	char *fresh = vmo_fault(swap_memory) ? NULL : map(0, bytes, MAP_POPULATE);
	char *copied = fresh && settle && !vmo_fault(swap_settle) ? map(0, bytes, MAP_POPULATE) : NULL;
	int rc = 0;

	if (!fresh)
		return mend_hole(at, bytes, view, -errno);
	memcpy(fresh, view, bytes);
	if (copied)
		memcpy(copied, fresh, bytes);
	if (move(fresh, bytes, at)) {
		rc = mend_hole(at, bytes, view, -errno);
		unmap(fresh, bytes);
	} else if (copied) {
		settle_writes(at, bytes, view, copied);
	}
	unmap(copied, bytes);
	return rc;
}

int vmo_underlay_mend(uintptr_t at, size_t bytes)
{
	char *kept = vmo_fault(mend_memory) ? NULL : map(0, bytes, MAP_POPULATE);
	int rc;

	if (!kept)
		return -errno;
	memcpy(kept, (const void *)at, bytes);
	rc = vmo_underlay_copy(at, bytes, kept);
	unmap(kept, bytes);
	return rc;
}
