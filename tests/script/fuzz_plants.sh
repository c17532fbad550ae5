#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every fuzzer finds what it is there for: each weaker check of tests/fuzz/plants, built into a copy of one file of the
# shim, ends the fuzzer within a short run that without it finds nothing (fuzz.sh).
# LIMIT: 3600
# BESIDE
me=$(basename "$0" .sh)
top=${VMO_ROOT:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${VMO_BUILD:-$top/build}
cd "$top" || exit 1
[ -x "$build/fuzz/pull" ] || { echo "$me: skipped: no clang with libFuzzer when the tests were built"; exit 77; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
missed=0 planted=0
tab=$(printf '\t')

# hunt FUZZER: exit 0 if it ends with a find; by several seeds
hunt() {
	for seed in 1 2 3; do
		mkdir -p "$work/new.$seed"
		timeout -k 2 600 "$work/$1" -seed=$seed -runs=20000 -max_len=4096 -timeout=20 -artifact_prefix="$work/" \
			"$work/new.$seed" "tests/fuzz/corpus/$1" >"$work/log" 2>&1
		grep -e 'ERROR: ' -e 'runtime error' -e 'not true' "$work/log" | grep -qv 'ERROR: libFuzzer: \(timeout\|out-of-memory\)' && return 0
	done
	return 1
}

while IFS=$tab read -r fuzzer file what expression; do
	case $fuzzer in '#'*|'') continue ;; esac
	planted=$((planted + 1))
	sed "$expression" "shim/$file" >"$work/$file"
	! cmp -s "shim/$file" "$work/$file" || { echo "$me: $file: nothing to weaken: $what"; exit 1; }
	make -s --no-print-directory B="$build" fuzz-planted FUZZER="$fuzzer" WEAK="$work/$file" OUT="$work/$fuzzer" >"$work/log" 2>&1 ||
		{ echo "$me: $file does not compile: $what"; cat "$work/log"; exit 1; }
	rm -rf "$work"/new.*
	if hunt "$fuzzer"; then
		echo "$fuzzer found: $what: $(grep -m 1 -o -e 'ERROR: .*' -e 'runtime error.*' -e 'not true.*' "$work/log" | cut -c1-90)"
	else
		missed=$((missed + 1))
		echo "$fuzzer MISSED: $what"
	fi
done <tests/fuzz/plants
[ $planted -ge 6 ] || { echo "$me: only $planted plants"; exit 1; }
[ $missed = 0 ]
