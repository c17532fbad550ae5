# SPDX-License-Identifier: LGPL-2.1-or-later
"""Lists every option of the library: its value, where that came from, and what it means.

A value that the library does not understand, and a VMONECOPY_* variable that it does not know, are named on stderr.
Under a launcher (mpirun -n 4 vmonecopy env) rank 0 alone speaks; `mpirun ... vmonecopy doctor` compares the ranks.

Exit status: 0; 1 if a value or a variable is wrong.
"""
import os
import sys

from . import options as table, where

SUMMARY = "list the options, their values and what they mean"


def add_options(parser):
    """Options of `env`."""
    parser.add_argument("-v", "--verbose", action="store_true",
                        help="add each one's kind, range and flag of `vmonecopy run`; options for tests too")
    parser.add_argument("-g", "--grep", metavar="TEXT", default="",
                        help="only options with this text in their name, value or meaning")


def findings(options, environ):
    """What is wrong, a line each: values that are not understood, names that nobody knows."""
    lines = []
    for option in options:
        wrong = option.value(environ.get(option.env, ""))[1]
        if wrong:
            lines.append(f"{option.env}={environ[option.env]} {wrong}; the library uses {option.default}")
    names = [option.env for option in options]
    for name in table.unknown(options, environ):
        lines.append(f"{name} is no option of the library{table.maybe(name, names)}")
    return lines


def describe(option, environ):
    """One option -> (value, where it came from)."""
    text = environ.get(option.env, "")
    if not text or option.value(text)[1]:
        return option.default, "default"
    return text, "environment"


def range_text(option):
    """What may stand there."""
    if option.kind == "SWITCH":
        return "0 or 1 (off, on, no, yes, false, true)"
    if option.kind == "WORD":
        return " ".join(table.WORDS.get(option.env, ("text",)))
    if option.kind == "BYTES":
        return f"bytes, {option.least} to {option.greatest}, or with K, M, G (1024s)"
    return f"a number, {option.least} to {option.greatest}"


def lines_of(option, environ, verbose):
    """What is printed of one option."""
    value, origin = describe(option, environ)
    note = f"default {option.default}"
    came = "default" if origin == "default" else f"{origin}; {note}"
    yield f"{option.env + '=' + value:<34} ({came})"
    yield f"    {option.doc}"
    if verbose:
        yield f"    {range_text(option)}; vmonecopy run {option.flag}"
        number = option.value(value)[0]
        if option.kind == "BYTES":
            yield f"    in bytes: {number}"
        if option.agree:
            yield "    must be the same on both ranks of a pair"


def wanted(option, environ, options):
    """Is it to be listed?"""
    if option.for_tests and not options.verbose and option.env not in environ:
        return False
    text = " ".join((option.env, describe(option, environ)[0], option.doc, option.flag)).lower()
    return options.grep.lower() in text


def main(options):
    """-> exit status."""
    if table.rank(os.environ) != 0:
        return 0
    known = table.read(where.options_def())
    shown = [option for option in known if wanted(option, os.environ, options)]
    for option in shown:
        print("\n".join(lines_of(option, os.environ, options.verbose)))
    if not shown:
        print(f"vmonecopy: no option has {options.grep!r} in its name, value or meaning", file=sys.stderr)
    sys.stdout.flush()
    wrong = findings(known, os.environ)
    for line in wrong:
        print("vmonecopy:", line, file=sys.stderr)
    return 1 if wrong else 0
