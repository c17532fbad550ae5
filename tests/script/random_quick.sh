#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A hundred random, correct MPI programs under each MPI, with the library, its modes taking turns, against without it
# (tests/random/run.py; thousands: make soak). A spoiled byte is noticed, and named with its seed.
root=${VMO_ROOT:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${VMO_BUILD:-$root/build}
run="$root/tests/random/run.py --build $build"

mpis=
for mpi in mpich openmpi; do
	[ -x "$build/tests/$mpi/random" ] && command -v mpirun.$mpi >/dev/null && mpis=$mpis${mpis:+,}$mpi
done
[ -n "$mpis" ] || { echo "skipped: neither MPI's random is built"; exit 77; }

spoiled=$($run --mpi "${mpis%,*}" --seeds 1-9 --modes plain --break 5 2>&1) && { echo "a spoiled byte is not noticed"; exit 1; }
echo "$spoiled" | grep -q "FAILED: seed 5" || { echo "a spoiled seed is not named: $spoiled"; exit 1; }
exec $run --mpi "$mpis" --seeds 1-100 --block 25 --rotate 2
