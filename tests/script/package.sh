#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# `make deb`: a package that lintian accepts, installs into a root of its own, runs there, and leaves nothing behind.
# It is made of what is built already, which saves minutes. dpkg gets a copy of this system's status, so dependencies count.
. "$(dirname "$0")/job.inc"
. "$here/install.inc"
absent=
for tool in dpkg-buildpackage dh mpicc.mpich mpicc.openmpi; do
	command -v $tool >/dev/null || skip "no $tool (packages: make setup-test)"
done
seconds=40
version=$(sed -n 's/^#define VMO_VERSION "\(.*\)"/\1/p' "$top/shim/vmo.h")
triplet=$(gcc -dumpmachine)

copy_of_tree "$work/tree"
copy_of_built "$work/built"
DEB_BUILD_OPTIONS=noautodbgsym "$work/tree/tools/packaging/deb.sh" "$work/deb" "$version" "$work/built" >"$work/log" 2>&1 ||
	fail "$(tail -n 3 "$work/log" | tr '\n' '|')"
package=$(ls "$work"/deb/vmonecopy_"$version"-*.deb) || fail "no package: $(ls "$work/deb" | tr '\n' ' ')"
rm -rf "$work/tree" "$work/built"

# The address of who distributes it is theirs to give (DEBEMAIL); bugs are for Debian's own archive.
for_others=bogus-mail-host,bogus-mail-host-in-debian-changelog,initial-upload-closes-no-bugs
if command -v lintian >/dev/null; then
	lintian --allow-root --fail-on error,warning --suppress-tags $for_others "$package" >"$work/lintian" 2>&1 ||
		fail "lintian: $(grep '^[EW]:' "$work/lintian" | tr '\n' '|')"
else
	absent=" lintian"
fi
dpkg-deb -f "$package" Depends | grep -q mpi && fail "it depends on an MPI: either will do"

root=$work/root
mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates"
cp /var/lib/dpkg/status "$root/var/lib/dpkg/" || skip "no dpkg status to copy"
[ ! -d /var/lib/dpkg/triggers ] || cp -r /var/lib/dpkg/triggers "$root/var/lib/dpkg/"
into_root() { dpkg --force-not-root --force-script-chrootless --log=/dev/null --instdir="$root" --admindir="$root/var/lib/dpkg" "$@" >"$work/log" 2>&1; }
outside() { find "$root" -mindepth 1 ! -path "$root/var*" | LC_ALL=C sort; }

into_root --no-triggers --install "$package" || fail "dpkg --install: $(tail -n 3 "$work/log" | tr '\n' '|')"
head -n 1 "$root/usr/share/vmonecopy/vmonecopy" | grep -q '^#!/usr/bin/python3' || fail "first line: $(head -n 1 "$root/usr/share/vmonecopy/vmonecopy")"
for page in man1/vmonecopy.1 man7/vmonecopy.7; do
	zcat "$root/usr/share/man/$page.gz" >"$work/page" || fail "no $page"
done
runs_installed "$root/usr" "$root/usr/lib/$triplet"

into_root --no-triggers --purge vmonecopy || fail "dpkg --purge: $(tail -n 3 "$work/log" | tr '\n' '|')"
[ -z "$(outside)" ] || fail "left: $(outside | tr '\n' ' ')"
[ -z "$missing$absent" ] || skip "the rest is right, but there is no$missing$absent"
exit 0
