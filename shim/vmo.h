/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmo.h: the map of libvmonecopy. Read this first.
 *
 * An MPI program is started with LD_PRELOAD=libvmonecopy.so. Where two of its ranks sit in two
 * virtual machines (Xen domains) of one host, a large message crosses by one copy, from the
 * sender's buffer to the receiver's buffer, through Xen grant tables. All else falls through,
 * untouched, to the MPI underneath.
 *
 * FLOORS (a file includes only its own floor and those below)
 *
 *   6  entry_<cpu>.S bind.c            exported MPI_X = PMPI_X; which MPI is this process's?
 *      api.c                           what programs ask (include/vmonecopy.h)
 *      memhook.c threadhook.c          exported free, munmap, ...: when do pages change hands? threads?
 *      pmixhook.c                      exported PMIx_Commit: what a rank tells the others by the launcher
 *   5  mpi_*.c mpi_shim.h              the MPI calls; compiled once per MPI flavour
 *      mpi_coll.h mpi_coll_*.c         collectives, made of the same transfers
 *   4  wire.h channel rndv peer        the protocol: shared pages, one transfer, who is co-resident
 *      progress giveback               how to wait; unused pages go back
 *   3  pool substitute mapcache        who is granted, what is mapped, and when it ends
 *      regcache                        others who remember pages are told of it
 *      budget                          how much of either, of this process and of the VM
 *   2  xen                             libxengnttab and libxenevtchn, found at run time
 *      kvs_pmi1 kvs_pmix               the launcher's key-value space: who has the library? (mpi_muster.c)
 *   0  vmo.h log config stats shape    knows neither MPI nor Xen
 *      hash fault fnv flow report mistakes
 *      *.def
 *
 *   libvmonecopy.so       floor 6: the one file that the user preloads; NEEDED: libc alone
 *   libvmonecopy-<mpi>.so floors 0 to 5, loaded by bind.c when that MPI is in the process
 *
 * THE LIFE OF ONE MESSAGE (warm: no system call beyond those of MPI's own small message)
 *
 *   sender rank, domain A                               receiver rank, domain B
 *   MPI_Send(buf, 4 MiB)            mpi_send.c          MPI_Recv(buf2)               mpi_recv.c
 *     big enough? peer co-resident? mpi_comm.c            PMPI_Recv: matching is MPI's own
 *     buf's pages are granted pages substitute.c
 *     fill a slot of the channel    rndv.c
 *     PMPI_Isend(RTS, 64 bytes) ------ same comm+tag -->  what came is an RTS, not data
 *                                                         its run is already mapped  mapcache.c
 *                                                         memcpy: THE ONE COPY       rndv.c
 *     slot says done: return       <-- a store ---------  slot.done, mend MPI_Status
 *
 * WORDS
 *   domid    number of a Xen domain (VM) on its host
 *   gref     grant reference: names one granted page of one domain
 *   run      pages allocated and granted to one peer domain in one go; unit of mapping
 *   pool     all runs for one peer domain
 *   block    contiguous pages of a run, taken for one use, reference counted
 *   extent   (run, offset, length): a piece of one message
 *   substitute  put pool pages under the user's buffer, same address, same content
 *   detach   put private pages back under it; the run keeps the message
 *   stage    copy into pool pages instead: two copies, counted as such
 *   channel  the shared control pages from one rank to another; an array of slots
 *   slot     the shared record of one transfer
 *   shape    where the bytes of a message lie, if not in one piece; made of strips
 *   RTS, FIN rendezvous: request to send; finished
 *   fall through  let the MPI underneath do it, with a counted reason
 *
 * STATUS CODES: functions return 0 or a positive count, or -errno. Outputs are set only on success.
 * The function that decides that something is an error logs it; callers propagate.
 * Nothing in this library ends, aborts or asserts.
 */
#ifndef VMO_H
#define VMO_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

#define VMO_VERSION "0.1.0"

#define VMO_PAGE_SHIFT 12
#define VMO_PAGE_BYTES ((size_t)1 << VMO_PAGE_SHIFT)	/* Xen grants 4 KiB pages (xen/grant_table.h) */

#define vmo_likely(x)   __builtin_expect(!!(x), 1)
#define vmo_unlikely(x) __builtin_expect(!!(x), 0)

#define VMO_HIDDEN __attribute__((visibility("hidden")))
#define VMO_EXPORT __attribute__((visibility("default")))

static inline uintptr_t vmo_page_down(uintptr_t address)
{
	return address & ~(uintptr_t)(VMO_PAGE_BYTES - 1);
}

static inline uintptr_t vmo_page_up(uintptr_t address)
{
	return vmo_page_down(address + VMO_PAGE_BYTES - 1);
}

/* Pages needed for so many bytes. */
static inline size_t vmo_pages(size_t bytes)
{
	return (bytes + VMO_PAGE_BYTES - 1) >> VMO_PAGE_SHIFT;
}

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t vmo_now_ns(void);

#endif
