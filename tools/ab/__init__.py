# SPDX-License-Identifier: LGPL-2.1-or-later
"""vmonecopy ab: a program without the library and with it, measured side by side.

    command.py  options, and the order of things

  a program of the caller's
    program.py  pairs of runs, each judged at once
    launcher.py which launcher it is; how the library reaches the ranks
    outputs.py  what is compared between runs
    verdict.py  what may be said of the pairs

  built-in measurements
    osu.py      without and with, in OSU's layout
    collectives.py  --collectives: collectives and kernels at 2 and 4 ranks
    measure.py  --table: the interleaved runs, their retries, the samples
    report.py   medians, table, JSON
    modes.py    what is compared (data), and how each MPI is started
    paths.py    where the two ranks are: network namespaces, loopback
    guests.py   or two guests of a real Xen: all jobs in one boot (guests.sh), judged afterwards
    agent.sh    "ssh" into a namespace

  for both
    jobs.py     one process with a time limit, and nothing left of it
    plans.py    pairs in random order
    intervals.py    median and confidence interval
    carried.py  what the library says that it carried
    machine.py  the conditions that every figure needs
    files.py    result files, whole or not at all
    svg.py, plot_sizes.py, plot_pairs.py    the pictures
"""


class CannotRun(Exception):
    """Something is missing; the text says what, and the remedy. Exit status 2."""


class WrongResult(Exception):
    """It ran, but bytes were wrong or none went one-copy. Exit status 1."""
