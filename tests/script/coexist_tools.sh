#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Another PMPI tool in the same LD_PRELOAD. Before the library it sees exactly the program's calls, none of the library's
# own, and the library sees the same and carries them. After it the program is right as well; the tool then sees what the
# library does not intercept (MPI_Barrier), for the library calls the MPI itself. Linked to the program it is before.
. "$(dirname "$0")/job.inc"
command -v mpicc.mpich >/dev/null || command -v mpicc.openmpi >/dev/null || skip "no MPI compiler"
export VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=60000000	# however slow the ranks are

all="tool: Send 6 Recv 6 Isend 6 Irecv 6 Waitall 6 Bcast 6 Allreduce 6 Barrier 6"
rest="tool: Send 0 Recv 0 Isend 0 Irecv 0 Waitall 0 Bcast 0 Allreduce 0 Barrier 6"

# right WHAT TOOL-LINE: the last job was right, both ranks' tool said this (or there is none), the library carried all
right() {
	[ $code = 0 ] && grep -q '^right$' "$work/out" || fail "$mpi, $1: exit code $code: $(last_words)"
	[ "$(grep -c "^$2\$" "$work/err")" = 2 ] || fail "$mpi, $1: $(grep '^tool:' "$work/err" | tr '\n' ';'), not: $2"
	[ "$(counter onecopy_bytes)" -gt 0 ] || fail "$mpi, $1: nothing went one-copy: $(line)"
	for call in Send Recv Isend Irecv Waitall Bcast Allreduce; do
		[ "$(counter MPI_$call)" = 12 ] || fail "$mpi, $1: the library counts $(counter MPI_$call) MPI_$call, not 12"
	done
}

missing=
for mpi in mpich openmpi; do
	command -v mpicc.$mpi >/dev/null || { missing="$missing mpicc.$mpi"; continue; }
	need_mpi $mpi
	mpicc.$mpi -O1 -Wall -Werror -Wno-stringop-overflow -o "$work/program" "$here/coexist_program.c" &&
		mpicc.$mpi -O1 -Wall -Werror -shared -fPIC -o "$work/tool.so" "$here/coexist_tool.c" || fail "$mpi: does not compile"
	job $mpi LD_PRELOAD="$work/tool.so:$preload" "$work/program"
	code=$?
	right "tool before" "$all"
	grep -q 'comes after' "$work/err" && fail "$mpi, tool before: $(grep 'comes after' "$work/err")"
	job $mpi LD_PRELOAD="$preload:$work/tool.so" "$work/program"
	code=$?
	right "tool after" "$rest"
	[ "$(grep -c "^vmonecopy: $work/tool.so comes after libvmonecopy.so and does not see MPI_.*put it before in LD_PRELOAD" "$work/err")" = 1 ] ||
		fail "$mpi, tool after: not one line says so: $(grep '^vmonecopy: ' "$work/err" | head -3 | tr '\n' '|')"
	mpicc.$mpi -O1 -Wno-stringop-overflow -o "$work/program" "$here/coexist_program.c" "$here/coexist_tool.c" ||
		fail "$mpi: does not compile"
	job $mpi "$work/program"
	code=$?
	right "tool in the program" "$all"
done
[ -z "$missing" ] || skip "the rest is right, but there is no$missing"
exit 0
