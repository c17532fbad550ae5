/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * admission.h: is it worth it to substitute this buffer?
 *
 * A buffer (its interior: whole pages, begin and end) earns its substitution by being sent `need`
 * times. need begins at n; where n is not given, n = 1 + ceil(cost of mapping its pages / cost of staging
 * once): having paid the one, the other must be saved that often to break even, so that what is spent is at
 * most twice what knowing the future would have spent. (The content is copied in either case.) n is 2 at least,
 * and at most 32 up to 64 KiB, 5 from 256 KiB on: staging costs the receiver, too, which is not measured, and
 * the more the larger a message is; and a short job shall get there.
 *
 * Both costs depend on the size: few pages are unmapped one by one, which a hypervisor may make dear, many at
 * once (Linux on x86-64: 34 and more). So they are measured at start for 64 KiB and 256 KiB; n of sizes
 * between lies between. What mapping then really takes moves what was measured: other cores are busy by then,
 * and must be told.
 *
 *   sent        sends + 1; earned when sends reach need
 *   ended       (late receiver, free, ...) sends = 0; if it was used seldom, need doubles, up to
 *               1024: always-late receivers and buffers that are freed after each send settle on staging
 *   interrupted (fork) earned again at the next send
 *   refused     (stack, file, ...) 4096 more sends before the memory is looked at again
 *   no room     sends = 0
 *   evicted     as ended: its pages were needed for others (subst_evict.c)
 *
 * The history is a hash table of 1024 entries in sets of four; the longest unused of a set gives way.
 * The clock counts sends of whole pages, in place or not; intervals and ages are in such sends.
 * Threads: the owner's lock. No malloc.
 */
#ifndef VMO_ADMISSION_H
#define VMO_ADMISSION_H

#include "vmo.h"

struct vmo_admission_entry {
	uintptr_t begin, end;
	uint32_t sends, need, last_use;
	uint32_t since;		/* the clock at the first of `sends` */
};

struct vmo_admission_cost { uint64_t stage_ns, map_ns; };	/* of one size */

#define VMO_ADMISSION_SIZES 2
#define VMO_ADMISSION_PAGES(i) (16u << 2 * (i))		/* of the i-th size */

#define VMO_ADMISSION_SETS 256
#define VMO_ADMISSION_WAYS 4

struct vmo_admission {
	long n;			/* given, or costs are not known; 0: by costs */
	struct vmo_admission_cost cost[VMO_ADMISSION_SIZES];
	uint32_t now;		/* the clock; the owner adds one for a send in place */
	struct vmo_admission_entry set[VMO_ADMISSION_SETS][VMO_ADMISSION_WAYS];
};

/* n = 0: measure (a millisecond or two). Forgets all history. */
void vmo_admission_setup(struct vmo_admission *admission, long n);

/* n for so many bytes. */
uint32_t vmo_admission_need(const struct vmo_admission *admission, uint64_t bytes);

/* To map so many bytes took so long. */
void vmo_admission_mapped(struct vmo_admission *admission, uint64_t bytes, uint64_t ns);

/* Counts a send. May the interior be substituted now? */
bool vmo_admission_sent(struct vmo_admission *admission, uintptr_t begin, uintptr_t end);

/* The mean distance between the sends that earned it so far; 0: there was only one. */
uint32_t vmo_admission_interval(struct vmo_admission *admission, uintptr_t begin, uintptr_t end);

/* A substitution that served `uses` sends ended. */
void vmo_admission_ended(struct vmo_admission *admission, uintptr_t begin, uintptr_t end, uint32_t uses);
void vmo_admission_interrupted(struct vmo_admission *admission, uintptr_t begin, uintptr_t end);
void vmo_admission_refused(struct vmo_admission *admission, uintptr_t begin, uintptr_t end);
void vmo_admission_no_room(struct vmo_admission *admission, uintptr_t begin, uintptr_t end);

#endif
