#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The preloaded file needs libc alone and exports the calls of calls.def, twice, the memory
# hooks, what makes threads, PMIx's commit, and what include/vmonecopy.h calls: nothing else. A flavour needs libc, Open MPI's that MPI too, and exports its one function.
. "$(dirname "$0")/bind.inc"
command -v readelf >/dev/null || skip "no readelf"

needed() { readelf -dW "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p' | LC_ALL=C sort | tr '\n' ' '; }
exported() { nm -D --defined-only "$1" | awk '{print $3}' | LC_ALL=C sort; }

same() {
	[ "$2" = "$3" ] || fail "$1 needs $2, not $3"
}

case $(uname -m) in
x86_64) version=GLIBC_2.2.5 ;;
aarch64) version=GLIBC_2.17 ;;
esac

same libvmonecopy.so "$(needed "$preload")" "libc.so.6 "
{
	calls | sed 's/.*/MPI_&\nPMPI_&/'
	# the hooks: those of the allocator, and those of system calls, hidden behind libc's own version
	printf '%s\n' free realloc reallocarray malloc_trim dlclose
	printf '%s\n' pthread_create thrd_create PMIx_Commit
	# include/vmonecopy.h
	printf 'vmonecopy1_%s\n' active forget get_counters prefer version version_string
	printf "%s@$version\n" munmap mmap mmap64 mremap madvise posix_madvise brk sbrk
	echo "$version"
} | LC_ALL=C sort >"$work/wanted"
exported "$preload" >"$work/is"
diff "$work/wanted" "$work/is" >"$work/diff" || fail "exports differ (< missing, > too many): $(grep '^[<>]' "$work/diff" | tr '\n' ' ')"
[ "$(wc -l <"$work/is")" -gt 100 ] || fail "only $(wc -l <"$work/is") names"

readelf -lW "$preload" | grep -q 'GNU_STACK.* RW ' || fail "its stack is executable"
readelf -dW "$preload" | grep -q TEXTREL && fail "it has text relocations"

for flavour in mpich openmpi; do
	library=$build/libvmonecopy-$flavour.so
	[ -f "$library" ] || { echo "$me: $flavour's flavour is not built"; continue; }
	case $flavour in
	mpich) same "$flavour's flavour" "$(needed "$library")" "libc.so.6 " ;;
	openmpi) same "$flavour's flavour" "$(needed "$library")" "libc.so.6 libmpi.so.40 " ;;
	esac
	[ "$(exported "$library")" = vmo_flavour_attach ] || fail "$flavour's flavour exports $(exported "$library" | tr '\n' ' ')"
done
exit 0
