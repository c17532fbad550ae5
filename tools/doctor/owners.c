/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * owners.c: whose functions does a program get under the present LD_PRELOAD? Lines `NAME FILE`, or `NAME -` where there
 * is no such function.
 *
 * Of libc's calls the address is asked as any program asks, through the dynamic linker's own binding: those that the
 * library gives libc's version are hidden from dlsym (shim/libvmonecopy.map). This program must be position independent,
 * else it would find its own PLT; and nothing of the library may be linked in.
 */
#include <dlfcn.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void say(const char *name, void *address)
{
	Dl_info info;

	printf("%s %s\n", name, address && dladdr(address, &info) ? info.dli_fname : "-");
}

int main(void)
{
	static const char *const mpi[] = { "MPI_Send", "PMPI_Send", "MPI_Init" };
#define HERE(name) { #name, (void *)name }
	static const struct { const char *name; void *address; } libc[] = {
		HERE(free), HERE(realloc), HERE(malloc), HERE(malloc_usable_size), HERE(munmap), HERE(mmap), HERE(mremap),
		HERE(madvise), HERE(brk), HERE(sbrk), HERE(malloc_trim),
	};

	for (size_t i = 0; i < sizeof libc / sizeof *libc; i++)
		say(libc[i].name, libc[i].address);
	for (size_t i = 0; i < sizeof mpi / sizeof *mpi; i++)
		say(mpi[i], dlsym(RTLD_DEFAULT, mpi[i]));
	return 0;
}
