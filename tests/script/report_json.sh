#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# VMONECOPY_REPORT=json:FILE: one file by rank 0 that says of every byte from which VM it went to which and how; pairs, sizes and
# totals agree to the byte. Rank 0's option holds for all. `vmonecopy trace` prints it. A file that cannot be
# written costs one line.
. "$(dirname "$0")/job.inc"
command -v mpicc.mpich >/dev/null || command -v mpicc.openmpi >/dev/null || skip "no MPI compiler"
ranks=4
emulated="VMONECOPY_XEN=emulated XENEMU_DOMAINS=2 VMONECOPY_PATIENCE_US=5000000 VMONECOPY_COLLECTIVES=1"

# pairs WHAT [VARIABLE=value ...]: the program is right and its report is $work/report
pairs() {
	what="$mpi, $1"
	shift
	rm -f "$work/report"
	plain_job $mpi env LD_PRELOAD="$preload" $emulated VMONECOPY_REPORT="json:$work/report" "$@" "$work/pairs" ||
		fail "$what: exit code $?: $(last_words)"
	[ "$(grep -o right "$work/out" | wc -l)" = 4 ] || fail "$what: $(last_words)"
}
lines() { [ "$(wc -l <"$work/err")" = "$1" ] || fail "$what: not $1 lines: $(tr '\n' '|' <"$work/err")"; }
checked() { python3 "$here/report_json.py" "$work/report" $1 || fail "$what: not as it should be"; }

try() {
	pairs "warm"
	lines 1
	checked warm
	pairs "nothing mapped" VMONECOPY_MAP_BUDGET=0
	checked unmapped
	pairs "one VM" XENEMU_DOMAINS=1
	lines 1
	checked inactive
	pairs "full report" VMONECOPY_REPORT=full
	for part in 'from domain 1 (rank 0, .*) to domain 2 (rank 1): 26 messages, .* one-copy, .* staged, 0 bytes fell' \
	            'size 1.0 MiB to 2.0 MiB: 60 messages' 'sent in place: [0-9]* messages, [0-9.]* % found' 'clock_reads [1-9]'; do
		grep -q "^vmonecopy:   $part" "$work/err" || fail "$what: no line: $part"
	done
	pairs "no such directory" VMONECOPY_REPORT="json:$work/none/report"
	lines 2
	grep -q "^vmonecopy.*cannot be written to $work/none/report: No such file" "$work/err" || fail "$what: $(cat "$work/err")"
}

traced() {
	what="$mpi, trace"
	case $mpi in
	mpich) launch="mpiexec.mpich -n 4" ;;
	openmpi) launch="mpirun.openmpi -n 4 --oversubscribe --bind-to none --mca pml ob1 --mca btl self,vader,tcp" ;;
	esac
	VMONECOPY_BUILD=$build VMONECOPY_XEN=emulated XENEMU_DOMAINS=2 timeout -k 5 $seconds "$top/tools/vmonecopy" trace --json "$work/kept" \
		-- $launch "$work/pairs" >"$work/out" 2>"$work/err" </dev/null || fail "$what: exit code $?: $(last_words)"
	grep -q '^4 ranks on EMULATED Xen' "$work/out" && grep -q '^dom 1 (rank 0)  *10.0 MiB   0%  *20.4 MiB' "$work/out" &&
		grep -q '^1.0 MiB and more  *60 ' "$work/out" || fail "$what: $(cat "$work/out")"
	"$top/tools/vmonecopy" trace --read "$work/kept" >"$work/again" || fail "$what: cannot read it again"
	sed -n '/^4 ranks/,$p' "$work/out" | cmp -s - "$work/again" || fail "$what: read again it says something else"
}

# Readers of what anybody may have written: one line, no traceback.
refused() {
	for text in '' '{}' '[]' '{"schema": 7}' '{"schema": 1, "ranks": 1}' "$(head -c 300 "$work/kept")"; do
		printf '%s' "$text" >"$work/broken"
		"$top/tools/vmonecopy" trace --read "$work/broken" >"$work/out" 2>"$work/err" && fail "trace reads: $text"
		[ "$(wc -l <"$work/err")" = 1 ] && ! grep -q Traceback "$work/err" || fail "trace says of $text: $(cat "$work/err")"
	done
	"$top/tools/vmonecopy" trace -- sh -c 'exit 3' 2>"$work/err"
	[ $? = 3 ] && grep -q 'no report' "$work/err" || fail "trace of a program without MPI: $(cat "$work/err")"
}

missing=
for mpi in mpich openmpi; do
	command -v mpicc.$mpi >/dev/null || { missing="$missing mpicc.$mpi"; continue; }
	need_mpi $mpi
	mpicc.$mpi -O1 -Wall -Werror -o "$work/pairs" "$here/report_pairs.c" || fail "report_pairs.c does not compile"
	try
	traced
done
refused
[ -z "$missing" ] || skip "the rest is right, but there is no$missing"
exit 0
