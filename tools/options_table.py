#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Puts the table of options, made from shim/options.def, between its marks in README.md.

`--check` changes nothing and exits 1 where README.md and options.def differ.
"""

import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BEGIN, END = "<!-- options: made by tools/options_table.py -->\n", "<!-- end of options -->\n"
LINE = re.compile(r'^X\((\w+), "(\w+)", (\w+), "([^"]*)", .*?, [01], "([^"]*)"\)$', re.MULTILINE)


def options():
    """(variable, kind, default, meaning) in the order of options.def; those for tests only are left out."""
    with open(os.path.join(ROOT, "shim/options.def"), encoding="utf-8") as text:
        found = LINE.findall(text.read())
    return [row[1:] for row in found if "for tests only" not in row[-1]]


def table():
    """The options as rows of Markdown."""
    rows = [f"| `{env}` | {default} | {doc} |\n" for env, _, default, doc in options()]
    return "| variable | default | meaning |\n|---|---|---|\n" + "".join(rows)


def main():
    path = os.path.join(ROOT, "README.md")
    with open(path, encoding="utf-8") as text:
        old = text.read()
    head, rest = old.split(BEGIN)
    new = head + BEGIN + table() + END + rest.split(END)[1]
    if "--check" in sys.argv[1:]:
        if new != old:
            print("README.md and shim/options.def differ: run tools/options_table.py")
        return int(new != old)
    with open(path, "w", encoding="utf-8") as text:
        text.write(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
