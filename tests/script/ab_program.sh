#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# `vmonecopy ab -- COMMAND`: what it runs and in which order, which comparisons it refuses, what it writes.
. "$(dirname "$0")/ab.inc"

# Pairs: a warm-up without first; then each pair one run of each side, and both orders as often.
ab 0 'output the same in all runs: 5 bytes' --pairs 8 --seed 1 $files -- "$job"
python3 - "$LOG" <<'CHECK' || fail "the runs are not pairs in random order"
import sys
sides = [line.split()[0] for line in open(sys.argv[1])]
assert len(sides) == 18 and sides[:2] == ["without", "with"], sides
pairs = list(zip(sides[2::2], sides[3::2]))
assert all(set(pair) == {"without", "with"} for pair in pairs), pairs
first = [pair[0] for pair in pairs]
assert first.count("with") == first.count("without") == 4, first
assert first not in (["with", "without"] * 4, ["without", "with"] * 4, sorted(first), sorted(first)[::-1]), first
CHECK
"$here/ab_files.py" program "$scratch/r.json" "$scratch/r.csv" "$scratch/r.svg" || fail "files of results"
grep -q '^without.*libvmonecopy' "$LOG" && fail "without the library, but it is in LD_PRELOAD"

# The caller's preloads stay, the library comes last; one of the caller's own is taken out on the other side.
LD_PRELOAD="libm.so.6:/nowhere/libvmonecopy.so" ab 0 . --pairs 1 -- "$job"
grep -qx "with unset libm.so.6:$scratch/libvmonecopy-standin.so" "$LOG" || fail "with: $(cat "$LOG")"
grep -qx 'without unset libm.so.6' "$LOG" || fail "without: $(cat "$LOG")"
ab 0 . --pairs 1 --inert -- "$job"
grep -q '^with 0 .*libvmonecopy' "$LOG" || fail "--inert: $(cat "$LOG")"

# No speed-up is claimed: too few pairs; no bytes.
ab 0 'no difference shown: 2 pairs give no 95 % interval: use --pairs 6 or more' --pairs 2 -- "$job"
export REPORT='vmonecopy: INACTIVE: no other VM of this job is on this host'
echo old | tee "$scratch/r.json" "$scratch/r.csv" >"$scratch/r.svg"
ab 1 'no speed-up to show: the library carried no bytes one-copy: no other VM of this job' --pairs 6 $files -- "$job"
[ -e "$scratch/r.json" ] || [ -e "$scratch/r.csv" ] || [ -e "$scratch/r.svg" ] && fail "results are there, but none were had"
grep -q 'times as quick' "$scratch/out" && fail "a ratio is printed"
ab 1 'carried no bytes one-copy: no other VM' --pairs 6 --anyway -- "$job"
grep -q 'times as quick' "$scratch/out" && fail "a speed-up is claimed"
export REPORT='vmonecopy: 2 ranks, 3.0 MiB sent in large messages: 0.0 % one-copy, 100.0 % staged, 0.0 % fell through'
ab 1 'carried no bytes one-copy: it says: 2 ranks, 3.0 MiB sent in large messages: 0.0 % one-copy, 100' --pairs 6 -- "$job"
export REPORT=
ab 1 'carried no bytes one-copy: it printed no report' --pairs 6 -- "$job"
unset REPORT

# What differs: output, exit status; and what would differ anyway.
export OUT_with=other
ab 1 "output differs with the library: line 1 is 'same' and 'other'" -- "$job"
ab 0 'output not compared' --pairs 1 --compare none -- "$job"
ab 0 'SHA-256' --pairs 1 --compare 'tr a-z x | cut -c1-2' -- "$job"
ab 2 'ended with exit status 3: it must end with 0' --compare 'exit 3' -- "$job"
unset OUT_with
OUT_without='$(date +%N)' OUT_with='$(date +%N)'
export OUT_without OUT_with
cat >"$scratch/differs" <<'JOB'
#!/bin/sh
date +%s%N
exec "$(dirname "$0")/job"
JOB
chmod +x "$scratch/differs"
ab 2 'differs from run to run without the library, so it cannot be compared' -- "$scratch/differs"
unset OUT_without OUT_with
STATUS_with=3 ab 1 'exit status 3, not 0 with the library, but 0 without' -- "$job"
STATUS_without=3 ab 2 'the command fails without the library: exit status 3, not 0' -- "$job"
export STATUS_with=3 STATUS_without=3
ab 0 . --pairs 1 --status 3 -- "$job"
unset STATUS_with STATUS_without

# A file that the program writes.
export WRITES="$scratch/result"
ab 1 "output differs with the library: SHA-256" --compare "file:$WRITES" -- "$job"
CONTENT=equal ab 0 'output the same in all runs: 6 bytes' --pairs 1 --compare "file:$WRITES" -- "$job"
unset WRITES
ab 2 'the program has not written it' --compare "file:$scratch/result" -- "$job"

[ $status -eq 0 ] && echo "ok: pairs, refusals, files"
exit $status
