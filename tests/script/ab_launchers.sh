#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# `vmonecopy ab -- mpirun ...` with each MPI: the library reaches the ranks without any help in the command line, also next
# to an -x of the caller's, in the command line or in a script that ab cannot see into.
. "$(dirname "$0")/job.inc"
. "$here/ab_mpi.inc"
ab mpich mpiexec.mpich -n 2 "$build/tests/mpich/vmopairs" $bench
ab openmpi mpirun.openmpi -n 2 --oversubscribe "$build/tests/openmpi/vmopairs" $bench
FOO=1 ab openmpi env BAR=1 mpirun.openmpi -x FOO -n 2 --oversubscribe "$build/tests/openmpi/vmopairs" $bench
FOO=1 ab openmpi sh -c "mpirun.openmpi -x FOO -n 2 --oversubscribe $build/tests/openmpi/vmopairs $bench" mpirun.openmpi
