#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Ten deaths by SIGKILL amid transfers (tests/deaths/run.py; hundreds: make deaths). The job ends as a plain one does, the
# survivor's memory is right, its MPI_Finalize ends where a plain one does, what it had mapped of the dead is unmapped, and
# nothing is left.
root=${VMO_ROOT:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${VMO_BUILD:-$root/build}

exec "$root/tests/deaths/run.py" --build "$build" --seed 3 --count 10 --jobs 2 -v
