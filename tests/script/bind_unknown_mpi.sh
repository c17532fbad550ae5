#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# An MPI that nobody knows: each call of each name reaches it exactly once, arguments, result and
# errno intact, whichever call is the first. One line says that the library is inactive.
. "$(dirname "$0")/bind.inc"

compile libfake.so -shared -fPIC -Wl,-soname,libfake.so -DFAKE_VERSION='"Nobody'"'"'s MPI 1.0\nOpen MPI"' "$here/bind_fakempi.c"
mkdir "$work/old"
compile old/libfake.so -shared -fPIC -Wl,-soname,libfake.so -DFAKE_OLD -DFAKE_VERSION='"Nobody'"'"'s MPI 0.9"' "$here/bind_fakempi.c"
compile call_all "$here/bind_call_all.c" -rdynamic -Wl,--unresolved-symbols=ignore-all "$work/libfake.so"

# run LIBRARY-DIRECTORY FIRST [MISSING]
run() {
	dir=$1
	shift
	LD_LIBRARY_PATH=$dir LD_PRELOAD=$preload timeout 30 "$work/call_all" "$@" >"$work/out" 2>"$work/err" ||
		fail "first call $1: $(head -1 "$work/out") $(head -1 "$work/err")"
}
said() { grep -c "^vmonecopy: INACTIVE: this MPI is not known (Nobody's MPI [0-9.]*); " "$work/err"; }

entries=$(($(calls | wc -l) * 2))
first=0
while [ $first -lt $entries ]; do
	run "$work" $first
	[ "$(said)" = 1 ] || fail "first call $first: no line says that the library is inactive"
	first=$((first + 1))
done
run "$work/old" 0 15

# Of a job of many ranks, one speaks; and it can be told not to.
PMI_RANK=0 run "$work" 0
[ "$(said)" = 1 ] || fail "rank 0 is silent"
for quiet in PMI_RANK=1 PMIX_RANK=3 OMPI_COMM_WORLD_RANK=2 VMONECOPY_LOG=none; do
	(export $quiet; run "$work" 0) || exit 1
	[ -s "$work/err" ] && fail "$quiet does not silence it: $(head -1 "$work/err")"
done

# Not preloaded: the same program, so that the test above tests the entries.
LD_LIBRARY_PATH=$work "$work/call_all" 0 >"$work/out" 2>&1 && fail "passes without the library"
exit 0
