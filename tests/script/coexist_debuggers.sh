#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Both ranks under gdb (a breakpoint in main and one in a function of the program's, both hit, then to the end), and both
# under strace -f: the program is right, messages go one-copy and the exit code arrives.
. "$(dirname "$0")/job.inc"
command -v mpicc.mpich >/dev/null || command -v mpicc.openmpi >/dev/null || skip "no MPI compiler"
export VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=60000000	# however slow the ranks are
missing=
command -v gdb >/dev/null || missing="$missing gdb"
command -v strace >/dev/null || missing="$missing strace"
if [ -z "$missing" ]; then
	strace -o /dev/null true 2>/dev/null || skip "ptrace is not permitted here"
fi

right() {
	[ $code = 0 ] && grep -q '^right$' "$work/out" || fail "$mpi, $1: exit code $code: $(last_words)"
	[ "$(counter onecopy_bytes)" -gt 0 ] || fail "$mpi, $1: nothing went one-copy: $(line)"
}

for mpi in mpich openmpi; do
	command -v mpicc.$mpi >/dev/null || { missing="$missing mpicc.$mpi"; continue; }
	need_mpi $mpi
	mpicc.$mpi -g -O0 -Wno-stringop-overflow -o "$work/program" "$here/coexist_program.c" || fail "$mpi: does not compile"
	if command -v gdb >/dev/null; then
		# gdb itself is not preloaded: it gives the variable to the program. Each rank's words in a file of their own.
		plain_job $mpi env VMONECOPY_XEN=emulated VMONECOPY_REPORT=full sh -c '"$@" >"$0.$$"' "$work/gdb.$mpi" gdb -q -batch -return-child-result -nx \
			-iex "set debuginfod enabled off" -ex "set startup-with-shell off" -ex "set breakpoint pending on" \
			-ex "set environment LD_PRELOAD $preload" -ex "break main" -ex "break collectives" -ex run -ex continue \
			-ex "info sharedlibrary" -ex continue "$work/program"
		code=$?
		cat "$work"/gdb.$mpi.* >"$work/out"
		right gdb
		[ "$(grep -c 'Breakpoint 1, main' "$work/out")" = 2 ] && [ "$(grep -c 'Breakpoint 2, collectives' "$work/out")" = 2 ] ||
			fail "$mpi, gdb: breakpoints are not hit: $(last_words)"
		grep -q "libvmonecopy-$mpi.so" "$work/out" || fail "$mpi, gdb: the library is not among the shared ones"
	fi
	if command -v strace >/dev/null; then
		job $mpi strace -f -qq -o "$work/trace" "$work/program"
		code=$?
		right strace
		grep -q 'memfd_create("xenemu' "$work/trace" || fail "$mpi, strace: traces nothing of the library"
	fi
done
[ -z "$missing" ] || skip "the rest is right, but there is no$missing"
exit 0
