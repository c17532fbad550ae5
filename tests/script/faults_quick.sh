#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A few places that can fail, failing (tests/faults/run.py; all of them: make faults). A spoiled byte is noticed, a fault
# that never comes is not called right, and the library that is installed knows nothing of faults.
root=${VMO_ROOT:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${VMO_BUILD:-$root/build}
run="$root/tests/faults/run.py --build $build"

fail() { echo "faults_quick: $*"; exit 1; }

for library in "$build"/libvmonecopy*.so; do
	[ -f "$library" ] || { echo "skipped: the library is not built"; exit 77; }
	grep -q VMONECOPY_LOG "$library" && seen=1
	grep -q -e VMONECOPY_FAULT -e 'vmonecopy fault' "$library" && fail "$library can fail on purpose"
done
[ -n "$seen" ] || fail "the search for options in the libraries found none"
[ -f "$build/faults/libvmonecopy.so" ] || { echo "skipped: not built: make faults-build"; exit 77; }
grep -q VMONECOPY_FAULT "$build"/faults/libvmonecopy-*.so || fail "the build for faults has none"

mpi=openmpi
[ -x "$build/tests/mpich/random" ] && command -v mpiexec.mpich >/dev/null && mpi=mpich
rare=$($run --only grant --n 1000000 --mpi $mpi 2>&1) || fail "$rare"
case $rare in
*skipped:*) echo "$rare"; exit 77 ;;
*" 0 right, "*) ;;
*) fail "a fault that never came: $rare" ;;
esac
spoiled=$($run --only grant --n 1 --break 3 --mpi $mpi 2>&1) && fail "a spoiled byte is not noticed: $spoiled"
echo "$spoiled" | grep -q "FAILED: seed 3" || fail "a spoiled seed is not named: $spoiled"
exec $run --quick --n 1
