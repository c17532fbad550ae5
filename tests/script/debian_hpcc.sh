#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Debian's HPC Challenge (Open MPI), unmodified: HPL, PTRANS, RandomAccess, FFT and the bandwidth benchmarks
# check their own results and find them right, with one-copy messages among them, on two ranks and on four
# in two VMs. Many of their messages are probed, tested for, or waited for in any order, and some cancelled.
. "$(dirname "$0")/job.inc"
example=/usr/share/doc/hpcc/examples/_hpccinf.txt
command -v hpcc >/dev/null && [ -f $example ] || skip "no hpcc (package hpcc)"
need_mpi openmpi
export OPENBLAS_NUM_THREADS=1
cd "$work" || exit 1
sed 's/^1000  *Ns/600  Ns/; s/^2  *Ps/1  Ps/' $example >hpccinf.txt

# right WHAT: every check of its own passed
right() {
	grep -q '^Success=1$' hpccoutf.txt || fail "$1: no success: $(last_words)"
	[ "$(grep -c 'PASSED' hpccoutf.txt)" -ge 10 ] || fail "$1: too few checks passed"
	bad=$(grep -E 'FAILED|^(MPIRandomAccess|MPIRandomAccess_LCG)_Errors=[^0]' hpccoutf.txt | head -3)
	[ -z "$bad" ] || fail "$1: $bad"
	rm hpccoutf.txt
}

plain_job openmpi hpcc || fail "plain: exit code $?: $(last_words)"
right "plain"
job openmpi VMONECOPY_THRESHOLD=1K hpcc || fail "two ranks: exit code $?: $(last_words)"
right "two ranks"
[ "$(counter onecopy_bytes)" -gt 10000000 ] || fail "two ranks: too little by one copy: $(line)"
ranks=4
job openmpi XENEMU_DOMAINS=2 hpcc || fail "four ranks in two VMs: exit code $?: $(last_words)"
right "four ranks in two VMs"
[ "$(counter onecopy_bytes)" -gt 1000000 ] || fail "four ranks in two VMs: too little by one copy: $(line)"
exit 0
