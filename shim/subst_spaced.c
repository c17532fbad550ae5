/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "subst_internal.h"

#include "memarea.h"
#include "stats.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>

/* Threads of this process, by the number of links of their folder; 0: not known. */
static unsigned long tasks_now(void)
{
	struct stat task;

	return stat("/proc/self/task", &task) ? 0 : (unsigned long)task.st_nlink;
}

static uint32_t made_by_mpi(const struct vmo_threadhook *threads)
{
	return __atomic_load_n(&threads->of_mpi, __ATOMIC_RELAXED);
}

static bool any_left(const struct vmo_subst *s)
{
	for (uint32_t i = 0; i < s->table.count; i++)
		if (s->table.at[i].block)
			return true;
	return false;
}

/* Whatever this process's threads do. */
static bool others_write(const struct vmo_subst *s)
{
	return s->windows || !vmo_memarea_quiet();
}

/*
 * A thread is about to be made. All associations end while nobody else can write: the last moment for
 * ranges with gaps. A thread that is made by another than the owner: there are threads already. Where others write they
 * stay in place, and are not detached: their receivers come first.
 */
static void on_thread(void)
{
	struct vmo_subst *s = &vmo_subst_the_one;

	if (__atomic_load_n(&s->crowded, __ATOMIC_RELAXED) || s->owner != (uintptr_t)pthread_self())
		return;
	vmo_subst_lock();
	__atomic_store_n(&s->crowded, true, __ATOMIC_RELAXED);
	if (s->enabled && s->spaced && !others_write(s)) {
		vmo_count(thread_releases, vmo_subst_end_all(s, VMO_WHY_FORK));
		s->apart = !any_left(s);
	}
	vmo_subst_unlock();
}

void vmo_subst_count_threads(struct vmo_subst *s, struct vmo_threadhook *threads)
{
	s->spaced = s->apart = s->windows = false;
	s->tasks = tasks_now();
	s->owner = (uintptr_t)pthread_self();
	s->crowded = true;
	if (!s->tasks || !threads)
		return;
	s->of_mpi = made_by_mpi(threads);
	s->crowded = __atomic_load_n(&threads->created, __ATOMIC_RELAXED) != s->of_mpi;
	__atomic_store_n(&threads->listener, on_thread, __ATOMIC_RELEASE);
}

void vmo_subst_forget_threads(struct vmo_subst *s)
{
	if (s->hook->threads)
		__atomic_store_n(&s->hook->threads->listener, NULL, __ATOMIC_RELEASE);
}

bool vmo_subst_may_space(const struct vmo_subst *s)
{
	return s->enabled && !s->crowded && s->owner == (uintptr_t)pthread_self();
}

bool vmo_subst_alone(struct vmo_subst *s)
{
	if (!vmo_subst_may_space(s))
		return false;
	if (tasks_now() > s->tasks + made_by_mpi(s->hook->threads) - s->of_mpi)
		__atomic_store_n(&s->crowded, true, __ATOMIC_RELAXED);
	return !s->crowded;
}

bool vmo_subst_undisturbed(struct vmo_subst *s)
{
	return vmo_subst_alone(s) && !others_write(s);
}

void vmo_subst_windows(struct vmo_subst *s)
{
	vmo_subst_lock();
	s->windows = true;
	vmo_subst_unlock();
}

/* The pages change under the gaps: no handler of the program's may write there meanwhile. */
static int prepare_alone(struct vmo_subst *s, struct vmo_pool *pool, uintptr_t begin, uintptr_t end,
                         struct vmo_piece *pieces, int most)
{
	sigset_t all, before;

	if (!vmo_subst_alone(s))
		return 0;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	s->gaps = true;		/* vmo_subst_fill looks once more who could write there */
	int n = vmo_subst_prepare(s, pool, begin, end - begin, pieces, most);
	s->gaps = false;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return n;
}

int vmo_subst_prepare_spaced(struct vmo_subst *s, struct vmo_pool *pool, uintptr_t address, size_t bytes,
                             struct vmo_piece *pieces, int most)
{
	uintptr_t begin = vmo_page_up(address), end = vmo_page_down(address + bytes);

	if (begin >= end || end - begin > UINT32_MAX || most < 1 || !vmo_subst_may_space(s))
		return 0;
	if (most > VMO_SUBST_PIECES_MOST)
		most = VMO_SUBST_PIECES_MOST;
	vmo_subst_lock();
	s->spaced = true;
	int n = vmo_subst_in_place(s, pool, begin, end, pieces, most);
	if (!n)
		n = prepare_alone(s, pool, begin, end, pieces, most);
	vmo_subst_unlock();
	return n;
}

int vmo_subst_detach_spaced(struct vmo_subst *s, uintptr_t address, size_t bytes)
{
	sigset_t all, before;
	int rc = 0;

	sigfillset(&all);
	vmo_subst_lock();
	if (!s->apart && !vmo_subst_undisturbed(s)) {	/* somebody may write where pages would change: the receiver comes first */
		rc = -EBUSY;
	} else if (!s->apart) {	/* else it was detached before the thread was made */
		pthread_sigmask(SIG_SETMASK, &all, &before);
		rc = vmo_subst_detach(s, address, bytes);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	vmo_subst_unlock();
	return rc;
}
