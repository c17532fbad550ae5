#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# `vmonecopy env`: every option with value, origin and meaning; -v, -g; a wrong value and an unknown name are told, by rank
# 0 alone. And the words of the command itself: --version, --help, subcommands that are none.
. "$(dirname "$0")/job.inc"
tool=$top/tools/vmonecopy
show() { "$tool" env "$@" >"$work/out" 2>"$work/err"; }
has() { grep -q -- "$1" "$work/out" || fail "$2: no '$1' in: $(head -5 "$work/out")"; }
quiet() { [ ! -s "$work/err" ] || fail "$1: $(cat "$work/err")"; }

show || fail "exit status $?"
quiet "defaults"
sed -n 's/^X([a-z_]*, "\([A-Z_]*\)", [A-Z]*, "\([^"]*\)".*/\1=\2/p' "$top/shim/options.def" >"$work/options"
[ "$(wc -l <"$work/options")" -ge 20 ] || fail "options.def is not understood"
while read -r option; do
	grep -q "\"${option%%=*}\".*for tests only" "$top/shim/options.def" || has "^$option  *(default)" "all options"
done <"$work/options"
! grep -q 'for tests only' "$work/out" || fail "options for tests are shown"

VMONECOPY_THRESHOLD=64K show -g threshold
has '^VMONECOPY_THRESHOLD=64K  *(environment; default 16K)' "origin"
has 'messages of at least so many bytes' "meaning"
! grep -q VMONECOPY_LOG "$work/out" || fail "-g shows others"
show -v
while read -r option; do has "^${option%%=*}=" "-v"; done <"$work/options"
has 'vmonecopy run --patience-us' "-v"
has 'in bytes: 16384' "-v"
show -g nothing-has-this; grep -q "no option has 'nothing-has-this'" "$work/err" || fail "-g without a match"

VMONECOPY_THRESHOLD=lots VMONECOPY_XEN=unreal VMONECOPY_TRESHOLD=1 VMONECOPYLOG=debug VMONECOPY_QQQ=1 show
[ $? -eq 1 ] || fail "wrong values: exit status"
for told in 'VMONECOPY_THRESHOLD=lots is not bytes.*uses 16K' 'VMONECOPY_XEN=unreal is none of real, emulated' \
	'VMONECOPY_TRESHOLD is no option of the library (maybe VMONECOPY_THRESHOLD?)' 'VMONECOPYLOG .*maybe VMONECOPY_LOG?' \
	'VMONECOPY_QQQ is no option of the library$'; do
	grep -q "$told" "$work/err" || fail "not told: $told in: $(cat "$work/err")"
done
[ "$(wc -l <"$work/err")" -eq 5 ] || fail "not five lines: $(cat "$work/err")"
has '^VMONECOPY_THRESHOLD=16K  *(default)' "a wrong value is not used"
PMI_RANK=1 VMONECOPY_QQQ=1 show; quiet "rank 1"; [ ! -s "$work/out" ] || fail "rank 1 speaks"
VMONECOPY_BUILD=$build show || fail "VMONECOPY_BUILD is taken for a typo"

version=$(sed -n 's/^#define VMO_VERSION "\(.*\)"/\1/p' "$top/shim/vmo.h")
[ "$("$tool" --version)" = "vmonecopy $version" ] || fail "--version: $("$tool" --version)"
for name in ab run doctor trace env; do
	"$tool" --help | grep -q "vmonecopy $name " || fail "--help does not name $name"
	"$tool" $name --help >"$work/out" 2>"$work/err" || fail "$name --help"
	[ -s "$work/out" ] || fail "$name --help is empty"
	"$tool" complete "" | grep -qx "$name" || fail "completion does not name $name"
done
"$tool" docter 2>"$work/err"; [ $? -eq 2 ] && grep -q 'there are ab, run, doctor, trace, env' "$work/err" || fail "no such subcommand"
"$tool" 2>"$work/err"; [ $? -eq 2 ] || fail "no subcommand"

# A reader that stops early
"$tool" env 2>"$work/err" | true
quiet "a closed pipe"

# bash completion, as bash asks for it
command -v bash >/dev/null || exit 0
complete() {	# WORDS...: what the last one may be
	bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _vmonecopy; printf "%s\n" "${COMPREPLY[@]}"' bash \
		"$top/tools/completion/vmonecopy.bash" "$tool" "$@" >"$work/out"
}
complete d; [ "$(cat "$work/out")" = doctor ] || fail "completion of d: $(cat "$work/out")"
complete run --thr; [ "$(cat "$work/out")" = --threshold ] || fail "completion of run --thr: $(cat "$work/out")"
complete run --xen ""; [ "$(tr '\n' ' ' <"$work/out")" = "real emulated " ] || fail "completion of --xen: $(cat "$work/out")"
complete run ./app --thr; [ -z "$(cat "$work/out")" ] || fail "completion behind the program: $(cat "$work/out")"
complete doctor --js; [ "$(cat "$work/out")" = --json ] || fail "completion of doctor: $(cat "$work/out")"
exit 0
