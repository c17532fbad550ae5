#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Debian's ScaLAPACK tests, unmodified, on both MPIs: LU, Cholesky and QR factorizations pass their own
# residual checks as often as without the library. The BLACS below send and receive matrices as strided
# datatypes, nonblocking, and free their buffers as they go.
. "$(dirname "$0")/job.inc"
tests=$(ls -d /usr/lib/*/scalapack/mpich-tests 2>/dev/null | sed 's/mpich-tests$//')
[ -n "$tests" ] || skip "no ScaLAPACK tests (package scalapack-mpi-test)"
export OPENBLAS_NUM_THREADS=1
cd "$work" || exit 1

# Condition estimation stays off: it hangs by itself now and then.
cat >LU.dat <<'EOF2'
'LU factorization'
'two ranks'
'LU.out'	output file name
6		device out
2		number of problem sizes
300 501		values of M
300 501		values of N
2		number of NB's
32 64		values of NB
1		number of NRHS's
33		values of NRHS
1		number of NBRHS's
16		values of NBRHS
2		number of process grids
1 2		values of P
2 1		values of Q
3.0		threshold
F		condition estimation and iterative refinement
EOF2
{ sed -n 1,4p LU.dat; echo "'U'		upper"; sed -n 5,6p LU.dat; sed -n '8,$p' LU.dat; } >LLT.dat
cat >QR.dat <<'EOF2'
'Orthogonal factorizations'
'two ranks'
'QR.out'	output file name
6		device out
2		number of factorizations
'QR' 'LQ'
1		number of problem sizes
301		values of M
250		values of N
2		number of block sizes
32 64		values of MB
32 64		values of NB
2		number of process grids
1 2		values of P
2 1		values of Q
5.0		threshold
EOF2

# How many tests passed, failed, were skipped; and which lines did not pass.
verdicts() { sed -n 's/^ *\([0-9]*\) *tests \(completed and [a-z]* residual\|skipped\).*/\2 \1/p; /FAILED/p' "$work/out"; }

# try NAME COUNTER: that counter must not stay 0
try() {
	program=$tests$mpi-tests/$1
	[ -x "$program" ] || skip "no $program (package scalapack-mpi-test)"
	plain_job $mpi "$program" || fail "plain $mpi $1: exit code $?: $(last_words)"
	verdicts >plain
	grep -q 'passed residual [1-9]' plain || fail "plain $mpi $1: no test passed: $(last_words)"
	job $mpi VMONECOPY_THRESHOLD=2K VMONECOPY_ADMISSION=1 "$program" || fail "$mpi $1: exit code $?: $(last_words)"
	verdicts >ours
	diff plain ours >difference || fail "$mpi $1: < plain, > ours: $(grep '^[<>]' difference | tr '\n' ' ')"
	[ "$(counter $2)" -gt 0 ] || fail "$mpi $1: no $2: $(line)"
	[ "$(counter scattered_messages)" -gt 0 ] || fail "$mpi $1: no strided message was among them"
}

for mpi in mpich openmpi; do
	need_mpi $mpi
	try xdlu onecopy_bytes
	try xzllt onecopy_bytes
	try xdqr pulled_bytes
done
exit 0
