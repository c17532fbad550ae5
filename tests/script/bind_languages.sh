#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# C, mpif.h, use mpi and use mpi_f08, each on MPICH and on Open MPI: every call that the program
# makes is intercepted exactly once, and the data is right.
. "$(dirname "$0")/bind.inc"
command -v mpicc.mpich >/dev/null || command -v mpicc.openmpi >/dev/null || skip "no MPI compiler"
install_counter

# What bind_languages.c and .F90 call, per rank. With an argument: Init_thread in place of Init.
cat >"$work/wanted" <<'EOF2'
Bsend 1
Cancel 1
Finalize 1
Ibsend 1
Improbe 1
Imrecv 1
Init 1
Iprobe 1
Irecv 6
Irsend 1
Isend 7
Issend 1
Mprobe 1
Mrecv 1
Probe 2
Recv 6
Recv_init 2
Request_free 2
Request_get_status 1
Rsend 1
Send 3
Sendrecv 1
Sendrecv_replace 1
Ssend 1
Start 1
Startall 1
Test 1
Testall 1
Testany 1
Testsome 1
Wait 5
Waitall 7
Waitany 2
Waitsome 1
attach 1
EOF2
sed 's/^Init /Init_thread /' "$work/wanted" | LC_ALL=C sort >"$work/wanted_thread"

# counted NAME TABLE: both ranks of the last run counted what the table says
counted() {
	ranks=0
	for file in "$work"/counts/*; do
		LC_ALL=C sort "$file" >"$work/is"
		diff "$2" "$work/is" >"$work/diff" || fail "$1: < wanted, > counted: $(grep '^[<>]' "$work/diff" | tr '\n' ' ')"
		ranks=$((ranks + 1))
	done
	[ $ranks -eq 2 ] || fail "$1: counts of $ranks ranks: $(tail -1 "$work/err")"
	rm -f "$work"/counts/*
}

try() {
	mpi_run $mpi "$work/program" || fail "$1: exit code $?: $(tail -1 "$work/err")"
	[ -s "$work/err" ] && fail "$1: extra output: $(head -1 "$work/err")"
	counted "$1" "$work/wanted"
	mpi_run $mpi "$work/program" thread || fail "$1: exit code $?: $(tail -1 "$work/err")"
	counted "$1, Init_thread" "$work/wanted_thread"
}

# Without its flavour: the program runs all the same, and one line in the whole job says why it is inactive.
try_without_flavour() {
	mv "$work/libvmonecopy-$mpi.so" "$work/away"
	mpi_run $mpi "$work/program" || fail "$mpi without flavour: exit code $?: $(tail -1 "$work/err")"
	mv "$work/away" "$work/libvmonecopy-$mpi.so"
	[ "$(grep -c '^vmonecopy: INACTIVE: .*libvmonecopy-'$mpi'.so.*; ' "$work/err")" = 1 ] ||
		fail "$mpi without flavour: not one line on stderr: $(head -2 "$work/err")"
}

# compiled COMPILER...: or a complaint
compiled() { "$@" -O1 -o "$work/program" >"$work/out" 2>&1 || fail "$*: $(head -5 "$work/out" | tr '\n' ' ')"; }

missing=
for mpi in mpich openmpi; do
	command -v mpicc.$mpi >/dev/null || { missing="$missing mpicc.$mpi"; continue; }
	compiled mpicc.$mpi -Wall -Werror -Wno-stringop-overflow "$here/bind_languages.c"
	try "$mpi, C"
	try_without_flavour
	command -v mpifort.$mpi >/dev/null || { missing="$missing mpifort.$mpi"; continue; }
	for language in MPIF MPI F08; do
		compiled mpifort.$mpi -fallow-argument-mismatch -J"$work" -DLANG_$language "$here/bind_languages.F90"
		try "$mpi, Fortran $language"
	done
done
[ -z "$missing" ] || skip "the rest is right, but there is no$missing"
exit 0
