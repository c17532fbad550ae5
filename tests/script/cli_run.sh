#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# `vmonecopy run`: the library last in LD_PRELOAD, once; options as flags; the program's arguments, exit code, signals and
# environment untouched; whatever hinders the library is one line of one rank, and the program runs without it.
. "$(dirname "$0")/job.inc"
export VMONECOPY_BUILD="$build"
unset LD_PRELOAD MPI_LOCALRANKID OMPI_COMM_WORLD_LOCAL_RANK SLURM_LOCALID
tool=$top/tools/vmonecopy
cc=${CC:-gcc}
command -v "$cc" >/dev/null || skip "no C compiler"

# says WHAT CODE LINES REGEX COMMAND...: exit code, so many lines on stderr, one that matches (none: an empty REGEX)
says() {
	what=$1 code=$2 lines=$3 regex=$4
	shift 4
	"$@" >"$work/out" 2>"$work/err"
	is=$?
	[ $is -eq "$code" ] || fail "$what: exit code $is in place of $code: $(cat "$work/err")"
	[ "$(wc -l <"$work/err")" -eq "$lines" ] || fail "$what: not $lines lines: $(cat "$work/err")"
	[ -z "$regex" ] || grep -q "$regex" "$work/err" || fail "$what: not /$regex/: $(cat "$work/err")"
}
out() { [ "$(cat "$work/out")" = "$1" ] || fail "$what: '$(cat "$work/out")', not '$1'"; }
run() { "$tool" run "$@"; }

# The variables and the program
says "LD_PRELOAD" 0 0 "" run -- printenv LD_PRELOAD; out "$preload"
says "without --" 0 0 "" run printenv LD_PRELOAD; out "$preload"
says "dry run" 0 0 "" run -n --threshold 64K ls; out "env VMONECOPY_THRESHOLD=64K LD_PRELOAD=$preload ls"
says "flags" 0 0 "" run --threshold 64K --no-check --collectives --patience-us=7 --log=debug --emulated=2 -- \
	sh -c 'echo $VMONECOPY_THRESHOLD $VMONECOPY_CHECK $VMONECOPY_COLLECTIVES $VMONECOPY_PATIENCE_US $VMONECOPY_LOG $VMONECOPY_XEN $XENEMU_DOMAINS $XENEMU_LIMIT'
out "64K 0 1 7 debug emulated 2 32768"
says "off" 0 0 "" run --off printenv VMONECOPY; out 0
says "arguments" 0 0 "" run --check -- sh -c 'for a; do echo "[$a]"; done' sh "a b" --check "" -- ; out "[a b]
[--check]
[]
[--]"
says "exit code" 7 0 "" run sh -c 'exit 7'
says "signals" 0 0 "" run grep SigIgn /proc/self/status; out "$(grep SigIgn /proc/self/status)"
says "environment" 0 0 "" env -i PATH=/usr/bin:/bin VMONECOPY_BUILD="$build" "$tool" run -- env
[ "$(grep -v '^_=' "$work/out" | sort | tr '\n' ' ')" = "$(printf '%s\n' LD_PRELOAD="$preload" PATH=/usr/bin:/bin VMONECOPY_BUILD="$build" | sort | tr '\n' ' ')" ] ||
	fail "environment: $(cat "$work/out")"
printf 'echo by the shell "$1"\n' >"$work/plain"; chmod +x "$work/plain"
says "script without #!" 0 0 "" run "$work/plain" too; out "by the shell too"
printf '#!/bin/sh\necho "$LD_PRELOAD"\n' >"$work/script"; chmod +x "$work/script"
says "script" 0 0 "" run "$work/script"; out "$preload"

# What LD_PRELOAD has already
libdl=$(ldconfig -p | sed -n 's/.*libdl.so.2 (libc6.*64.*=> //p' | head -n 1)
[ -n "$libdl" ] || skip "no libdl.so.2"
says "behind others" 0 0 "" env LD_PRELOAD="$libdl" "$tool" run printenv LD_PRELOAD; out "$libdl:$preload"
says "spaces" 0 0 "" env LD_PRELOAD=" $libdl " "$tool" run printenv LD_PRELOAD; out "$libdl:$preload"
says "there already" 0 0 "" env LD_PRELOAD="$preload:$libdl" "$tool" run printenv LD_PRELOAD; out "$preload:$libdl"
cp "$preload" "$work/libvmonecopy.so.0"
says "there already, by another name" 0 0 "" env LD_PRELOAD="$work/libvmonecopy.so.0" "$tool" run printenv LD_PRELOAD
out "$work/libvmonecopy.so.0"
cp "$libdl" "$work/libjemalloc.so.2"
says "before an allocator" 0 0 "" env LD_PRELOAD="$libdl:$work/libjemalloc.so.2" "$tool" run printenv LD_PRELOAD
out "$libdl:$preload:$work/libjemalloc.so.2"

