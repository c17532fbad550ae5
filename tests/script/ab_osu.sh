#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# `vmonecopy ab` without a program: OSU's columns, JSON, CSV and SVG that agree; and the program behind it (vmopairs) notices
# wrong bytes with all kinds of buffers: a stand-in for the library changes one byte of each message.
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${VMO_BUILD:-$root/build}

command -v mpicc.mpich >/dev/null && command -v mpirun.mpich >/dev/null || { echo "SKIP: mpich is not installed"; exit 77; }
for file in libvmonecopy.so libyield.so tests/mpich/vmopairs tests/mpich/vmocoll; do
	[ -e "$build/$file" ] || { echo "SKIP: $build/$file is not built"; exit 77; }
done
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
status=0
fail() { echo "FAIL: $*"; sed 's/^/    /' "$scratch/err"; status=1; }

"$root/tools/vmonecopy" ab --mpi mpich --tests latency,bw,bcast --buffers warm,cold --sizes 64K --reps 1 --ms 5 \
	--build "$build" --json "$scratch/r.json" --csv "$scratch/r.csv" --svg "$scratch/r.svg" >"$scratch/out" 2>"$scratch/err" ||
	fail "exit status $?, expected 0"
"$root/tests/script/ab_files.py" osu "$scratch/r.json" "$scratch/r.csv" "$scratch/r.svg" || fail "files of results"
"$root/tools/vmonecopy" ab --redraw "$scratch/r.json" --svg "$scratch/again.svg" && cmp "$scratch/r.svg" "$scratch/again.svg" ||
	fail "--redraw draws something else"
# As a reader of OSU's output does: comments begin with #, then size and figure.
for title in 'Size *Latency (us)' 'Size *Bandwidth (MB/s)' 'Size *Avg Latency(us)'; do
	grep -q "^# $title " "$scratch/out" || fail "no column '$title'"
done
[ "$(awk '!/^#/ && NF { n += $1 == 65536 && $2 > 0 && $3 > 0 } END { print n + 0 }' "$scratch/out")" = 5 ] || fail "not 5 lines of figures"
python3 - "$scratch/r.json" <<'CHECK' || fail "the figures are not as they must be"
import json, sys
rows = json.load(open(sys.argv[1]))["rows"]
assert [(row["test"], row["buffers"], row["ranks"]) for row in rows] == [
    ("latency", "warm", 2), ("latency", "cold", 2), ("bw", "warm", 2), ("bw", "cold", 2), ("bcast", "warm", 2)]
assert all(row["onecopy_share"] > 0 and row["verdict"] == "no interval" and row["ratio_low"] is None for row in rows), rows
CHECK

cat >"$scratch/standin.c" <<'C'
#include <mpi.h>
#include <stdlib.h>

static void damage(void *buffer, int count)
{
	if (getenv("DAMAGE") && count > 5001)
		((char *)buffer)[5001] ^= 1;
}

int MPI_Recv(void *buffer, int count, MPI_Datatype type, int source, int tag, MPI_Comm comm, MPI_Status *status)
{
	int rc = PMPI_Recv(buffer, count, type, source, tag, comm, status);

	damage(buffer, count);
	return rc;
}

static void *last;
static int last_count;

int MPI_Irecv(void *buffer, int count, MPI_Datatype type, int source, int tag, MPI_Comm comm, MPI_Request *request)
{
	last = buffer;
	last_count = count;
	return PMPI_Irecv(buffer, count, type, source, tag, comm, request);
}

int MPI_Waitall(int count, MPI_Request *requests, MPI_Status *statuses)
{
	int rc = PMPI_Waitall(count, requests, statuses);

	if (last)
		damage(last, last_count);
	last = NULL;
	return rc;
}
C
mpicc.mpich -w -shared -fPIC -o "$scratch/standin.so" "$scratch/standin.c" || exit 1
for buffers in warm cold rotating fresh; do
	for test in latency bw bibw; do
		timeout -k 5 60 mpirun.mpich -genv LD_PRELOAD "$scratch/standin.so" -genv DAMAGE 1 -n 2 "$build/tests/mpich/vmopairs" \
			--tests $test --buffers $buffers --sizes 16384 --ms 1 --batches 1 --window 4 >"$scratch/out" 2>"$scratch/err" </dev/null
		code=$?
		[ $code -eq 3 ] || fail "$test, $buffers: exit status $code, expected 3"
		grep -q 'wrong payload: 16384 bytes from rank' "$scratch/err" || fail "$test, $buffers: not named"
	done
done
[ $status -eq 0 ] && echo "ok: OSU's columns, files agree, wrong bytes are noticed"
exit $status
