#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# `vmonecopy ab --collectives` ends well, says how much went one-copy, and its programs notice wrong results: a stand-in
# for the library changes one byte of what a collective brought, or does no harm.
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${VMO_BUILD:-$root/build}

for mpi in mpich openmpi; do
	command -v mpirun.$mpi >/dev/null || { echo "SKIP: mpirun.$mpi is not installed"; exit 77; }
done
for file in libvmonecopy.so libyield.so tests/mpich/vmocoll tests/openmpi/vmokernel; do
	[ -e "$build/$file" ] || { echo "SKIP: $build/$file is not built"; exit 77; }
done
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
status=0
fail() { echo "FAIL: $*"; status=1; }

"$root/tools/vmonecopy" ab --collectives --tests alltoall,allreduce,bucketsort --sizes 256K --reps 1 --ms 20 \
	--build "$build" --json "$scratch/demo.json" || fail "exit status $?, expected 0"
python3 - "$scratch/demo.json" <<'CHECK' || fail "the JSON is not what its readers expect"
import json, sys
rows = json.load(open(sys.argv[1]))["collectives"]
seen = sorted((row["mpi"], row["ranks"], row["test"]) for row in rows)
wanted = sorted((mpi, ranks, test) for mpi in ("mpich", "openmpi") for ranks in (2, 4)
                for test in ("alltoall", "allreduce", "bucketsort"))
assert seen == wanted, seen
for row in rows:
    assert row["carried"] and row["speed_up"] > 0 and 0 < row["onecopy_share"] <= 1, row
CHECK

cat >"$scratch/standin.c" <<'C'
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

static void damage(void *buffer)
{
	if (getenv("VMONECOPY_DAMAGE"))
		((char *)buffer)[5001] ^= 1;
}

int MPI_Alltoall(const void *a, int m, MPI_Datatype s, void *b, int n, MPI_Datatype r, MPI_Comm comm)
{
	int rc = PMPI_Alltoall(a, m, s, b, n, r, comm);

	if (n > 5001)
		damage(b);
	return rc;
}

int MPI_Allreduce(const void *a, void *b, int n, MPI_Datatype type, MPI_Op op, MPI_Comm comm)
{
	int rc = PMPI_Allreduce(a, b, n, type, op, comm);

	if (n > 5001)
		damage(b);
	return rc;
}

int MPI_Alltoallv(const void *a, const int *m, const int *x, MPI_Datatype s, void *b, const int *n, const int *y,
                  MPI_Datatype r, MPI_Comm comm)
{
	int rc = PMPI_Alltoallv(a, m, x, s, b, n, y, r, comm);

	damage(b);
	return rc;
}

int MPI_Finalize(void)
{
	int rank;

	PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
	if (rank == 0)
		fprintf(stderr, "vmonecopy: stand-in\nvmonecopy:   onecopy_bytes 1000000\n");
	return PMPI_Finalize();
}
C
mpicc.mpich -w -shared -fPIC -o "$scratch/standin.so" "$scratch/standin.c" || exit 1
for test in alltoall alltoallv allreduce bucketsort; do
	for harm in "" 1; do
		VMONECOPY_DAMAGE=$harm
		[ -n "$harm" ] && export VMONECOPY_DAMAGE || unset VMONECOPY_DAMAGE
		"$root/tools/vmonecopy" ab --collectives --mpi mpich --tests $test --sizes 64K --reps 1 --ms 5 --path loopback \
			--build "$build" --library "$scratch/standin.so" >"$scratch/out" 2>"$scratch/err"
		code=$?
		[ -z "$harm" ] && expected=0 || expected=1
		[ $code -eq $expected ] || { fail "$test, damage '$harm': exit status $code, expected $expected"; cat "$scratch/err"; }
		[ -z "$harm" ] || grep -q 'wrong result' "$scratch/err" || fail "$test: the damage is not named"
	done
done
[ $status -eq 0 ] && echo "ok: valid JSON; wrong results are noticed"
exit $status
