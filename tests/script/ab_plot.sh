#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# docs/ab.svg, the README's picture, is one that `vmonecopy ab --svg` writes, and has its conditions in it.
root=$(cd "$(dirname "$0")/../.." && pwd)
[ -e "$root/docs/ab.svg" ] || { echo "SKIP: no docs/ab.svg: make plot"; exit 77; }
exec python3 - "$root/docs/ab.svg" <<'CHECK'
import sys
import xml.etree.ElementTree as tree
words = [text.text for text in tree.parse(sys.argv[1]).getroot().iter("{http://www.w3.org/2000/svg}text")]
for wanted in ("EMULATED Xen", "machine: ", "kernel: ", "path: ", "buffers: ", "runs: ", "load "):
    assert any(wanted in line for line in words), wanted
print("ok:", len(words), "texts")
CHECK
