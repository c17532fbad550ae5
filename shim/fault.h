/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fault.h: failures on purpose, in test builds alone.
 *
 *   if (vmo_fault(grant))           before the call that may fail: stands for its failure; errno is set
 *           return -errno;
 *
 * In the library that is installed vmo_fault() is the constant false: the compiler leaves nothing of it.
 * With -DVMO_FAULTS (make faults) it counts the visits of its point (faults.def), and the option
 *
 *   VMONECOPY_FAULT=<point>:<n>[+][:<errno>]    the n-th visit fails, or with + every one from the n-th on
 *   VMONECOPY_FAULT=count                       none fails
 *
 * chooses one point of this process; errno by name or number, else the point's usual one. The first failure
 * is told at once; at its end the process tells which points it came to, and what it never tried to give back:
 *
 *   vmonecopy fault[rank]: <id> fails at visit <n>
 *   vmonecopy fault[rank]: point <id> visits <n> fired <n>
 *   vmonecopy fault[rank]: left granted_pages <n> mapped_pages <n> ports <n>
 *
 * so that a fault that was never reached cannot pass for one that was survived (tests/faults/run.py).
 * Threads: any; the counts are atomic. No malloc, no lock.
 * Not handled: several points at once; functions of MPI that fail on one rank of a collective call.
 */
#ifndef VMO_FAULT_H
#define VMO_FAULT_H

#include <stdbool.h>

enum vmo_fault_point {
#define X(id, error, meaning) VMO_FAULT_##id,
#include "faults.def"
#undef X
	VMO_FAULT_POINTS
};

/* What a process holds of Xen, in pages or pieces. */
enum vmo_fault_held { VMO_HELD_granted_pages, VMO_HELD_mapped_pages, VMO_HELD_ports, VMO_HELDS };

#ifdef VMO_FAULTS
bool vmo_fault_at(enum vmo_fault_point point);
void vmo_fault_holds(enum vmo_fault_held what, long n);
#else
static inline bool vmo_fault_at(enum vmo_fault_point point)
{
	return false;
}

static inline void vmo_fault_holds(enum vmo_fault_held what, long n)
{
}
#endif

#define vmo_fault(id) vmo_fault_at(VMO_FAULT_##id)
#define vmo_held(what, n) vmo_fault_holds(VMO_HELD_##what, n)

#endif
