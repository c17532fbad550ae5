#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Options are told alike everywhere, and manual pages are well-formed.
root=${VMO_ROOT:-$(cd "$(dirname "$0")/../.." && pwd)}
command -v man >/dev/null || { echo "options_agree: skipped: no man (package man-db)"; exit 77; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

python3 -B "$(dirname "$0")/options_agree.py" "$work" || exit 1
for page in vmonecopy.1 vmonecopy.7; do
	python3 -B "$root/tools/man_pages.py" "$root/docs/man/$page.in" "$work/$page" || exit 1
	said=$(LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -l "$work/$page" 2>&1 >/dev/null
		! command -v mandoc >/dev/null || mandoc -T lint -W warning "$work/$page")
	[ -z "$said" ] || { echo "$page: $said"; exit 1; }
	# Tables and commands stay as they are, and words of the generator's own are gone.
	grep -n '@[A-Z]*@' "$work/$page" && { echo "$page: not replaced"; exit 1; }
done
grep -q '^\.SS vmonecopy run$' "$work/vmonecopy.1" || { echo "vmonecopy.1 lacks subcommands"; exit 1; }
exit 0
