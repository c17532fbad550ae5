/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "subst_internal.h"

#include "log.h"
#include "memarea.h"
#include "regcache.h"
#include "stats.h"
#include "underlay.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

/* Static: a listener in another thread may still look at it while it is being freed. */
struct vmo_subst vmo_subst_the_one;

/* A lock that bears recursion: hooks may be called by what is called under it. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static uintptr_t lock_owner;
static unsigned lock_depth;

void vmo_subst_lock(void)
{
	uintptr_t self = (uintptr_t)pthread_self();

	if (__atomic_load_n(&lock_owner, __ATOMIC_RELAXED) != self) {
		pthread_mutex_lock(&mutex);
		__atomic_store_n(&lock_owner, self, __ATOMIC_RELAXED);
	}
	lock_depth++;
}

void vmo_subst_unlock(void)
{
	if (--lock_depth)
		return;
	__atomic_store_n(&lock_owner, 0, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&mutex);
}

/* The pages of `a` within [begin, end) as a piece; no reference yet. */
static struct vmo_piece piece_of(const struct vmo_assoc *a, uintptr_t begin, uintptr_t end)
{
	uintptr_t to = a->end < end ? a->end : end;

	return (struct vmo_piece){
		.block = a->block,
		.offset = (uint32_t)((size_t)a->first * VMO_PAGE_BYTES + (begin - a->begin)),
		.bytes = (uint32_t)(to - begin),
	};
}

/* The pieces if a chain of this pool's associations covers all of [begin, end), else 0. */
int vmo_subst_in_place(struct vmo_subst *s, const struct vmo_pool *pool, uintptr_t begin, uintptr_t end,
                       struct vmo_piece *pieces, int most)
{
	struct vmo_assoc_table *t = &s->table;
	uint32_t first = vmo_assoc_find(t, begin), i = first;
	int n = 0;

	for (; begin < end; i++, n++) {
		const struct vmo_assoc *a = &t->at[i];

		if (i >= t->count || a->begin > begin || !a->block || a->block->pool != pool || n == most)
			return 0;
		pieces[n] = piece_of(a, begin, end);
		begin = a->end;
	}
	if (n)
		s->admission.now++;
	for (int k = 0; k < n; k++) {
		t->at[first + (uint32_t)k].uses++;
		t->at[first + (uint32_t)k].last_use = s->admission.now;
		vmo_block_hold(pieces[k].block);
	}
	return n;
}

/* The lock of the child after fork is nobody's. */
void vmo_subst_reset_lock(void)
{
	mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	lock_owner = 0;
	lock_depth = 0;
}

int vmo_subst_prepare(struct vmo_subst *s, struct vmo_pool *pool, uintptr_t address, size_t bytes,
                      struct vmo_piece *pieces, int most)
{
	uintptr_t begin = vmo_page_up(address), end = vmo_page_down(address + bytes);
	int n, rc;

	if (begin >= end || end - begin > UINT32_MAX || most < 1 || !s->enabled)
		return 0;
	if (most > VMO_SUBST_PIECES_MOST)
		most = VMO_SUBST_PIECES_MOST;
	vmo_subst_lock();
	n = vmo_subst_in_place(s, pool, begin, end, pieces, most);
	if (!n) {
		rc = vmo_subst_fill(s, pool, begin, end, most);
		n = rc ? rc : vmo_subst_in_place(s, pool, begin, end, pieces, most);
	}
	vmo_subst_unlock();
	return n;
}

int vmo_subst_detach(struct vmo_subst *s, uintptr_t address, size_t bytes)
{
	uintptr_t begin = vmo_page_up(address), end = vmo_page_down(address + bytes);
	int rc = 0;

	if (begin >= end || !s->enabled)
		return 0;
	vmo_subst_lock();
	if (vmo_assoc_overlaps(&s->table, begin, end) && vmo_subst_move(s, begin, end) &&
	    vmo_subst_release(s, begin, end, VMO_HOW_SWAP, VMO_WHY_LATE, &rc))
		vmo_count(detaches, 1);
	vmo_subst_unlock();
	return rc;
}

int vmo_subst_forget(struct vmo_subst *s, uintptr_t address, size_t bytes)
{
	uintptr_t begin = vmo_page_up(address), end = vmo_page_down(address + bytes);
	unsigned buffers = 0;
	int rc = 0;

	if (end < address || begin >= end || !s->enabled)
		return 0;
	vmo_subst_lock();
	if (vmo_assoc_overlaps(&s->table, begin, end))
		buffers = vmo_subst_release(s, begin, end, VMO_HOW_SWAP, VMO_WHY_HOOK, &rc);
	vmo_subst_unlock();
	return rc ? rc : buffers > 0;
}

/* ---- the hooks' listener ---- */

static uintptr_t sum_or_most(uintptr_t address, size_t bytes)
{
	return address + bytes < address ? UINTPTR_MAX - VMO_PAGE_BYTES : address + bytes;
}

/*
 * Whole pages of memory that is freed need no content; parts of pages may be a neighbour's. What
 * munmap takes gets private pages first, too: should it fail, nobody is left on pages of the pool.
 */
