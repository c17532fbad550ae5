#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# jemalloc and tcmalloc, preloaded behind the library and before it, with one thread and with three: every message and
# every byte of the program's memory is right (tests/mpi/memory_life.c). Behind it buffers are in place; before it, free()
# is not the library's, and all is staged. So it is behind an allocator that cannot tell a chunk's length.
. "$(dirname "$0")/job.inc"
seconds=100

try() {	# MPI ALLOCATOR ORDER args...
	mpi=$1 lib=$2 order=$3
	shift 3
	case $order in before) both=$lib:$preload ;; *) both=$preload:$lib ;; esac
	what="$(basename "$lib") $order, $mpi, $*"
	job $mpi LD_PRELOAD="$both" VMONECOPY_ADMISSION=1 UCX_MEM_EVENTS=n MALLOC_CONF=dirty_decay_ms:0,muzzy_decay_ms:0 \
		TCMALLOC_RELEASE_RATE=100 "$build/tests/$mpi/memory_life" "$@" || fail "$what: exit code $?: $(last_words)"
	case $order in
	behind) [ "$(counter onecopy_bytes)" -gt 1000000 ] || fail "$what: too little in place: $(line)" ;;
	*) [ "$(counter staged_bytes)" -gt 1000000 ] || fail "$what: too little staged: $(line)"
		[ "$(counter substitutions)" = 0 ] || fail "$what: substituted although nobody tells of free()" ;;
	esac
}

missing=
for name in libjemalloc.so.2 libtcmalloc_minimal.so.4; do
	lib=$(ldconfig -p | sed -n "s,.*$name (.*x86-64.*) => ,,p" | head -n 1)
	[ -f "${lib:-/}" ] || { missing="$missing $name"; continue; }
	for mpi in mpich openmpi; do
		need_mpi $mpi
		[ -x "$build/tests/$mpi/memory_life" ] || skip "tests/mpi/memory_life.c is not built"
		try $mpi "$lib" behind 200 seed=21
		try $mpi "$lib" behind 60 threads=3 seed=22
		try $mpi "$lib" before 100 seed=23
	done
done
own=$work/libown.so
${CC:-gcc} -O1 -w -fno-builtin -fPIC -shared -o "$own" "$here/allocators_own.c" -lpthread || fail "allocators_own.c does not compile"
for mpi in mpich openmpi; do
	try $mpi "$own" "no length, behind" 100 seed=24
done
[ -z "$missing" ] || skip "no$missing (packages libjemalloc2, libtcmalloc-minimal4)"
exit 0
