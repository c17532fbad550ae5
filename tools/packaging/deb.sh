#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# deb.sh DIRECTORY VERSION [BUILT]: builds the Debian package of this tree as it is, in DIRECTORY. Its changelog is
# CHANGELOG.md's newest entry. Who gives the package to others sets DEBFULLNAME and DEBEMAIL.
# BUILT: a directory where make built this tree; what is up to date there serves, whatever its options (for tests).
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
tree=$out/vmonecopy-$2

rm -rf "$tree" "$out"/*.deb
mkdir "$tree"
cd "$top"
# No tests: they are run from the source tree.
cp -a Makefile README.md CHANGELOG.md shim tools docs "$tree/"
if [ -d include ]; then cp -a include "$tree/"; fi
[ -z "${3:-}" ] || cp -a "$3" "$tree/build"
find "$tree" -name __pycache__ -prune -exec rm -r {} +
cp -R tools/packaging/debian "$tree/debian"

date=$(sed -n "s/^## $2, \([0-9-]*\)\$/\1/p" CHANGELOG.md)
[ -n "$date" ] || { echo "CHANGELOG.md has no line '## $2, YYYY-MM-DD': add it, or correct VMO_VERSION in shim/vmo.h"; exit 1; }
[ -z "${DEBEMAIL:-}" ] || sed -i "s/^Maintainer: .*/Maintainer: ${DEBFULLNAME:-$DEBEMAIL} <$DEBEMAIL>/" "$tree/debian/control"
maintainer=$(sed -n 's/^Maintainer: //p' "$tree/debian/control")
{
	printf 'vmonecopy (%s-1) unstable; urgency=medium\n\n  * Release %s; changelog.gz has its changes.\n\n' "$2" "$2"
	printf ' -- %s  %s\n' "$maintainer" "$(LC_ALL=C date -u -d "$date" '+%a, %d %b %Y %H:%M:%S +0000')"
} >"$tree/debian/changelog"

cd "$tree"
dpkg-buildpackage --build=binary --no-sign >"$out/log" 2>&1 ||
	{ tail -n 15 "$out/log"; echo "dpkg-buildpackage failed; its output is in $out/log"; exit 1; }
rm -r "$tree"
ls "$out"/*.deb