static unsigned end_range(struct vmo_subst *s, uintptr_t address, uintptr_t end, enum vmo_release how)
{
	uintptr_t from = vmo_page_up(address), to = vmo_page_down(end);
	unsigned buffers = 0;
	int ignored;

	if (how == VMO_RELEASE_DISCARD && from < to)
		buffers = vmo_subst_release(s, from, to, VMO_HOW_ZERO, VMO_WHY_HOOK, &ignored);
	return buffers + vmo_subst_release(s, vmo_page_down(address), vmo_page_up(end),
	                                   how == VMO_RELEASE_UNMAP ? VMO_HOW_ZERO : VMO_HOW_COPY, VMO_WHY_HOOK, &ignored);
}

/* One mapping of private pages, if that is what it would be without this library. */
static void mend(const struct vmo_subst *s, uintptr_t address, uintptr_t end)
{
	end = vmo_page_up(end);
	if (address % VMO_PAGE_BYTES == 0 && address < s->once_end && end > s->once_begin && vmo_memarea_allows(address, end)) {
		vmo_underlay_mend(address, end - address);
		vmo_regcache_tell(address, end - address);
	}
}

static void on_release(uintptr_t address, size_t bytes, enum vmo_release how)
{
	struct vmo_subst *s = &vmo_subst_the_one;
	uintptr_t end = sum_or_most(address, bytes);

	if (how == VMO_RELEASE_MEND) {
		vmo_subst_lock();
		mend(s, address, end);
		vmo_subst_unlock();
		return;
	}
	if (!vmo_assoc_overlaps(&s->table, vmo_page_down(address), vmo_page_up(end)))
		return;
	vmo_subst_lock();
	if (s->enabled && how == VMO_RELEASE_CHECK)
		vmo_count(hook_releases, vmo_subst_verify(s, address, end, false) == 0);
	else if (s->enabled)
		vmo_count(hook_releases, end_range(s, address, end, how));
	vmo_subst_unlock();
}

unsigned vmo_subst_end_all(struct vmo_subst *s, enum vmo_subst_why why)
{
	int error = 0;
	unsigned buffers = vmo_subst_release(s, 0, vmo_page_down(UINTPTR_MAX), VMO_HOW_SWAP, why, &error);

	if (error)
		vmo_warn("cannot put private pages under all buffers: %s%s", strerror(-error),
		         why == VMO_WHY_FORK ? "; the forked child shares the rest with its parent" : "");
	return buffers;
}

void vmo_subst_expect(struct vmo_subst *s, uintptr_t address, size_t bytes)
{
	vmo_subst_lock();
	if (s->enabled)
		vmo_admission_interrupted(&s->admission, vmo_page_up(address), vmo_page_down(address + bytes));
	vmo_subst_unlock();
}

/* ---- begin and end ---- */

static bool can_hook(const struct vmo_subst_options *options)
{
	if (!options->enable)
		return false;
	if (options->hook && options->hook->effective && options->hook->effective())
		return true;
	vmo_info("no substitution: the program's free, munmap and their like are not this library's");
	return false;
}

int vmo_subst_new(struct vmo_subst **out, const struct vmo_subst_options *options)
{
	struct vmo_subst *s = &vmo_subst_the_one;
	bool can = can_hook(options);
	int rc = can && options->fork_hook ? vmo_subst_hook_fork() : 0;

	if (can)
		vmo_regcache_find();
	vmo_subst_lock();
	if (s->in_use)
		rc = -EBUSY;
	if (!rc) {
		s->in_use = true;
		s->table.count = 0;
		memset(s->tidied, 0, sizeof s->tidied);
		s->hook = options->hook;
		s->fork_hook = options->fork_hook;
		if (can) {
			vmo_admission_setup(&s->admission, options->admission);
			__atomic_store_n(&s->hook->listener, on_release, __ATOMIC_RELEASE);
			vmo_subst_count_threads(s, options->hook->threads);
		}
		s->enabled = can;
		*out = s;
	}
	vmo_subst_unlock();
	return rc;
}

void vmo_subst_free(struct vmo_subst *s)
{
	if (!s)
		return;
	vmo_subst_lock();
	if (s->enabled) {
		vmo_subst_end_all(s, VMO_WHY_END);
		s->enabled = false;
		s->table.count = 0;	/* scars, and what could not be detached */
		vmo_subst_watch(s);
		__atomic_store_n(&s->hook->listener, NULL, __ATOMIC_RELEASE);
		vmo_subst_forget_threads(s);
	}
	s->in_use = false;
	vmo_subst_unlock();
}

/* ---- for the checked mode, tests and reports ---- */

int vmo_subst_check(struct vmo_subst *s, uintptr_t address, size_t bytes)
{
	int rc = 1;

	vmo_subst_lock();
	if (s->enabled)
		rc = vmo_subst_verify(s, address, sum_or_most(address, bytes), true);
	vmo_subst_unlock();
	return rc;
}

struct vmo_subst_usage vmo_subst_usage(struct vmo_subst *s)
{
	struct vmo_subst_usage usage = { 0 };

	vmo_subst_lock();
	usage.need = vmo_admission_need(&s->admission, 1 << 20);
	for (const struct vmo_assoc *a = s->table.at; a < s->table.at + s->table.count; a++) {
		usage.associations += a->block != NULL;
		usage.pages += a->block ? vmo_assoc_pages(a) : 0;
		usage.scars += !a->block;
	}
	vmo_subst_unlock();
	return usage;
}
