#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# mpi4py: NumPy arrays and pickled objects arrive whole, most by one copy, although the interpreter frees,
# reuses and grows its memory all the time; and so they do when every buffer is substituted at its first send.
. "$(dirname "$0")/job.inc"
python=/usr/bin/python3
$python -c 'import mpi4py, numpy' 2>/dev/null || skip "no mpi4py or no NumPy (packages python3-mpi4py, python3-numpy)"
library=$($python -c 'import mpi4py.MPI as m; print("openmpi" if "Open MPI" in m.Get_library_version() else "mpich")' 2>/dev/null </dev/null)
need_mpi "${library:-openmpi}"

try() {
	job $library VMONECOPY_PATIENCE_US=5000000 "$@" $python "$here/onecopy_mpi4py.py" ||
		fail "$*: exit code $?: $(last_words)"
	[ "$(counter onecopy_bytes)" -gt 10000000 ] || fail "$*: too little crossed by one copy: $(line)"
	[ "$(counter hook_releases)" -gt 20 ] || fail "$*: memory was freed, but $(counter hook_releases) releases seen"
	[ "$(counter held_messages)" -gt 80 ] || fail "$*: matched probes saw $(counter held_messages) messages"
}

try VMONECOPY_ADMISSION=1
try VMONECOPY_ADMISSION=2
try VMONECOPY_THRESHOLD=64 VMONECOPY_ADMISSION=1
try VMONECOPY_ADMISSION=0
