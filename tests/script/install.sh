#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# `make install` into a DESTDIR: the installed tree works after the sources are gone, and from another place; its
# pkg-config and module files are right; uninstall leaves what is not ours, and nothing else.
. "$(dirname "$0")/job.inc"
. "$here/install.inc"
seconds=40
version=$(sed -n 's/^#define VMO_VERSION "\(.*\)"/\1/p' "$top/shim/vmo.h")
root=$work/root
prefix=/opt/vmonecopy

copy_of_tree "$work/tree"
copy_of_built "$work/tree/build"

make_it() { make -s --no-print-directory -C "$work/tree" DESTDIR="$root" PREFIX=$prefix LIBDIR=$prefix/lib64 "$@" >"$work/log" 2>&1; }
listing() { (cd "$1" && find . ! -type d | LC_ALL=C sort); }

make_it install || fail "make install: $(tail -n 3 "$work/log" | tr '\n' '|')"
# An older version had one file more, and somebody has put a file of their own there.
echo "$prefix/lib64/vmonecopy/old.so" >>"$root$prefix/share/vmonecopy/manifest"
: >"$root$prefix/lib64/vmonecopy/old.so"
echo mine >"$root$prefix/lib64/theirs"
listing "$root" >"$work/first"
make_it install || fail "make install, again: $(tail -n 3 "$work/log" | tr '\n' '|')"
listing "$root" >"$work/second"
[ "$(diff "$work/first" "$work/second" | grep '^[<>]')" = "< ./opt/vmonecopy/lib64/vmonecopy/old.so" ] ||
	fail "installed once more: $(diff "$work/first" "$work/second" | grep '^[<>]' | tr '\n' ' ')"

# Sources gone, the tree itself elsewhere.
mv "$work/tree" "$work/away"
mv "$root" "$work/moved"
there=$work/moved$prefix
grep -rIl "$work" "$there" >"$work/named" && fail "these name the place of the sources: $(tr '\n' ' ' <"$work/named")"
dangling=$(find "$there" -xtype l)
[ -z "$dangling" ] || fail "links to nothing: $dangling"
runs_installed "$there" "$there/lib64"

if command -v pkg-config >/dev/null; then
	export PKG_CONFIG_PATH=$there/lib64/pkgconfig
	[ "$(pkg-config --modversion vmonecopy)" = "$version" ] || fail "pkg-config --modversion: $(pkg-config --modversion vmonecopy 2>&1)"
	[ "$(realpath "$(pkg-config --variable=preload vmonecopy)")" = "$(realpath "$there/lib64/libvmonecopy.so")" ] ||
		fail "pkg-config --variable=preload: $(pkg-config --variable=preload vmonecopy)"
fi

# The file that is linked and the one that is preloaded are one: the loader takes them for the same.
soname=$(readelf -dW "$there/lib64/libvmonecopy.so" | sed -n 's/.*(SONAME).*\[\(.*\)\].*/\1/p')
[ "$soname" = "libvmonecopy.so.${version%%.*}" ] || fail "SONAME $soname of version $version"
[ "$there/lib64/$soname" -ef "$there/lib64/libvmonecopy.so" ] || fail "$soname is not libvmonecopy.so"

"$there/bin/vmonecopy" doctor --json >"$work/doctor" 2>"$work/err"
[ $? -le 2 ] && python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$work/doctor" || fail "vmonecopy doctor: $(tail -n 2 "$work/err")"
"$there/bin/vmonecopy" env >"$work/out" 2>&1 && grep -q '^VMONECOPY_THRESHOLD=16K' "$work/out" || fail "vmonecopy env: $(tail -n 2 "$work/out")"

# The module file sets paths, and never what would reach programs that are no MPI's.
module=$there/share/modulefiles/vmonecopy/$version
sed '/^#/d;/^proc/,/^}/d' "$module" >"$work/settings"
grep -q LD_ "$work/settings" && fail "the module sets $(grep LD_ "$work/settings")"
grep -q "PATH .*$prefix/bin" "$work/settings" || fail "the module does not set PATH"
if command -v modulecmd >/dev/null; then
	environment=$(env -u LD_PRELOAD MODULEPATH="$there/share/modulefiles" modulecmd sh load vmonecopy 2>"$work/err")
	(unset MANPATH LD_PRELOAD; eval "$environment"; [ "$LIBVMONECOPY $MANPATH ${LD_PRELOAD-unset}" = \
		"$prefix/lib64/libvmonecopy.so $prefix/share/man: unset" ]) || fail "the module: $environment $(cat "$work/err")"
fi

# Back, to be removed.
mv "$work/moved" "$root"
mv "$work/away" "$work/tree"
make_it uninstall || fail "make uninstall: $(tail -n 3 "$work/log" | tr '\n' '|')"
[ "$(listing "$root")" = "./opt/vmonecopy/lib64/theirs" ] || fail "uninstall leaves $(listing "$root" | tr '\n' ' ')"
rm "$root$prefix/lib64/theirs"
rmdir "$root$prefix/lib64" "$root$prefix" "$root/opt" || fail "uninstall leaves directories: $(find "$root" -type d | tr '\n' ' ')"
make_it uninstall && fail "make uninstall, again: does not say that nothing is there"
grep -q 'nothing is installed there' "$work/log" || fail "make uninstall, again: $(cat "$work/log")"
make_it PREFIX=relative install && fail "a relative PREFIX is taken"
grep -q 'PREFIX=relative: must begin with /' "$work/log" || fail "a relative PREFIX: $(cat "$work/log")"
[ -z "$missing" ] || skip "the rest is right, but there is no$missing"
exit 0
