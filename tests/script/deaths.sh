#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Ten deaths by SIGKILL amid transfers (tests/deaths/run.py; hundreds: make deaths). The job ends as a plain one does, the
# survivor's memory is right, its MPI_Finalize ends where a plain one does, what it had mapped of the dead is unmapped, and
# nothing is left. First: is something that is left noticed, and a launcher that says nothing? One that loses its words once is not.
root=${VMO_ROOT:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${VMO_BUILD:-$root/build}

spoiled() {
	out=$("$root/tests/deaths/run.py" --build "$build" --seed 6 --count 1 --spoil $1) && { echo "$1: what is left is not noticed"; exit 1; }
	case $out in *skipped*) echo "$out"; exit 77 ;; *"$2"*) ;; *) echo "$1: not named: $out"; exit 1 ;; esac
}
spoiled process "processes are left"
spoiled registry "the registry still holds"
unshare -m true 2>/dev/null && spoiled shm "left in /dev/shm: vmo-left"
spoiled mute "the launcher says []"
"$root/tests/deaths/run.py" --build "$build" --seed 6 --count 1 --spoil words || { echo "words lost once are a failure"; exit 1; }
exec "$root/tests/deaths/run.py" --build "$build" --seed 3 --count 10 --jobs 2 -v