# Wrong use
says "no program" 2 1 "which program" run
says "typo in a flag" 2 1 "maybe --threshold?" run --treshold 1M true
says "bad value" 2 1 "threshold lots: is not bytes" run --threshold lots true
says "bad word" 2 1 "none of real, emulated" run --xen unreal true
says "value out of range" 2 1 "not from 64" run --threshold=1 true
says "no value" 2 1 "wants a value" run --threshold
says "value of a --no-" 2 1 "no option" run --no-check=1 true
says "not found" 127 1 "not found" run "$work/nothing"
says "not executable" 126 1 "ermission" run "$top/README.md"
says "a report to a file" 0 0 "" run --report json:/x/y printenv VMONECOPY_REPORT; out json:/x/y
says "a report to no file" 2 1 "none of none, line, full, json:FILE" run --report json: true

# Programs that the library cannot come into
cat >"$work/app.c" <<'EOF2'
#include <stdio.h>
#include <stdlib.h>
int main(void) { const char *p = getenv("LD_PRELOAD"); puts(p ? p : "none"); return 5; }
EOF2
"$cc" -o "$work/app" "$work/app.c" || fail "cannot compile"
says "dynamic" 5 0 "" run "$work/app"; out "$preload"
if "$cc" -static -o "$work/static" "$work/app.c" 2>/dev/null; then
	says "static" 5 1 "static is linked statically" run "$work/static"; out none
	for rank in PMI_RANK PMIX_RANK OMPI_COMM_WORLD_RANK; do
		says "static, another rank" 5 0 "" env $rank=1 "$tool" run "$work/static"; out none
	done
fi
if "$cc" -static-pie -o "$work/static" "$work/app.c" 2>/dev/null; then
	says "static, position independent" 5 1 "linked statically" run "$work/static"
fi
cat >"$work/small.s" <<'EOF2'
	.globl _start
_start:	movl $1, %eax
	movl $9, %ebx
	int $0x80
EOF2
if [ "$(uname -m)" = x86_64 ] && "$cc" -m32 -nostdlib -static -o "$work/small" "$work/small.s" 2>/dev/null; then
	{ "$work/small"; } 2>/dev/null
	if [ $? = 9 ]; then says "32 bits" 9 1 "for x86 (32 bits), the library is for x86-64" run "$work/small"; fi
fi
cp "$work/app" "$work/foreign"
printf '\267\000' | dd of="$work/foreign" bs=1 seek=18 conv=notrunc 2>/dev/null	# e_machine: aarch64, or none on aarch64
[ "$(uname -m)" != x86_64 ] || says "another machine" 126 2 "for aarch64, the library is for x86-64" run "$work/foreign"
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	public=$(mktemp -d /tmp/vmo-cli-run-XXXXXX)	# where another user may go
	trap 'rm -rf "$work" "$public"' EXIT
	cp "$work/app" "$public"
	chmod 755 "$public"
	chmod 4755 "$public/app"
	says "setuid, by its owner" 5 0 "" run "$public/app"
	user="setpriv --reuid 65534 --clear-groups"
	if $user test -x "$tool" -a -r "$preload" && [ "$($user "$public/app")" = none ]; then
		says "setuid" 5 1 "app is setuid" $user "$tool" run "$public/app"; out none
	fi
fi

# The library's files
mkdir "$work/empty"
says "missing library" 5 1 "libvmonecopy.so is missing on $(uname -n)" env VMONECOPY_BUILD="$work/empty" "$tool" run "$work/app"; out none
says "missing library, first rank of a machine" 5 1 "missing" \
	env VMONECOPY_BUILD="$work/empty" PMI_RANK=4 MPI_LOCALRANKID=0 "$tool" run "$work/app"
says "missing library, second rank of a machine" 5 0 "" \
	env VMONECOPY_BUILD="$work/empty" PMI_RANK=4 MPI_LOCALRANKID=1 "$tool" run "$work/app"
echo text >"$work/empty/libvmonecopy.so"
says "library that is none" 5 1 "is not a library" env VMONECOPY_BUILD="$work/empty" "$tool" run "$work/app"; out none

# All options of options.def are flags, and help names them
"$tool" run --help >"$work/help" || fail "--help"
sed -n 's/^X([a-z_]*, "VMONECOPY_\([A-Z_]*\)".*/\1/p' "$top/shim/options.def" | tr 'A-Z_' 'a-z-' >"$work/names"
[ "$(wc -l <"$work/names")" -ge 20 ] || fail "options.def is not understood"
while read -r name; do
	"$tool" run -n "--$name=1" true >"$work/out" 2>"$work/err" || grep -qv "no option" "$work/err" || fail "--$name is no flag"
	grep -q -- "--\(\[no-\]\)\?$name\>" "$work/help" || grep "\"VMONECOPY_$(echo "$name" | tr 'a-z-' 'A-Z_')\"" "$top/shim/options.def" |
		grep -q "for tests only" || fail "--help does not name --$name"
done <"$work/names"
exit 0
