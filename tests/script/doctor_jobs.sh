#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# `vmonecopy doctor` starts a job of two ranks for each MPI, over emulated Xen whatever the settings: that library, MPI and
# memory hooks work together is seen, not concluded. Libraries of two builds, and a job without effect, are told.
. "$(dirname "$0")/job.inc"
need_mpi mpich
need_mpi openmpi
tool=$top/tools/vmonecopy
for mpi in mpich openmpi; do [ -x "$build/tests/$mpi/doctor_sends" ] || skip "doctor_sends is not built"; done
unset LD_PRELOAD
export VMONECOPY_XEN=emulated
fake=$work/build
mkdir -p "$fake"
cp "$build"/libvmonecopy*.so "$build/libxenemu.so" "$fake"
ln -s "$build/doctor" "$build/tests" "$fake"
export VMONECOPY_BUILD="$fake"
says() { grep -q "^$1  $2  .*$3" "$work/out" || fail "no $1 $2 /$3/ in: $(cat "$work/out" "$work/err")"; }
doctor() {
	code=$1
	timeout -k 5 170 "$tool" doctor >"$work/out" 2>"$work/err"
	is=$?
	[ $is -eq "$code" ] || fail "exit status $is in place of $code: $(cat "$work/out" "$work/err")"
}

VMONECOPY=0 VMONECOPY_SUBSTITUTE=0 doctor 0	# such settings are the user's, and do not hinder the check
for mpi in mpich openmpi; do says PASS job.$mpi 'EMULATED Xen: 36 MB right, [1-9][0-9]* % of it one-copy'; done
says PASS lib.abi 'mpich, openmpi are of one build'
says PASS memory.in_place '[1-9][0-9]* buffers'
[ -z "$(ls -d "${TMPDIR:-/tmp}"/vmonecopy-doctor-* 2>/dev/null)" ] || fail "left behind: $(ls -d "${TMPDIR:-/tmp}"/vmonecopy-doctor-*)"

printf 'int vmo_flavour_attach(const void *host) { return -71; }\n' >"$work/other.c"
"${CC:-gcc}" -shared -fPIC -o "$fake/libvmonecopy-mpich.so" "$work/other.c" || fail "cannot compile"
doctor 2
says FAIL job.mpich 'libraries of one build'
says FAIL lib.abi 'libvmonecopy-mpich.so'
says PASS job.openmpi 'one-copy'
exit 0
