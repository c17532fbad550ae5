#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The kernels in the NAS pattern notice what is wrong: where two bits of each large message are changed on their way, each
# kernel, in C and in Fortran, under both MPIs, counts errors, says so, and ends with status 3.
. "$(dirname "$0")/kernels.inc"

need_kernels mpich
need_kernels openmpi

# In place of the library. Fortran comes by MPI_X or by PMPI_X.
cat >"$work/damage.c" <<'C'
#define _GNU_SOURCE
#include <mpi.h>
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>

enum { WORD = 128, LARGE = 8 * 2 * WORD };

static void *waiting;		/* into which MPI_Irecv receives */

/*
 * A bit that counts in a double, and one in an integer; of a key neither leads out of the table. Each time in another word:
 * a transpose, done twice, brings a word back to where the same change would undo the first.
 */
static void damage(void *buffer)
{
	static uint32_t drawn = 1;

	drawn = drawn * 1664525 + 1013904223;	/* Knuth, Seminumerical Algorithms, 3.3.4, table 1, line 16 */
	((uint64_t *)buffer)[WORD + (drawn >> 16) % WORD] ^= 1ull << 51 | 1ull << 8;
}

static int is_large(int count, MPI_Datatype type)
{
	int size;

	return PMPI_Type_size(type, &size) == MPI_SUCCESS && (long)count * size >= LARGE;
}

#define BOTH(name, declared, given, before, after) \
	int MPI_##name declared \
	{ \
		int (*real) declared = (int (*) declared)dlsym(RTLD_NEXT, "PMPI_" #name); \
		before; \
		int rc = real given; \
		after; \
		return rc; \
	} \
	int PMPI_##name declared __attribute__((alias("MPI_" #name)));

BOTH(Irecv, (void *b, int n, MPI_Datatype t, int from, int tag, MPI_Comm c, MPI_Request *r), (b, n, t, from, tag, c, r),
     if (from >= 0 && is_large(n, t)) waiting = b, )
BOTH(Waitall, (int n, MPI_Request *r, MPI_Status *s), (n, r, s), , if (waiting) damage(waiting); waiting = NULL)
BOTH(Recv, (void *b, int n, MPI_Datatype t, int from, int tag, MPI_Comm c, MPI_Status *s), (b, n, t, from, tag, c, s), ,
     if (is_large(n, t)) damage(b))
BOTH(Sendrecv, (const void *a, int m, MPI_Datatype u, int to, int tag, void *b, int n, MPI_Datatype t, int from, int tag2,
     MPI_Comm c, MPI_Status *s), (a, m, u, to, tag, b, n, t, from, tag2, c, s), , if (is_large(n, t)) damage(b))
BOTH(Alltoall, (const void *a, int m, MPI_Datatype u, void *b, int n, MPI_Datatype t, MPI_Comm c), (a, m, u, b, n, t, c), ,
     if (is_large(n, t)) damage(b))
BOTH(Alltoallv, (const void *a, const int *m, const int *x, MPI_Datatype u, void *b, const int *n, const int *y,
     MPI_Datatype t, MPI_Comm c), (a, m, x, u, b, n, y, t, c), , if (is_large(n[0], t)) damage(b))
C

for mpi in mpich openmpi; do
	mpicc.$mpi -w -shared -fPIC -O1 -o "$work/damage.so" "$work/damage.c" -ldl || fail "the stand-in does not compile"
	for program in $PROGRAMS; do
		plain_job $mpi env LD_PRELOAD="$(yields_of $mpi):$work/damage.so" "$build/tests/$mpi/$program" --sizes 32768 --ms 1 --batches 1
		code=$?
		[ $code = 3 ] || fail "$mpi, $program: exit status $code, expected 3: $(last_words)"
		grep -q 'vmobench: rank [01]: .* \(wrong\|not those\)' "$work/err" || fail "$mpi, $program: it does not say what is wrong"
		python3 - "$work/out" <<'CHECK' || fail "$mpi, $program: a kernel counts no errors"
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8") if line.startswith('{"vmobench"')]
errors = [0] + [line["errors"] for line in lines]		# so far, from kernel to kernel
assert len(lines) >= 2 and all(one < next for one, next in zip(errors, errors[1:])), lines
CHECK
	done
done
echo "ok: each kernel notices a changed message"
