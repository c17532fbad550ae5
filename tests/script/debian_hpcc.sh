#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Debian's HPC Challenge (Open MPI), unmodified: HPL, PTRANS, RandomAccess, FFT and the bandwidth benchmarks
# check their own results and find them right, with one-copy messages among them, on two ranks and on four
# in two VMs. Many of their messages are probed, tested for, or waited for in any order, and some cancelled.
# LIMIT: 900
. "$(dirname "$0")/job.inc"
example=/usr/share/doc/hpcc/examples/_hpccinf.txt
command -v hpcc >/dev/null && [ -f $example ] || skip "no hpcc (package hpcc)"
need_mpi openmpi
seconds=300
export OPENBLAS_NUM_THREADS=1
cd "$work" || exit 1
sed 's/^1000  *Ns/600  Ns/; s/^2  *Ps/1  Ps/' $example >hpccinf.txt

# passed HOW_OFTEN PATTERN WHAT: as many lines as that say it
passed() {
	lines=$(grep -cE "$2" hpccoutf.txt)
	[ "$lines" -eq "$1" ] || fail "$3: $lines instead of $1 times '$2'"
}

# right WHAT: every check of its own passed. PTRANS says it by wall clock and, for what the CPU's clock, which
# ticks coarsely, sees at all, by that too: those lines are as many as the machine is slow, and not counted.
right() {
	grep -q '^Success=1$' hpccoutf.txt || fail "$1: no success: $(last_words)"
	bad=$(grep -E 'FAILED|^(MPIRandomAccess|MPIRandomAccess_LCG)_Errors=[^0]' hpccoutf.txt | head -3)
	[ -z "$bad" ] || fail "$1: $bad"
	passed 5 '^WALL.* PASSED' "$1: PTRANS"
	passed 1 'Ax-b.* PASSED' "$1: HPL"
	passed 4 '^Found 0 errors in .*\(passed\)' "$1: RandomAccess"
	passed 10 '^Node\(s\) with error 0$' "$1: on each rank"
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
