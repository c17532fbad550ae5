#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The report at the end: one line, by rank 0, once, whatever the library could do; with results and exit
# codes as they would be without it. Options that are wrong, or differ between ranks, hang nothing.
. "$(dirname "$0")/job.inc"
command -v mpicc.mpich >/dev/null || command -v mpicc.openmpi >/dev/null || skip "no MPI compiler"
seconds=30

# Each rank's output goes to files of its own.
rank_script '>"$work/out.$rank" 2>"$work/err.$rank"'
export work

# run WHAT CODE [VARIABLE=value ...] [-- VARIABLE=value of rank 1 ...]: right results, that exit code
run() {
	what="$mpi, $1" code=$2
	shift 2
	rm -f "$work"/err.* "$work"/out.*
	all=
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		all="$all $1"
		shift
	done
	[ $# -gt 0 ] && shift
	plain_job $mpi env LD_PRELOAD="$preload" $all sh "$work/rank.sh" "$@" -- "$work/ring" $code
	is=$?
	[ $is -eq $code ] || fail "$what: exit code $is in place of $code: $(cat "$work"/err.* "$work/err" | head -5)"
	# a rank that ends with a code has the launcher end the others, perhaps before their last word
	[ $code -ne 0 ] || [ "$(cat "$work"/out.* | grep -c '^right$')" -eq $ranks ] ||
		fail "$what: not every rank got the right data: $(cat "$work"/err.* | head -5)"
	others=$(ls "$work"/err.* | grep -v 'err\.0$')
	cat $others </dev/null >"$work/others"
}

# says REGEX: all of the job's stderr is one line of rank 0
says() {
	[ "$(cat "$work/err.0" | wc -l)" -eq 1 ] || fail "$what: not one line, but: $(head -4 "$work/err.0" | tr '\n' '|')"
	grep -q "^vmonecopy: $1\$" "$work/err.0" || fail "$what: wanted $1, got: $(cat "$work/err.0")"
	says_no_other
}
says_no_other() { [ ! -s "$work/others" ] || fail "$what: another rank said: $(head -1 "$work/others")"; }

active='ranks, [0-9.]* MiB sent in large messages: .* one-copy, .* staged, .* fell through.* \[EMULATED Xen\]'
emulated=VMONECOPY_XEN=emulated
no_xen() { [ ! -e /dev/xen/gntalloc ] && ! grep -q xen /sys/hypervisor/type 2>/dev/null; }

forms() {
	run "active" 0 $emulated; says "2 $active"
	run "active, exit code 3" 3 $emulated; says "2 $active"
	run "all in one VM" 0 $emulated XENEMU_DOMAINS=1; says "INACTIVE: all ranks that run on Xen are in one VM.*"
	run "all in one VM, exit code 3" 3 $emulated XENEMU_DOMAINS=1; says "INACTIVE: .*"
	run "switched off" 0 $emulated VMONECOPY=0; says "INACTIVE: switched off by VMONECOPY=0"
	! no_xen || { run "no Xen" 0 A=a; says "INACTIVE: not a Xen guest.*"; }
	ranks=1
	run "one rank" 0 $emulated; says "INACTIVE: .*"
	! no_xen || { run "one rank, no Xen, exit code 3" 3 A=a; says "INACTIVE: not a Xen guest.*"; }
	ranks=4
	run "four ranks in two VMs" 0 $emulated XENEMU_DOMAINS=2; says "4 $active"
	ranks=2
}

quiet() {
	run "report none" 0 $emulated VMONECOPY_REPORT=none
	[ ! -s "$work/err.0" ] || fail "$what: $(head -1 "$work/err.0")"
	says_no_other
	run "report none, inactive" 0 VMONECOPY=0 VMONECOPY_REPORT=none
	[ ! -s "$work/err.0" ] || fail "$what: $(head -1 "$work/err.0")"
	says_no_other
}

full() {
	run "full" 0 $emulated VMONECOPY_REPORT=full
	says_no_other
	[ "$(grep -c "^vmonecopy: 2 $active\$" "$work/err.0")" -eq 1 ] || fail "$what: $(head -1 "$work/err.0")"
	grep -q '^vmonecopy:   MPI_Sendrecv 40$' "$work/err.0" || fail "$what: not 40 calls of MPI_Sendrecv"
	[ "$(grep -c -v '^vmonecopy: ' "$work/err.0")" -eq 0 ] || fail "$what: $(grep -v '^vmonecopy: ' "$work/err.0" | head -1)"
}

# A value that is not understood: one line of warning from rank 0, and the default holds.
wrong_value() {
	run "wrong value of $1" 0 $emulated "$2"
	[ "$(grep -c "^vmonecopy.*$2 is n" "$work/err.0")" -eq 1 ] || fail "$what: not one warning: $(cat "$work/err.0")"
	says_no_other
	[ "$(grep -v "$2 is n" "$work/err.0" | grep -c "^vmonecopy: $3")" -eq 1 ] || fail "$what: $(cat "$work/err.0")"
}

typos() {
	wrong_value "a size" VMONECOPY_THRESHOLD=abc "2 $active"
	wrong_value "a number" VMONECOPY_ADMISSION=-5 "2 $active"
	wrong_value "a switch" VMONECOPY=maybe "2 $active"
	! no_xen || wrong_value "a word" VMONECOPY_XEN=emulatd "INACTIVE: "
}

# differ REGEX: as says, and before it the one line that options differ
differ() {
	[ "$(grep -c "^vmonecopy\[0\]: options differ between ranks: VMONECOPY" "$work/err.0")" -eq 1 ] ||
		fail "$what: not one line says that options differ: $(cat "$work/err.0")"
	sed -i '/: options differ between ranks: /d' "$work/err.0"
	says "$1"
}

differing() {
	run "emulated on rank 1 alone" 0 -- $emulated; differ "INACTIVE: .*"
	run "off on rank 1 alone" 0 $emulated -- VMONECOPY=0; differ "INACTIVE: .*"
	run "real on rank 1 alone" 0 $emulated -- VMONECOPY_XEN=real; differ "INACTIVE: .*"
	run "other threshold on rank 1" 0 $emulated -- VMONECOPY_THRESHOLD=1M; differ "2 $active"
	run "no substitution on rank 1" 0 $emulated -- VMONECOPY_SUBSTITUTE=0; differ "2 $active"
	run "no mapping on rank 1" 0 $emulated -- VMONECOPY_MAP_BUDGET=0; differ "2 $active"
	run "neither mapping nor grant copy on rank 1" 0 $emulated -- VMONECOPY_MAP_BUDGET=0 VMONECOPY_GRANT_COPY=0
	differ "2 $active"
	run "hardly any grants on rank 1" 0 $emulated -- VMONECOPY_GRANT_BUDGET=4K; differ "\(2 $active\|INACTIVE: .*\)"
	ranks=3
	run "off on rank 1 of three" 0 $emulated -- VMONECOPY=0; differ "3 $active"
	ranks=2
}

missing=
for mpi in mpich openmpi; do
	command -v mpicc.$mpi >/dev/null || { missing="$missing mpicc.$mpi"; continue; }
	need_mpi $mpi
	mpicc.$mpi -O1 -Wall -Werror -o "$work/ring" "$here/report_ring.c" || fail "report_ring.c does not compile"
	forms
	quiet
	full
	typos
	differing
done
[ -z "$missing" ] || skip "the rest is right, but there is no$missing"
exit 0
