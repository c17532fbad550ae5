#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A library whose variables, and memory of whose own, were sent is closed and loaded again: its variables begin anew, and
# what is sent from them and from memory that takes their place arrives.
. "$(dirname "$0")/job.inc"
library=$work/libdata.so
${CC:-gcc} -O1 -Wall -DLIBRARY -D_GNU_SOURCE -fPIC -shared -o "$library" "$here/dlclose.c" || fail "the library does not compile"

missing=
for mpi in mpich openmpi; do
	command -v mpicc.$mpi >/dev/null || { missing="$missing mpicc.$mpi"; continue; }
	need_mpi $mpi
	mpicc.$mpi -O1 -Wall -I"$top/tests/mpi" -o "$work/program" "$here/dlclose.c" -ldl || fail "dlclose.c does not compile"
	for settings in VMONECOPY_ADMISSION=1 "VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0" "VMONECOPY_ADMISSION=1 VMONECOPY_CHECK=1"; do
		job $mpi $settings "$work/program" "$library" || fail "$mpi, $settings: exit code $?: $(last_words)"
		[ "$(counter substitutions)" -gt 10 ] || fail "$mpi, $settings: too little was in place: $(line)"
		grep -q CHECK: "$work/err" && fail "$mpi, $settings: $(grep CHECK: "$work/err")"
	done
done
[ -z "$missing" ] || skip "the rest is right, but there is no$missing"
exit 0
