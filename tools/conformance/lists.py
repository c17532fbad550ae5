# SPDX-License-Identifier: LGPL-2.1-or-later
"""The lists beside this file, in lists/. A line: words, then two spaces or more and `# why`. Names as testlist.py makes them.

    plain.txt     MPI HOW NAME: what the plain MPI fails. HOW: fails; hangs (fails by not ending); unbuilt; flaky
                  (now and then: both ways are as expected)
    left_out.txt  MPI|both PATTERN: not run, in no mode
    quick.txt     PATTERN: what --quick takes
"""
import fnmatch
import os
import re

from . import CannotRun

FOLDER = os.path.join(os.path.dirname(os.path.realpath(__file__)), "lists")
HOWS = ("fails", "hangs", "unbuilt", "flaky")


def _lines(name):
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        lines = [re.split(r"(?:^|\s+)# ", line.strip())[0] for line in file]
    return [line for line in lines if line and line != "#"]


def _known(name, lines, first, second=None):
    """Each line's words, looked at."""
    for line in lines:
        words = line.split(None, 2 if second else 1)
        if len(words) < (3 if second else 2) or words[0] not in first or (second and words[1] not in second):
            raise CannotRun(f"{FOLDER}/{name}: not understood: {line}")
        yield words


def plain_failures(mpi):
    """{name: how}"""
    found = _known("plain.txt", _lines("plain.txt"), ("mpich", "openmpi"), HOWS)
    return {name: how for which, how, name in found if which == mpi.name}


def left_out(mpi):
    """A function that tells whether a name is left out."""
    found = _known("left_out.txt", _lines("left_out.txt"), ("mpich", "openmpi", "both"))
    return _matcher([pattern for which, pattern in found if which in (mpi.name, "both")])


def quick():
    """A function that tells whether a name is of the quick ones."""
    return _matcher(_lines("quick.txt"))


def _matcher(patterns):
    expressions = [re.compile(fnmatch.translate(pattern)) for pattern in patterns]
    return lambda name: any(expression.match(name) for expression in expressions)
