#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A peer that writes random numbers over the shared control pages all the time may make a job fail, but the innocent rank
# touches nothing outside its buffers and gets no signal (scribbler.c). One MPI after the other, several places.
# SCRIBBLE_SECONDS: of each job (2). SCRIBBLE_PRELOAD: a library before ours (make asan).
. "$(dirname "$0")/job.inc"
seconds=120
lasts=${SCRIBBLE_SECONDS:-2}

# scribble WHERE SEED PAUSE_US: the verdict of the innocent in $verdict
scribble() {
	job $mpi ${SCRIBBLE_PRELOAD:+LD_PRELOAD=$SCRIBBLE_PRELOAD:$preload} VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=20000 \
		"$work/program" "$1" "$2" "$lasts" "$3"
	verdict=$(cat "$work/err" "$work/out" | sed -n 's/^innocent: //p' | head -n 1)
	! cat "$work/err" "$work/out" | grep -e 'ERROR: AddressSanitizer' -e 'runtime error' || fail "$mpi, $*: a sanitizer's find"
}

missing=
jobs=0
for mpi in mpich openmpi; do
	command -v mpicc.$mpi >/dev/null || { missing="$missing mpicc.$mpi"; continue; }
	need_mpi $mpi
	mpicc.$mpi -O1 -Wall -Werror -I"$here/../../shim" -o "$work/program" "$here/scribbler.c" || fail "scribbler.c does not compile"
	for where in Canary Guard; do
		scribble $where 2 1000000
		case $verdict in BAD*) ;; *) fail "$mpi: a write to the $where is not noticed: $verdict; $(last_words)" ;; esac
	done
	for how in 'out 4 100' 'in 2 100' 'all 2 100' 'all 7 0'; do
		for attempt in 1 2 3; do	# the MPI of the hostile rank may end the job before the other has its say
			scribble $how
			[ -z "$verdict" ] || break
		done
		case $verdict in
		sound*) echo "$mpi, $how: $verdict" ;;
		*) fail "$mpi, $how: ${verdict:-no word of the innocent}; $(last_words)" ;;
		esac
		! grep -h '^hostile: BAD' "$work/err" "$work/out" || fail "$mpi, $how: no control pages were found"
		case $verdict in *' 0 messages'*|*' 1 messages'*) ;; *) jobs=$((jobs + 1)) ;; esac
	done
done
[ -z "$missing" ] || [ $jobs -gt 0 ] || skip "no$missing"
[ $jobs -ge 4 ] || fail "only $jobs jobs carried messages while their pages were written over"
