#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# C, mpif.h, use mpi and use mpi_f08, each on MPICH and on Open MPI: large arrays arrive whole, most by
# one copy, also from arrays that lie where freed ones lay, and each call is counted exactly once.
. "$(dirname "$0")/job.inc"
command -v mpicc.mpich >/dev/null || command -v mpicc.openmpi >/dev/null || skip "no MPI compiler"

# What onecopy_languages.c and .F90 call, both ranks together, 16 turns; no other call is intercepted.
cat >"$work/wanted" <<'EOF2'
MPI_Finalize 2
MPI_Init 2
MPI_Irecv 32
MPI_Isend 32
MPI_Recv 32
MPI_Send 32
MPI_Sendrecv 32
MPI_Waitall 32
EOF2

# Of 4 buffers a rank, each is sent 12 times: from the second time on its pages are in place.
try() {
	name=$1
	job $mpi VMONECOPY_ADMISSION=2 VMONECOPY_PATIENCE_US=5000000 "$work/program" ||
		fail "$name: exit code $?: $(last_words)"
	sed -n 's/^vmonecopy:   \(MPI_.*\)/\1/p' "$work/err" | LC_ALL=C sort >"$work/is"
	diff "$work/wanted" "$work/is" >"$work/diff" ||
		fail "$name: < called, > counted: $(grep '^[<>]' "$work/diff" | tr '\n' ' ')"
	messages=$(($(counter onecopy_messages) + $(counter staged_messages)))
	[ $messages -eq 96 ] || fail "$name: 96 messages were sent, $messages counted: $(line)"
	[ "$(counter onecopy_bytes)" -gt 0 ] && [ "$(one_copy_share)" -ge 60 ] ||
		fail "$name: too little crossed by one copy: $(line)"
	[ "$(counter hook_releases)" -ge 6 ] || fail "$name: freed arrays were not released: $(counter hook_releases)"
}

compiled() { "$@" -O1 -o "$work/program" >"$work/out" 2>&1 || fail "$*: $(head -5 "$work/out" | tr '\n' ' ')"; }

missing=
for mpi in mpich openmpi; do
	command -v mpicc.$mpi >/dev/null || { missing="$missing mpicc.$mpi"; continue; }
	compiled mpicc.$mpi -Wall -Werror -Wno-stringop-overflow "$here/onecopy_languages.c"
	try "$mpi, C"
	compiled mpicc.$mpi -no-pie -fno-pie -Wno-stringop-overflow "$here/onecopy_languages.c"
	try "$mpi, C, not position independent"
	command -v mpifort.$mpi >/dev/null || { missing="$missing mpifort.$mpi"; continue; }
	for language in MPIF MPI F08; do
		compiled mpifort.$mpi -fallow-argument-mismatch -J"$work" -DLANG_$language "$here/onecopy_languages.F90"
		try "$mpi, Fortran $language"
	done
done
[ -z "$missing" ] || skip "the rest is right, but there is no$missing"
exit 0
