#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The bench program notices stale, wrong and missing bytes: `vmonecopy ab` then exits 1 and prints no ratio.
# A stand-in for the library claims one-copy and does damage of the asked kind; without damage the tool exits 0.
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${VMO_BUILD:-$root/build}

command -v mpicc.mpich >/dev/null && command -v mpirun.mpich >/dev/null || { echo "SKIP: mpich is not installed"; exit 77; }
[ -e "$build/tests/mpich/vmobench" ] || { echo "SKIP: $build/tests/mpich/vmobench is not built"; exit 77; }

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
cat >"$scratch/standin.c" <<'C'
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long onecopy_bytes;

static int asked(const char *damage)
{
	const char *wanted = getenv("VMONECOPY_DAMAGE");

	return wanted && !strcmp(wanted, damage);
}

int MPI_Recv(void *buffer, int count, MPI_Datatype type, int source, int tag, MPI_Comm comm, MPI_Status *status)
{
	static int messages;
	char *before = malloc(count + 1), *data = buffer;
	int rc;

	memcpy(before, buffer, count);
	rc = PMPI_Recv(buffer, count, type, source, tag, comm, status);
	messages++;
	if (asked("stale") && messages % 37 == 0) /* now and then the message before once more */
		memcpy(buffer, before, count);
	if (asked("tail") && messages % 37 == 0 && count >= 8) /* now and then the end does not come */
		memcpy(data + count - 8, before + count - 8, 8);
	if (asked("byte") && count > 5001) /* one byte in the middle */
		data[5001] ^= 1;
	onecopy_bytes += count;
	free(before);
	return rc;
}

int MPI_Send(const void *buffer, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm)
{
	int rc = PMPI_Send(buffer, count, type, dest, tag, comm);

	if (asked("sender") && count > 6001) /* the send buffer is not as it was */
		((char *)buffer)[6001] ^= 1;
	return rc;
}

int MPI_Finalize(void)
{
	int rank;

	PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
	if (rank == 0)
		fprintf(stderr, "vmonecopy: stand-in\nvmonecopy:   onecopy_bytes %ld\n", onecopy_bytes);
	return PMPI_Finalize();
}
C
mpicc.mpich -w -shared -fPIC -o "$scratch/standin.so" "$scratch/standin.c" || exit 1

status=0
for damage in none stale tail byte sender; do
	VMONECOPY_DAMAGE=$damage "$root/tools/vmonecopy" ab --table --mpi mpich --sizes 64K --reps 1 --ms 10 --path loopback \
		--modes tcp,onecopy --build "$build" --library "$scratch/standin.so" >"$scratch/out" 2>"$scratch/err"
	code=$?
	[ $damage = none ] && expected=0 || expected=1
	if [ $code -ne $expected ]; then
		echo "FAIL: damage $damage: exit status $code, expected $expected"
		status=1
	fi
	if [ $damage != none ] && ! grep -q 'wrong payload' "$scratch/err" || grep -q 'quicker' "$scratch/out" && [ $damage != none ]; then
		echo "FAIL: damage $damage: not named, or a ratio printed"
		status=1
	fi
	sed "s/^/$damage: /" "$scratch/err"
done
[ $status -eq 0 ] && echo "ok: stale, missing and wrong bytes are noticed"
exit $status
