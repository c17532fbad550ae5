#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# AddressSanitizer beside the library, in the ways that ASan itself allows:
#
#   program built     LD_PRELOAD                  substitution
#   without it        libasan.so, the library     off: free() is libasan's first, so the library is not told of it
#   with it           libasan.so, the library     off, for the same reason
#   with -static-...  the library                 off: the program has a free() of its own
#   with it           the library, link order     on: the library's free() is first, and calls libasan's
#                     not verified by ASan
#
# Off means that all is staged; the test says so if that changes. The program is right in each, and ASan still finds a
# read behind a buffer that was sent. With the library before libasan.so ASan ends the program by itself, unless told not to.
. "$(dirname "$0")/job.inc"
command -v mpicc.mpich >/dev/null || command -v mpicc.openmpi >/dev/null || skip "no MPI compiler"
asan=$(${CC:-gcc} -print-file-name=libasan.so)
[ -f "$asan" ] || skip "no libasan.so (package libgcc-12-dev, or another version's)"
asan=$(readlink -f "$asan")

# try WHAT on|off ASAN-OPTIONS PRELOAD PROGRAM
try() {
	what="$mpi, $1"
	job $mpi LD_PRELOAD="$4" ASAN_OPTIONS="detect_leaks=0:$3" VMONECOPY_ADMISSION=2 "$5"
	code=$?
	[ $code = 0 ] && grep -q '^right$' "$work/out" || fail "$what: exit code $code: $(last_words)"
	[ "$(counter pulled_bytes)" -gt 0 ] || fail "$what: the library carried nothing: $(line)"
	case $2.$(counter substitutions) in
	off.0|on.[1-9]*) ;;
	*) fail "$what: $(counter substitutions) buffers substituted, although that should be $2" ;;
	esac
}

# finds WHAT ASAN-OPTIONS PRELOAD PROGRAM
finds() {
	job $mpi LD_PRELOAD="$3" ASAN_OPTIONS="detect_leaks=0:$2" VMONECOPY_ADMISSION=2 "$4" bad && fail "$mpi, $1: a bad program passes"
	cat "$work/out" "$work/err" | grep -q 'AddressSanitizer: heap-buffer-overflow' || fail "$mpi, $1: not found: $(last_words)"
}

missing=
for mpi in mpich openmpi; do
	command -v mpicc.$mpi >/dev/null || { missing="$missing mpicc.$mpi"; continue; }
	need_mpi $mpi
	for how in "" "-fsanitize=address" "-fsanitize=address -static-libasan"; do
		mpicc.$mpi -g -O1 -Wno-stringop-overflow $how -o "$work/program$(echo "$how" | tr -d ' =')" "$here/coexist_program.c" ||
			fail "$mpi: does not compile $how"
	done
	program=$work/program
	try "built without" off "" "$asan:$preload" "$program"
	try "built with" off "" "$asan:$preload" "$program-fsanitizeaddress"
	finds "built with" "" "$asan:$preload" "$program-fsanitizeaddress"
	try "static" off "" "$preload" "$program-fsanitizeaddress-static-libasan"
	try "link order" on verify_asan_link_order=0 "$preload" "$program-fsanitizeaddress"
	finds "link order" verify_asan_link_order=0 "$preload" "$program-fsanitizeaddress"
done
[ -z "$missing" ] || skip "the rest is right, but there is no$missing"
exit 0
