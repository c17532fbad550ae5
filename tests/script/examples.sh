#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# include/vmonecopy.h: the examples in C and Fortran are built without naming a library, and run without it, where the
# answers are those of a library that is not there, and with it, where the first send of a preferred buffer is in place.
# So they do however a compiler links, as C++, and with counters of an older and a newer program.
. "$(dirname "$0")/job.inc"
command -v mpicc.mpich >/dev/null || command -v mpicc.openmpi >/dev/null || skip "no MPI compiler"
examples=$top/tools/examples

# Of 4 MiB all whole pages cross by one copy; the rest is less than two pages.
right_without() {
	plain_job $mpi "$work/program" || fail "$1, without the library: exit code $?: $(last_words)"
	grep -q '^libvmonecopy is not active: libvmonecopy.so is not preloaded$' "$work/out" && grep -q '^prefer 0' "$work/out" &&
		grep -q '^forget 0$' "$work/out" && [ "$(grep -o ': right' "$work/out" | wc -l)" = 2 ] || fail "$1, without the library: $(last_words)"
}
right_with() {
	job $mpi VMONECOPY_PATIENCE_US=10000000 "$work/program" || fail "$1: exit code $?: $(last_words)"
	grep -q '^libvmonecopy.* is active$' "$work/out" && grep -q '^prefer 1' "$work/out" && grep -q '^forget 1$' "$work/out" &&
		[ "$(grep -o ': right' "$work/out" | wc -l)" = 2 ] || fail "$1: $(last_words)"
	bytes=$(sed -n 's/^.*prefer 1: //; s/^\([0-9]*\) bytes by one copy, \([0-9]*\) staged$/\1 \2/p' "$work/out")
	one=${bytes% *} staged=${bytes#* }
	[ $((one + staged)) = 4194304 ] && [ "$staged" -lt 8192 ] || fail "$1: one-copy and staged bytes: $bytes"
}
both() { right_without "$1"; right_with "$1"; }
compiled() { "$@" -o "$work/program" >"$work/out" 2>&1 || fail "$*: $(head -5 "$work/out" | tr '\n' ' ')"; }

missing=
for mpi in mpich openmpi; do
	command -v mpicc.$mpi >/dev/null || { missing="$missing mpicc.$mpi"; continue; }
	need_mpi $mpi
	cc="mpicc.$mpi -Wall -Wextra -Werror -I$top/include"
	compiled $cc -O2 "$examples/hints.c"
	both "$mpi, C"
	compiled $cc -O0 -no-pie -fno-pie "$examples/hints.c"
	right_with "$mpi, C, not position independent"
	mpicc.$mpi -Wall -Werror -I"$top/include" -o "$work/program" "$here/examples_edges.c" || fail "examples_edges.c does not compile"
	job $mpi "$work/program" && [ "$(grep -o right "$work/out" | wc -l)" = 2 ] || fail "$mpi, edges: $(last_words)"
	job $mpi XENEMU_DOMAINS=1 "$work/program" inactive && [ "$(grep -o right "$work/out" | wc -l)" = 2 ] || fail "$mpi, inactive: $(last_words)"
	plain_job $mpi "$work/program" absent && [ "$(grep -o right "$work/out" | wc -l)" = 2 ] || fail "$mpi, absent: $(last_words)"
	command -v mpifort.$mpi >/dev/null || { missing="$missing mpifort.$mpi"; continue; }
	compiled mpifort.$mpi -O1 -J"$work" "$examples/vmonecopy.f90" "$examples/hints_f.f90"
	both "$mpi, Fortran"
done

# The header alone, in C99 and C++, with all warnings; the version is that of vmo.h.
cat >"$work/alone.c" <<'EOF2'
#include <vmonecopy.h>
#include <stdio.h>
int main(void) { printf("%d %d %s\n", vmonecopy_version(), vmonecopy_active(NULL), vmonecopy_version_string()); return 0; }
EOF2
for language in "gcc -std=c99 -pedantic" "gcc -std=c11" "g++ -std=c++11 -x c++"; do
	command -v ${language%% *} >/dev/null || { missing="$missing ${language%% *}"; continue; }
	$language -Wall -Wextra -Werror -I"$top/include" -o "$work/alone" "$work/alone.c" || fail "$language: the header does not compile"
	[ "$("$work/alone")" = "0 0 " ] || fail "$language: without the library it says $("$work/alone")"
	# with it, but before any MPI function: not active, and a version
	LD_PRELOAD=$preload "$work/alone" >"$work/out"
	version=$(sed -n 's/^#define VMO_VERSION "\(.*\)"/\1/p' "$top/shim/vmo.h")
	number=$(echo "$version" | awk -F. '{ print 10000 * $1 + 100 * $2 + $3 }')
	[ "$(cat "$work/out")" = "$number 0 $version" ] || fail "$language: it says $(cat "$work/out"), not $number 0 $version"
done
[ -z "$missing" ] || skip "the rest is right, but there is no$missing"
exit 0
