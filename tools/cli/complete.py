# SPDX-License-Identifier: LGPL-2.1-or-later
"""`vmonecopy complete WORDS...`: what may stand in place of the last word, one a line; nothing where it is a file's name.

tools/completion/vmonecopy.bash asks so. The words come from the subcommands themselves and from options.def.
"""
import argparse
import sys

from . import options as table, where

RUN = ("--emulated", "--off", "--dry-run", "--help", "--")


def of_run(before, current):
    """Options up to the program; then its own arguments are files."""
    known = {option.flag: option for option in table.read(where.options_def()) if not option.for_tests}
    takes_value = False
    for word in before:
        if takes_value:
            takes_value = False
        elif word == "--" or not word.startswith("-"):
            return []
        else:
            takes_value = word in known and known[word].kind != "SWITCH"
    if takes_value:
        return table.WORDS.get(known[before[-1]].env, ())
    switches = ["--no-" + flag[2:] for flag, option in known.items() if option.kind == "SWITCH"]
    return [*RUN, *known, *switches] if current.startswith("-") or not current else []


def of_parser(module, before, current):
    """Options of a subcommand that argparse reads, and the values of those that have a few."""
    parser = argparse.ArgumentParser()
    module.add_options(parser)
    actions = {flag: action for action in parser._actions for flag in action.option_strings}
    last = actions.get(before[-1]) if before else None
    if last and last.nargs != 0:
        return last.choices or []
    return [flag for flag in actions if flag.startswith("--")] if current.startswith("-") else []


def words(given):
    """given: the words after `vmonecopy`, the last one unfinished."""
    main = sys.modules["__main__"]
    if len(given) < 2:
        return [*main.SUBCOMMANDS, "--help", "--version"]
    name, before, current = given[0], given[1:-1], given[-1]
    if name not in main.SUBCOMMANDS:
        return []
    if name == "run":
        return of_run(before, current)
    return of_parser(main.load(name), before, current)


def run_raw(arguments):
    """-> exit status."""
    current = arguments[-1] if arguments else ""
    for word in words(arguments or [""]):
        if word.startswith(current):
            print(word)
    return 0
