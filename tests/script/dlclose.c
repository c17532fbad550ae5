/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * With -DLIBRARY: a library with a large variable, and memory that it allocates and leaves behind or frees when it goes.
 * Else: loads it, sends its memory, closes it, many times. See dlclose.sh.
 */
#define BYTES (1 << 19)

#ifdef LIBRARY

#include <stdlib.h>
#include <sys/mman.h>

char data[BYTES] = "begins so";
char zero[BYTES];
char *allocated, *mapped;

__attribute__((constructor)) static void at_load(void)
{
	allocated = malloc(BYTES);
	mapped = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

__attribute__((destructor)) static void at_close(void)
{
	free(allocated);
	munmap(mapped, BYTES);
}

#else

#include "t.h"

#include <dlfcn.h>

#define ROUNDS 20

static char *in;

static void exchange(char *buf, int tag, int sequence)
{
	t_fill(buf, BYTES, t_rank, tag, sequence);
	for (int again = 0; again < 2; again++) {
		memset(in, T_POISON, BYTES);
		if (t_rank == 0)
			MPI_Send(buf, BYTES, MPI_BYTE, 1, tag, MPI_COMM_WORLD);
		MPI_Recv(in, BYTES, MPI_BYTE, 1 - t_rank, tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		VERIFY(in, BYTES, 1 - t_rank, tag, sequence);
		if (t_rank == 1)
			MPI_Send(buf, BYTES, MPI_BYTE, 0, tag, MPI_COMM_WORLD);
	}
}

int main(int argc, char **argv)
{
	t_begin(&argc, &argv, 50);
	in = malloc(BYTES);
	for (int i = 0; i < ROUNDS; i++) {
		void *library = dlopen(argv[1], RTLD_NOW);
		char *data, *zero;

		if (!library)
			FAIL("%s", dlerror());
		data = dlsym(library, "data");
		zero = dlsym(library, "zero");
		CHECK(!strcmp(data, "begins so") && !data[BYTES - 1]);
		for (int k = 0; k < BYTES; k++)
			CHECK(!zero[k]);
		exchange(data, 1, i);
		exchange(zero, 2, i);
		exchange(*(char **)dlsym(library, "allocated"), 3, i);
		exchange(*(char **)dlsym(library, "mapped"), 4, i);
		VERIFY(data, BYTES, t_rank, 1, i);
		VERIFY(zero, BYTES, t_rank, 2, i);
		dlclose(library);
		CHECK(!dlopen(argv[1], RTLD_NOW | RTLD_NOLOAD));
		char *instead = malloc(BYTES);	/* perhaps where the library was */
		exchange(instead, 5, i);
		free(instead);
	}
	free(in);
	return t_end();
}
#endif
