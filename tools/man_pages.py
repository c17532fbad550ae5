#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes a man page from its text in docs/man: `man_pages.py docs/man/NAME.7.in build/man/NAME.7`.

Lines that are replaced, so that no page can say anything else than the program:
    @OPTIONS@       the options, from shim/options.def
    @SUBCOMMANDS@   each subcommand: what its --help says
and within lines @VERSION@ (shim/vmo.h) and @DATE@ (of the newest release, CHANGELOG.md).
"""
import importlib.machinery
import importlib.util
import itertools
import os
import re
import subprocess
import sys

import options_table

ROOT = options_table.ROOT
TOOL = os.path.join(ROOT, "tools/vmonecopy")
VALUES = {"SWITCH": "0 or 1", "NUMBER": "number", "BYTES": "bytes, suffixes K, M, G", "WORD": "word"}
BULLET = re.compile(r"^  (\S.*?)(?:  +(.*))?$")


def escaped(text):
    """Text that roff prints as it is: also quotes and hyphens, which are there to be copied."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga").replace("^", "\\(ha")
    return "\\&" + text if text.startswith(".") else text


def option_entries():
    for env, kind, default, doc in options_table.options():
        yield f'.TP\n.BR {env} " ({VALUES[kind]}; default {escaped(default)})"\n{escaped(doc)}\n'


def definition_list(lines):
    """Where each line is a term and those further in are its meaning, [(term, meaning)]; else None."""
    entries = []
    for line in lines:
        if line.startswith("        ") and entries:
            entries[-1][1].append(line.strip())
        else:
            entries.append((line.strip(), []))
    return [(term, " ".join(meaning)) for term, meaning in entries] if all(meaning for _, meaning in entries) else None


def paragraphs(text):
    """What is indented is a list of terms, or a table or commands that are printed line by line."""
    for indented, group in itertools.groupby(text.split("\n"), lambda line: line.startswith("  ") if line else None):
        lines = list(group)
        if indented is None:
            continue
        if indented and definition_list(lines):
            for term, meaning in definition_list(lines):
                yield f".TP\n.B {escaped(term)}\n{escaped(meaning)}\n"
        elif indented:
            yield ".PP\n.EX\n" + "\n".join(map(escaped, lines)) + "\n.EE\n"
        else:
            yield ".PP\n" + "\n".join(escaped(line.strip()) for line in lines) + "\n"


def options_of_help(text):
    """Groups of options as argparse writes them: a title, then terms, each with its meaning behind it or below."""
    groups = []
    for line in text.split("\n"):
        found = BULLET.match(line)
        if line and not line.startswith(" "):
            groups.append((line, []))
        elif found:
            groups[-1][1].append([found[1], [found[2]] if found[2] else []])
        elif line.strip():
            groups[-1][1][-1][1].append(line.strip())
    for title, entries in groups:
        yield f".PP\n{escaped(title)}\n"
        for term, meaning in entries:
            yield f".TP\n.B {escaped(term)}\n{escaped(' '.join(meaning))}\n"


def subcommand_entry(name):
    env = dict(os.environ, COLUMNS="1000", LC_ALL="C.UTF-8")
    text = subprocess.run([sys.executable, TOOL, name, "--help"], env=env, check=True, stdout=subprocess.PIPE,
                          encoding="utf-8").stdout.replace(ROOT + "/", "")
    usage, _, rest = text.partition("\n\n")
    description, title, options = re.match(r"(.*?)(?:^((?:positional arguments|options):\n)(.*))?\Z", rest,
                                           re.MULTILINE | re.DOTALL).groups(default="")
    synopsis = " ".join(usage.removeprefix("usage:").split())
    return "".join([f".SS vmonecopy {name}\n.B {escaped(synopsis)}\n", *paragraphs(description),
                    *options_of_help(title + options)])


def subcommands():
    loader = importlib.machinery.SourceFileLoader("vmonecopy", TOOL)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("vmonecopy", loader))
    loader.exec_module(module)
    return list(module.SUBCOMMANDS)


def first(pattern, name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as text:
        return re.search(pattern, text.read(), re.MULTILINE)[1]


def main():
    source, destination = sys.argv[1:]
    with open(source, encoding="utf-8") as text:
        page = text.read()
    page = page.replace("@VERSION@", first(r'^#define VMO_VERSION "(.*)"$', "shim/vmo.h"))
    page = page.replace("@DATE@", first(r"^## .*(\d{4}-\d\d-\d\d)$", "CHANGELOG.md"))
    if "@OPTIONS@\n" in page:
        page = page.replace("@OPTIONS@\n", "".join(option_entries()))
    if "@SUBCOMMANDS@\n" in page:
        page = page.replace("@SUBCOMMANDS@\n", "".join(map(subcommand_entry, subcommands())))
    os.makedirs(os.path.dirname(destination), exist_ok=True)
    with open(destination, "w", encoding="utf-8") as out:
        out.write(page)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main()
