#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A rank ends amid its transfers by exit(), _exit(), return from main or MPI_Abort, without MPI_Finalize: the job ends as
# a plain one does, nothing is left, the next job runs. And ranks that are stopped (SIGSTOP) for a while, again and again, in
# sends, receives and collectives: nothing is lost. And a message whose sender died before it was received is an error, not
# a wait without end. (tests/deaths/run.py)
root=${VMO_ROOT:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${VMO_BUILD:-$root/build}

for end in exit _exit return abort offered stop; do
	"$root/tests/deaths/run.py" --build "$build" --end $end --seed 1 --count 2 --jobs 2 -v
	code=$?
	[ $code = 0 ] || exit $code
done
exit 0
