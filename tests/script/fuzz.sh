#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every fuzzer (tests/fuzz/fuzz.h) over its corpus and a few thousand inputs more, always the same ones: nothing is found.
# Much longer: make fuzz. That each would find something: fuzz_plants.sh.
# LIMIT: 600
# BESIDE
me=$(basename "$0" .sh)
top=${VMO_ROOT:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${VMO_BUILD:-$top/build}
[ -x "$build/fuzz/pull" ] || { echo "$me: skipped: no clang with libFuzzer when the tests were built"; exit 77; }
exec "$top/tests/fuzz/run.sh" --build "$build" --runs 2000 pull race send shape peer config
