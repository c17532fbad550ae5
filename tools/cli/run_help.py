# SPDX-License-Identifier: LGPL-2.1-or-later
"""`vmonecopy run --help`: apart from run.py, which is started for every rank."""
from . import options as table, run, where


def flag_text(option):
    """--threshold BYTES; --[no-]check."""
    if option.kind == "SWITCH":
        return f"--[no-]{option.flag[2:]}"
    return f"{option.flag} {'|'.join(table.WORDS.get(option.env, (option.kind,)))}"


def show():
    """-> exit status."""
    print("usage: vmonecopy run [OPTIONS] -- PROGRAM [ARGUMENTS]\n")
    print(run.__doc__)
    print("Options of the library:\n")
    for option in table.read(where.options_def()):
        if not option.for_tests:
            print(f"    {flag_text(option)}\n        {option.doc} (default {option.default})")
    return 0
