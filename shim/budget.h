/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * budget.h: how many pages may this process hold, and this whole VM? Once for granted pages, once for mapped ones.
 *
 *   process   budget->used <= budget->pages, one atomic number
 *   VM        the ledger: a byte of a file for each page that the VM may have; who locks it has the page
 *
 *     |####### rank 0 #######|.......|### rank 1 ###|..........|    F_OFD_SETLK; # locked, . free
 *     0                                                         pages
 *
 * The file is one that all processes of the VM have already (vmo_xen_common_file: gntalloc's device, or the
 * emulation's registry); nothing is ever written to it. Nobody makes or removes anything, processes of all users
 * count together, no privilege is needed, and the kernel gives a process's pages back when it ends, however it
 * does: after SIGKILL nothing is left and nothing leaks. The locks belong to the open file, as gntalloc's pages
 * do, so both also last as long as a forked child that has it.
 *
 * gntalloc has a limit for the VM, too. The ledger stays below it: a reserve for other users of grants and for what
 * is not counted here (channels, proofs at the start), and it counts mappings, for which there is none.
 *
 * Invariant: a page is taken in the ledger before the driver is asked for it, and given after the driver took it
 * back. Only what grows or shrinks comes here: no message does.
 * Threads: any function from any thread; the ledger has a lock, under which nothing else is called.
 * Not handled: containers with a device node of their own count by themselves (gntalloc's limit holds all the same).
 */
#ifndef VMO_BUDGET_H
#define VMO_BUDGET_H

#include "xen.h"

struct vmo_ledger;

enum vmo_ledger_kind { VMO_LEDGER_GRANTS, VMO_LEDGER_MAPS };

/*
 * The VM's account of so many pages of this kind. -errno: there is none (no such file, no such locks in this
 * kernel); then nothing is counted beyond the process.
 */
int vmo_ledger_new(struct vmo_ledger **out, struct vmo_xen *xen, enum vmo_ledger_kind kind, uint64_t pages);

/* Gives everything back. Safe with NULL. */
void vmo_ledger_free(struct vmo_ledger *ledger);

/* All or none: 0, or -ENOSPC. NULL: always 0. */
int vmo_ledger_take(struct vmo_ledger *ledger, uint32_t pages);

/* No more than was taken. */
void vmo_ledger_give(struct vmo_ledger *ledger, uint32_t pages);

/* Pages that nobody in the VM holds; UINT64_MAX for NULL. */
uint64_t vmo_ledger_free_pages(struct vmo_ledger *ledger);

struct vmo_budget {
	uint64_t pages;			/* of this process at most */
	uint64_t used;			/* atomic */
	struct vmo_ledger *ledger;	/* NULL: the process alone counts */
};

/* Room within the process's part. */
static inline uint64_t vmo_budget_room(const struct vmo_budget *budget)
{
	uint64_t used = __atomic_load_n(&budget->used, __ATOMIC_RELAXED);

	return used < budget->pages ? budget->pages - used : 0;
}

/* All or none: 0, or -ENOSPC. */
int vmo_budget_take(struct vmo_budget *budget, uint32_t pages);
void vmo_budget_give(struct vmo_budget *budget, uint32_t pages);

#endif
