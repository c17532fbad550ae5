/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * threadhook.h: does the program have threads?
 *
 * To put granted pages under memory its content is copied, then the pages are changed. What another thread
 * writes in between is lost. For a send buffer MPI forbids such writes; but the gaps of a derived datatype
 * are not the message's, and others may write there at any time. So messages with gaps go in place only
 * while the program has one thread (substitute.h).
 *
 * threadhook.c exports pthread_create and thrd_create from the preloaded library: each counts, and tells the
 * listener before the thread exists. Threads of the MPI and of its transports write no user memory; they are
 * told apart by when they are made (in MPI_Init) or by the library that their first function lies in (UCX stops
 * and starts its thread as it needs it).
 *
 * Not seen: clone(2) without libc. Whoever relies on this also compares the number of tasks in
 * /proc/self/task with that at the start.
 *
 * Threads: the listener runs in the creating thread; it may take locks and allocates nothing.
 */
#ifndef VMO_THREADHOOK_H
#define VMO_THREADHOOK_H

#include "vmo.h"

struct vmo_threadhook {
	uint32_t created;		/* atomic: threads ever made */
	uint32_t of_mpi;		/* of these, the MPI's own */
	bool in_init;			/* MPI_Init is under way: all are */
	void (*listener)(void);		/* a thread of the program is about to be made; NULL: nobody listens */
};

/* The one table of the process. Lives in libvmonecopy.so. */
extern struct vmo_threadhook vmo_threadhook_table;

#endif
