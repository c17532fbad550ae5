# SPDX-License-Identifier: LGPL-2.1-or-later
"""Other people's tests of MPI, with the library and without it, and what differs.

The programs are the MPICH test suite, built against each installed MPI, and ScaLAPACK's testers as Debian
built them. Nothing of them is changed. A test that passes without the library and fails with it is a failure.

    conformance   the command line
    command.py    what it does, in order
    fetch.py      the suite's source, by apt, /etc untouched
    build.py      configure and make, one folder for each MPI
    testlist.py   the suite's own lists of tests
    scalapack.py  ScaLAPACK's testers as tests
    lists.py      this folder's lists: what the plain MPI fails, what is left out, what --quick takes
    modes.py      MPIs and modes: the command line and environment of one run
    verdict.py    did this run pass, by the suite's own rules; what did the library count
    pool.py       runs beside each other, each in a process that cleans up after it
    results.py    what is known so far, kept on disk
    judge.py      runs a test in the modes, again where it fails, and says what that means
    report.py     the table, the differences, the JSON file
    slices.py     short slices of the scheduler's, on both sides
    yield.c       preloaded on both sides: MPICH's waiting yields its core
"""


class CannotRun(Exception):
    """Something is missing; the text says what, and the remedy. Exit status 2."""
