#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks the model of the protocol (channel.pml) with spin, and that the model's checks can fail.

    run.py [--quick] [--keep DIR]

First: each transition that channel.pml names stands at that function of the code ("Model: offer."), and no other does.
Then every configuration must be searched to its end without an error; every mutation must be found. Exit status: 0 so;
1 not so; 2 cannot run. --quick: the configurations and mutations that take seconds.
"""
import argparse
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
LIMIT = 3600            # seconds for one search
MEMORY = 6000           # MiB

# (what, definitions, belongs to --quick)
CONFIGURATIONS = (
    ("one sender, 3 sends", "-DSENDS=3 -DSENDS1=0", True),
    ("one sender, 2 sends, a death", "-DSENDS=2 -DSENDS1=0 -DDEATHS=1", True),
    ("two senders, 1 send each", "-DSENDS=1 -DSENDS1=1", True),
    ("two senders, 1 send each, a death", "-DSENDS=1 -DSENDS1=1 -DDEATHS=1", False),
    ("one sender, 2 sends, it sleeps, a death", "-DSENDS=2 -DSENDS1=0 -DNAPS=1 -DDEATHS=1", False),
    ("one sender, 3 sends, a death", "-DSENDS=3 -DSENDS1=0 -DDEATHS=1", False),
    ("two senders, 2 sends and 1", "-DSENDS=2 -DSENDS1=1", False),
    ("two senders, 2 sends each, one block", "-DSENDS=2 -DSENDS1=2 -DBLOCKS=1", False),
)

# (number, what is broken, definitions)
MUTATIONS = (
    (1, "the sender falls asleep without looking again", "-DSENDS=1 -DSENDS1=0 -DNAPS=1"),
    (2, "slot and pages are used again before the receiver is done", "-DSENDS=2 -DSENDS1=0"),
    (3, "a staged message is called filled before it is copied", "-DSENDS=1 -DSENDS1=0"),
    (4, "done is a flag, not the transfer's sequence", "-DSENDS=2 -DSENDS1=0"),
    (5, "the RTS goes before the slot is written", "-DSENDS=1 -DSENDS1=0"),
    (6, "a late receiver's message keeps the user's buffer", "-DSENDS=2 -DSENDS1=0"),
    (7, "the receiver says done before it has copied", "-DSENDS=2 -DSENDS1=0"),
    (8, "the sender does not look whether its receiver lives", "-DSENDS=1 -DSENDS1=0 -DDEATHS=1"),
    (9, "a refused message that drains is delivered twice", "-DSENDS=2 -DSENDS1=0"),
)


NAMED = re.compile(r"^ \*   (\w+) .* (\w+) +\((\w+\.[ch])\)$", re.MULTILINE)
MARK = re.compile(r"/\* Model: (\w+)\..*?\*/\n(?:static )?(?:inline )?[^\n]*?(\w+)\(", re.DOTALL)


def strangers():
    """Transitions that stand in the model's table or in the code, not in both: (name, function, file)."""
    with open(os.path.join(HERE, "channel.pml"), encoding="utf-8") as text:
        model = set(NAMED.findall(text.read()))
    code = set()
    for path in glob.glob(os.path.join(HERE, "../../shim/*.[ch]")):
        with open(path, encoding="utf-8") as text:
            code |= {(name, function, os.path.basename(path)) for name, function in MARK.findall(text.read())}
    return model ^ code


def run(command, folder):
    """One command; its output, or an error text by exception."""
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT,
                          check=False)
    if done.returncode:
        raise RuntimeError(f"`{' '.join(command)}` failed: {done.stdout.strip()[-400:]}")
    return done.stdout


def search(folder, definitions, until_first):
    """(errors, states, what the first error was) of one exhaustive search."""
    shutil.copy(os.path.join(HERE, "channel.pml"), folder)
    run(["spin", "-a", *definitions.split(), "channel.pml"], folder)
    run(["gcc", "-O2", "-DSAFETY", "-DCOLLAPSE", f"-DMEMLIM={MEMORY}", "-w", "-o", "pan", "pan.c"], folder)
    out = run(["./pan", "-m1000000", "-w22", "-c1" if until_first else "-c100"], folder)
    found = re.search(r"errors: (\d+)", out)
    states = re.search(r"^ *(\d+) states, stored", out, re.MULTILINE)
    error = re.search(r"^pan:1: (.*)$", out, re.MULTILINE)
    if not found or not states:
        raise RuntimeError(f"spin said no result: {out.strip()[-400:]}")
    if not int(found[1]) and ("Search not completed" in out or "max search depth too small" in out):
        raise RuntimeError(f"not searched to its end: {out.strip()[:400]}")
    return int(found[1]), int(states[1]), error[1][:60] if error else ""


def check(folder, quick):
    """Prints a line for each search; returns how many were not as they must be."""
    wrong = states_in_all = 0
    for name, function, path in sorted(strangers()):
        wrong += 1
        print(f"APART   transition {name} at {function} in {path}: not in both model and code", flush=True)
    for what, definitions, is_quick in CONFIGURATIONS:
        if quick and not is_quick:
            continue
        errors, states, error = search(folder, definitions, False)
        states_in_all += states
        wrong += errors > 0
        print(f"{'ERROR' if errors else 'holds':7} {states:>10} states  {what} ({definitions})"
              + (f": {error}" if errors else ""), flush=True)
    for number, what, definitions in MUTATIONS:
        errors, states, error = search(folder, f"{definitions} -DMUTATION={number}", True)
        wrong += not errors
        print(f"{'caught' if errors else 'MISSED':7} {states:>10} states  mutation {number}: {what}"
              + (f" -> {error}" if errors else ""), flush=True)
    print(f"{states_in_all} states, {wrong} things not as they must be", flush=True)
    return wrong


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="only what takes seconds")
    parser.add_argument("--keep", metavar="DIR", help="work there, and leave spin's files (pan -r shows the last trail)")
    options = parser.parse_args()
    if not shutil.which("spin"):
        print("model: there is no spin: `apt-get install spin`", file=sys.stderr)
        return 2
    folder = options.keep or tempfile.mkdtemp(prefix="model.")
    os.makedirs(folder, exist_ok=True)
    try:
        return 1 if check(folder, options.quick) else 0
    except (RuntimeError, subprocess.TimeoutExpired) as fault:
        print(f"model: {fault}", file=sys.stderr)
        return 2
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
