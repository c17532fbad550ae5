/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "assoc.h"

#include "fault.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Values that are torn, because the table changes meanwhile, give a wrong index but no wild access. */
static uint32_t search(const struct vmo_assoc_table *table, uintptr_t address)
{
	uint32_t low = 0, high = __atomic_load_n(&table->count, __ATOMIC_RELAXED);

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (__atomic_load_n(&table->at[middle].end, __ATOMIC_RELAXED) > address)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

uint32_t vmo_assoc_find(struct vmo_assoc_table *table, uintptr_t address)
{
	const struct vmo_assoc *last = &table->at[table->last];

	if (table->last < table->count && last->begin <= address && address < last->end)
		return table->last;
	return table->last = search(table, address);
}

/*
 * A changer moves a few kilobytes and calls nothing, so the wait is short; it sleeps at last, for
 * the case that the changer has a lower real-time priority and needs this processor.
 */
static void wait_a_little(unsigned turn)
{
	const struct timespec a_moment = { 0, 20000 };

	if (turn > 1000)
		syscall(SYS_nanosleep, &a_moment, NULL);
	else if (turn > 100)
		syscall(SYS_sched_yield);
}

bool vmo_assoc_overlaps(const struct vmo_assoc_table *table, uintptr_t begin, uintptr_t end)
{
	for (unsigned turn = 0;; turn++) {
		uint32_t version = __atomic_load_n(&table->version, __ATOMIC_ACQUIRE), i;
		bool found;

		if (version & 1) {
			if (__atomic_load_n(&table->changer, __ATOMIC_RELAXED) == (uintptr_t)pthread_self())
				return false;	/* a signal handler within a change: waiting would be for ever */
			wait_a_little(turn);
			continue;
		}
		i = search(table, begin);
		found = i < __atomic_load_n(&table->count, __ATOMIC_RELAXED) &&
		        __atomic_load_n(&table->at[i].begin, __ATOMIC_RELAXED) < end;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&table->version, __ATOMIC_RELAXED) == version)
			return found;
	}
}

static void change_begin(struct vmo_assoc_table *table)
{
	__atomic_store_n(&table->changer, (uintptr_t)pthread_self(), __ATOMIC_RELAXED);
	__atomic_store_n(&table->version, table->version + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static void change_end(struct vmo_assoc_table *table)
{
	__atomic_store_n(&table->version, table->version + 1, __ATOMIC_RELEASE);
}

/* What vmo_assoc_overlaps may read meanwhile is stored as it is read: atomically. */
static void put_range(struct vmo_assoc *entry, uintptr_t begin, uintptr_t end)
{
	__atomic_store_n(&entry->begin, begin, __ATOMIC_RELAXED);
	__atomic_store_n(&entry->end, end, __ATOMIC_RELAXED);
}

static void put(struct vmo_assoc *to, const struct vmo_assoc *from)
{
	put_range(to, from->begin, from->end);
	to->block = from->block;
	to->first = from->first;
	to->uses = from->uses;
	to->last_use = from->last_use;
	to->origin_begin = from->origin_begin;
	to->origin_end = from->origin_end;
}

/* Moves at[from..] to at[to..], its neighbour. */
static void shift(struct vmo_assoc_table *table, uint32_t from, uint32_t to)
{
	if (to < from)
		for (uint32_t i = from; i < table->count; i++)
			put(&table->at[i - 1], &table->at[i]);
	else
		for (uint32_t i = table->count; i > from; i--)
			put(&table->at[i], &table->at[i - 1]);
	__atomic_store_n(&table->count, table->count + to - from, __ATOMIC_RELAXED);
}

int vmo_assoc_insert(struct vmo_assoc_table *table, const struct vmo_assoc *assoc)
{
	uint32_t i = search(table, assoc->begin);

	if (table->count == VMO_ASSOC_MOST)
		return -ENOSPC;
	change_begin(table);
	shift(table, i, i + 1);
	put(&table->at[i], assoc);
	table->last = i;
	change_end(table);
	return 0;
}

void vmo_assoc_remove(struct vmo_assoc_table *table, uint32_t index)
{
	change_begin(table);
	shift(table, index + 1, index);
	change_end(table);
}

int vmo_assoc_cut(struct vmo_assoc_table *table, uintptr_t address)
{
	uint32_t i = search(table, address);
	struct vmo_assoc *low = &table->at[i], *high = low + 1;

	if (i == table->count || low->begin >= address)
		return 0;
	if (table->count == VMO_ASSOC_MOST || vmo_fault(assoc_cut))
		return -ENOSPC;
	change_begin(table);
	shift(table, i, i + 1);
	put_range(high, address, high->end);
	put_range(low, low->begin, address);
	high->first = low->first + (uint32_t)((address - low->begin) >> VMO_PAGE_SHIFT);
	change_end(table);
	return 1;
}
