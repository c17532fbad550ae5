/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmonecopy.h: what a program may ask libvmonecopy, and tell it. No program needs this.
 *
 *   vmonecopy_version, vmonecopy_version_string    which library is this?
 *   vmonecopy_active                               does it carry messages of this process? If not, why?
 *   vmonecopy_get_counters                         what did it do so far, in this process?
 *   vmonecopy_prefer, vmonecopy_forget             hints: this buffer will be sent often; no more
 *
 * No library is named when the program is linked, and <mpi.h> is not needed. The functions below are inline, over weak
 * symbols that libvmonecopy.so defines: a program started with it in LD_PRELOAD reaches them, started without it gets the
 * answers of a library that is not there (0, ""). So a program that gives hints runs unchanged anywhere.
 *
 * Compilers: GCC, any way of linking; clang, position-independent (its default nearly everywhere) or with -fno-plt:
 * otherwise the answers are those of a library that is not there. Fortran: tools/examples/vmonecopy.f90. A static
 * program has no preloaded libraries.
 *
 * ABI: that of the symbols vmonecopy1_*, and stays: a program compiled with this header works with every later library
 * that exports them. What may grow is struct vmonecopy_counters, and its `size` says by how much.
 *
 * Why no MPI_T variables: MPI 4.0, section 15.3, lets a tool read and write the variables of the MPI implementation; it
 * has no call by which another library could add its own, so they could not be seen through MPI_T on any MPI.
 *
 * Threads: any, at any time between MPI_Init and MPI_Finalize; with MPI_THREAD_MULTIPLE as well. Before and after, all
 * answer as if the library carried nothing. Not in signal handlers.
 */
#ifndef VMONECOPY_H
#define VMONECOPY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Of this process since MPI_Init. Messages and bytes are those sent in large messages (VMONECOPY_THRESHOLD), but for
 * the received ones. Each byte sent is counted in exactly one of onecopy, staged and fell_through. Fields are only ever
 * added at the end.
 */
struct vmonecopy_counters {
	size_t size;			/* set by the caller: sizeof(struct vmonecopy_counters) */
	uint64_t onecopy_messages, onecopy_bytes;	/* from buffer to buffer */
	uint64_t staged_messages, staged_bytes;		/* two copies; also the partial pages of one-copy messages */
	uint64_t fell_through_messages, fell_through_bytes;	/* left to the MPI */
	uint64_t received_messages, received_bytes;	/* through the library */
	uint64_t bounced_bytes;		/* of the received ones, those that had to be copied once more */
	uint64_t substitutions;		/* times a buffer got granted pages */
	uint64_t emulated;		/* 1: no hypervisor, VMONECOPY_XEN=emulated */
};

#if defined(__has_attribute)
#if __has_attribute(noplt)
#define VMONECOPY_WEAK __attribute__((weak, noplt))	/* a program linked to a fixed address, too, asks at run time */
#endif
#endif
#ifndef VMONECOPY_WEAK
#define VMONECOPY_WEAK __attribute__((weak))
#endif

/* What libvmonecopy.so exports; use the functions below. */
#ifndef VMONECOPY_LIBRARY
extern int vmonecopy1_version(void) VMONECOPY_WEAK;
extern const char *vmonecopy1_version_string(void) VMONECOPY_WEAK;
extern int vmonecopy1_active(const char **why) VMONECOPY_WEAK;
extern int vmonecopy1_get_counters(struct vmonecopy_counters *counters) VMONECOPY_WEAK;
extern int vmonecopy1_prefer(const void *buffer, size_t bytes, int rank) VMONECOPY_WEAK;
extern int vmonecopy1_forget(const void *buffer, size_t bytes) VMONECOPY_WEAK;

/* 10000 * major + 100 * minor + patch, as 100 of 0.1.0; 0: the library is not there. */
static inline int vmonecopy_version(void)
{
	return vmonecopy1_version ? vmonecopy1_version() : 0;
}

/* As "0.1.0"; "": the library is not there. */
static inline const char *vmonecopy_version_string(void)
{
	return vmonecopy1_version_string ? vmonecopy1_version_string() : "";
}

/*
 * 1: the library carries messages between this process and some other. 0: it does not, and *why (unless why is NULL)
 * says why in a few words, good until MPI_Finalize.
 */
static inline int vmonecopy_active(const char **why)
{
	if (vmonecopy1_active)
		return vmonecopy1_active(why);
	if (why)
		*why = "libvmonecopy.so is not preloaded";
	return 0;
}

/*
 * A snapshot, not atomic as a whole. counters->size must be set; as much as both know is filled in, the rest becomes 0.
 * 1; 0: the library is not there or has not met an MPI yet, all counters are 0; -EINVAL: size is less than size's own.
 */
static inline int vmonecopy_get_counters(struct vmonecopy_counters *counters)
{
	size_t i;

	if (vmonecopy1_get_counters)
		return vmonecopy1_get_counters(counters);
	for (i = sizeof counters->size; i < counters->size; i++)
		((char *)counters)[i] = 0;
	return 0;
}

/*
 * The buffer will be sent, all or parts of it, again and again to this rank of MPI_COMM_WORLD: its whole pages are
 * exchanged for granted ones now, so that the first send needs one copy already. A hint: it ends as any substitution
 * does, when the buffer is freed, the pages are needed more by others, or its receivers are always late.
 *
 * While it runs no other thread may write to the buffer's pages, and no receive, nonblocking send or one-sided access
 * to them may be under way (what MPI asks of a send buffer, and a little more). Cost: a copy of the buffer, and a few
 * system calls.
 *
 * buffer, bytes: where it lies in memory, whatever its datatype. rank: in MPI_COMM_WORLD.
 * 1: its pages are in place. 0: nothing was done: not active, the rank is not in another VM of this host, the buffer too
 * small or memory of a kind that is never substituted (stack, shared, locked, files), or the library was told not to.
 * -EINVAL: no such rank, or no buffer. -ENOSPC: no granted pages left. Another -errno: the kernel or Xen refused;
 * nothing has changed.
 */
static inline int vmonecopy_prefer(const void *buffer, size_t bytes, int rank)
{
	return vmonecopy1_prefer ? vmonecopy1_prefer(buffer, bytes, rank) : 0;
}

/*
 * The buffer will be sent no more: the whole pages in it become private memory again, whatever rank they were granted
 * to, and the granted ones are free for other buffers. The same rules hold while it runs, but that sends of it may be
 * under way: they are not disturbed. A buffer that is freed needs no such call.
 * 1: some of it was in place. 0: nothing was. -errno: the kernel refused; the buffer is sound and stays in place.
 */
static inline int vmonecopy_forget(const void *buffer, size_t bytes)
{
	return vmonecopy1_forget ? vmonecopy1_forget(buffer, bytes) : 0;
}
#endif /* VMONECOPY_LIBRARY */

#ifdef __cplusplus
}
#endif

#endif
