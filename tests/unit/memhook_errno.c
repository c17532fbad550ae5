/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Results and errno are those of the real functions, also on watched memory; free() leaves errno alone. */
#include "subst_setup.h"

static volatile unsigned told;	/* the compiler believes that free() calls nobody */

static void listener(uintptr_t address, size_t bytes, enum vmo_release how)
{
	told++;
	errno = EILSEQ;
}

int main(void)
{
	char *at = map_anonymous(MIB), *volatile chunk;
	volatile size_t odd = 1;

	alarm(20);
	if (!vmo_memhook_table.effective()) {
		printf("SKIP: free() or another function is not the hooked one (a sanitizer's?)\n");
		return 77;
	}
	chunk = malloc(MIB);
	vmo_memhook_table.listener = listener;
	vmo_memhook_table.end = UINTPTR_MAX;
	errno = 0;
	CHECK(munmap(at + odd, MIB) == -1 && errno == EINVAL && told == 0);
	CHECK(munmap(at, 0) == -1 && errno == EINVAL && told == 0);
	CHECK(mremap(at, MIB, 0, 0) == MAP_FAILED && errno == EINVAL);
	CHECK(madvise(at + odd, MIB, MADV_DONTNEED) == -1 && errno == EINVAL);
	CHECK(mmap(at, MIB, PROT_READ, MAP_FIXED | MAP_PRIVATE, -1, 0) == MAP_FAILED && errno == EBADF);
	CHECK(posix_madvise(at, MIB, 77) == EINVAL);
	CHECK(malloc_trim(0) >= 0 && sbrk(0) != (void *)-1);
	errno = 77;
	told = 0;
	chunk = realloc(chunk, MIB + 5 * PAGE);
	CHECK(chunk && told == 1 && errno == 77);
	free(chunk);
	CHECK(told == 2 && errno == 77);
	free(NULL);
	chunk = malloc(64);
	free(chunk);		/* less than a page: nobody asks */
	CHECK(told == 2 && errno == 77);
	CHECK(!munmap(at, MIB) && told == 3 && errno == 77);
	vmo_memhook_table.end = 0;
	return 0;
}
