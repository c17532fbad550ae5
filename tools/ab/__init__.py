# SPDX-License-Identifier: LGPL-2.1-or-later
"""vmonecopy ab: one program, several ways from rank to rank, measured side by side.

    command.py  options, and the order of things
    modes.py    what is compared (data), and how each MPI is started
    paths.py    where the two ranks are: network namespaces, loopback
    guests.py   or two guests of a real Xen: all jobs in one boot (guests.sh), judged afterwards
    measure.py  the interleaved runs, their retries, the samples
    jobs.py     one process with a time limit, and nothing left of it
    collectives.py  collectives and kernels at 2 and 4 ranks
    report.py   medians, table, JSON
    machine.py  the conditions that every figure needs
    agent.sh    "ssh" into a namespace
"""


class CannotRun(Exception):
    """Something is missing; the text says what, and the remedy. Exit status 2."""


class WrongResult(Exception):
    """It ran, but bytes were wrong or none went one-copy. Exit status 1."""
