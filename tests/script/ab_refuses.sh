#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# With a library that carries nothing, `vmonecopy ab` exits 1, says why, prints no ratio and writes no JSON.
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${VMO_BUILD:-$root/build}

for mpi in mpich openmpi; do
	command -v mpirun.$mpi >/dev/null || { echo "SKIP: mpirun.$mpi is not installed"; exit 77; }
done
for file in libvmonecopy.so tests/mpich/vmobench tests/openmpi/vmobench; do
	[ -e "$build/$file" ] || { echo "SKIP: $build/$file is not built"; exit 77; }
done

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
status=0
fail() { echo "FAIL: $mpi: $*"; sed 's/^/    /' "$scratch/err"; status=1; }

for mpi in mpich openmpi; do
	echo '{"left": "by an earlier run"}' >"$scratch/demo.json"
	VMONECOPY=0 "$root/tools/vmonecopy" ab --table --quick --mpi $mpi --build "$build" --json "$scratch/demo.json" \
		>"$scratch/out" 2>"$scratch/err"
	code=$?
	[ $code -eq 1 ] || fail "exit status $code, expected 1"
	grep -q 'ERROR: no speed-up to show: .* carried no bytes: ' "$scratch/err" || fail "no line that says why"
	grep -q 'tcp/onecopy\|quicker' "$scratch/out" "$scratch/err" && fail "a ratio is printed"
	[ -e "$scratch/demo.json" ] && fail "a JSON file is there"
	sed -n "s/^/$mpi: /p" "$scratch/err"
done
[ $status -eq 0 ] && echo "ok: no bytes, no ratio"
exit $status
