/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A full pool: which substituted buffer gives its pages to others?
 *
 *   age  sends (of any buffer) since the buffer's last one; the oldest leaves first
 *
 *   a buffer wants to be in place   only what is older than twice the time in which that one comes again
 *   a message wants to be staged    the oldest, whatever its age: without room it would fall through
 *
 * The victim is not being sent, so its program may write to it. As long as that has one thread, which is here, and
 * its signals are held off, these could, whatever the thread does; nothing leaves where one of them is seen
 * (vmo_subst_undisturbed):
 *
 *   the kernel, for a device        what it was asked to read arrives in the pages of then: asynchronous input and output,
 *                                   pinned pages
 *   another process, by a window    MPI_Put into memory that the program named (MPI_Win_create)
 *   another process, into a posted  cross-memory attach: what comes between the copy and the exchange of the pages is
 *   receive                         carried over (underlay.h, settle). Not handled: what has its pages before the
 *                                   exchange and writes after that, where a transport writes rather than reads
 *
 * A block's pages come free when all associations with it have ended, so these end together.
 */
#include "subst_internal.h"

#include "stats.h"

#include <pthread.h>
#include <signal.h>

uint32_t vmo_subst_age(const struct vmo_subst *s, const struct vmo_assoc *a)
{
	return s->admission.now - a->last_use;
}

static bool may_leave(const struct vmo_subst *s, const struct vmo_eviction *wish, const struct vmo_assoc *a)
{
	return a->block && a->block->pool == wish->pool && vmo_subst_age(s, a) > wish->age &&
	       (a->end <= wish->begin || a->begin >= wish->end);
}

/* Has the block more references than its associations hold? They alone come under the lock that we hold. */
bool vmo_subst_in_transfer(const struct vmo_subst *s, const struct vmo_block *block)
{
	uint32_t refs = __atomic_load_n(&block->refs, __ATOMIC_ACQUIRE), parts = 0;

	if (refs == 1)
		return false;
	for (const struct vmo_assoc *a = s->table.at; a < s->table.at + s->table.count; a++)
		parts += a->block == block;
	return refs != parts;
}

/* The oldest one that is not older than `most`. */
static const struct vmo_assoc *oldest(const struct vmo_subst *s, const struct vmo_eviction *wish, uint32_t most)
{
	const struct vmo_assoc *best = NULL;

	for (const struct vmo_assoc *a = s->table.at; a < s->table.at + s->table.count; a++)
		if (may_leave(s, wish, a) && vmo_subst_age(s, a) <= most && (!best || vmo_subst_age(s, a) > vmo_subst_age(s, best)))
			best = a;
	return best;
}

static struct vmo_block *find_victim(const struct vmo_subst *s, const struct vmo_eviction *wish)
{
	const struct vmo_assoc *a = oldest(s, wish, UINT32_MAX);

	while (a && vmo_subst_in_transfer(s, a->block))
		a = oldest(s, wish, vmo_subst_age(s, a) - 1);	/* what was sent with it is in transfer, too */
	return a ? a->block : NULL;
}

/* What the pool has free and what may leave it. */
static bool enough(const struct vmo_subst *s, const struct vmo_eviction *wish)
{
	struct vmo_pool_usage usage = vmo_pool_usage((struct vmo_pool *)(uintptr_t)wish->pool);
	uint64_t pages = usage.pages - usage.pages_taken;

	for (const struct vmo_assoc *a = s->table.at; a < s->table.at + s->table.count && pages < wish->pages; a++)
		if (may_leave(s, wish, a) && !vmo_subst_in_transfer(s, a->block))
			pages += vmo_assoc_pages(a);
	return pages >= wish->pages;
}

unsigned vmo_subst_evict_block(struct vmo_subst *s, const struct vmo_block *block)
{
	unsigned buffers = 0;
	sigset_t all, before;
	int ignored = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (uint32_t i = 0; i < s->table.count;) {
		struct vmo_assoc a = s->table.at[i];
		uint32_t count = s->table.count;

		if (a.block == block)
			buffers += vmo_subst_release(s, a.begin, a.end, VMO_HOW_SWAP, VMO_WHY_ROOM, &ignored);
		i += s->table.count == count;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return buffers;
}

bool vmo_subst_evict_one(struct vmo_subst *s, const struct vmo_eviction *wish)
{
	struct vmo_block *block;
	bool left;

	if (!vmo_subst_may_space(s) || !enough(s, wish) || !(block = find_victim(s, wish)) || !vmo_subst_undisturbed(s))
		return false;
	left = vmo_subst_evict_block(s, block) > 0;
	vmo_count(evicted_buffers, left);
	return left;
}

int vmo_subst_evict(struct vmo_subst *s, const struct vmo_pool *pool, uint32_t pages)
{
	const struct vmo_eviction wish = { .pool = pool, .pages = pages };
	int rc;

	if (!vmo_subst_may_space(s))
		return 0;
	vmo_subst_lock();
	rc = vmo_subst_evict_one(s, &wish);
	vmo_subst_unlock();
	return rc;
}
