#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# run.sh --build DIR [--seconds N | --runs N] FUZZER...: each fuzzer over its corpus and on from there.
#   --seconds  so long each, by random seeds; the inputs that it adds, and finds, are kept in DIR/fuzz/found
#   --runs     so many runs each, every time the same (race's threads apart); nothing is kept but finds
# Exit 1 at the end if anything was found; a find's file and report are named.
here=$(cd "$(dirname "$0")" && pwd)
build=build seconds= runs=
while [ $# -gt 0 ]; do
	case $1 in
	--build) build=$2; shift 2 ;;
	--seconds) seconds=$2; shift 2 ;;
	--runs) runs=$2; shift 2 ;;
	*) break ;;
	esac
done
found=$build/fuzz/found
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir -p "$found"
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:handle_abort=1}
finds=0

for fuzzer; do
	if [ -n "$runs" ]; then
		new=$work/$fuzzer how="-seed=1 -runs=$runs"
		[ $fuzzer = race ] && how="-seed=1 -runs=$((runs / 10))"	# each is of 40 messages, and of two threads
	else
		new=$found/$fuzzer how="-max_total_time=$seconds"
	fi
	mkdir -p "$new"
	log=$found/$fuzzer.log
	"$build/fuzz/$fuzzer" $how -max_len=4096 -timeout=20 -artifact_prefix="$found/$fuzzer-" \
		"$new" "$here/corpus/$fuzzer" >"$log" 2>&1
	code=$?
	said=$(sed -n 's/^Done \([0-9]*\) runs in \([0-9]*\) second.*/\1 runs in \2 s/p' "$log")
	if [ $code = 0 ] && [ -n "$said" ]; then
		echo "$fuzzer: $said, nothing found"
	else
		finds=$((finds + 1))
		echo "$fuzzer: FOUND (exit $code): $(grep -m 1 -e 'runtime error' -e 'ERROR:' -e 'not true:' "$log")"
		sed -n 's/.*Test unit written to /  again: '"$fuzzer"' /p' "$log"
		echo "  report: $log"
	fi
done
echo "$finds finds"
[ $finds = 0 ]
