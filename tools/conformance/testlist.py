# SPDX-License-Identifier: LGPL-2.1-or-later
"""The suite's own lists: files `testlist`, one line for each test:

    program [ranks [key=value ...]]

A test's name here is FOLDER/PROGRAM RANKS and then its arguments and variables, as in the line: the same
program stands there several times. Keys: arg, env, mpiexecarg (each may come again), timeLimit, resultTest,
strict, mpix; those of the suite's runner alone (xfail, lock, mem, mpiversion, init) do not matter here.
"""
import os
import re
from dataclasses import dataclass

# Suites, in the order in which they run: folders of the suite's source, with all folders below.
SUITES = ("pt2pt", "datatype", "threads", "comm", "coll", "errors", "part", "topo", "attr", "init", "errhan", "group",
          "info", "mpi_t", "io", "rma", "cxx", "f77", "f90", "f08")
# Folders in them that need what is not there: MPI_Comm_spawn is switched off, a job that loses ranks is no test of ours.
LEFT_OUT = ("spawn", "faults", "perf", "gpu")
USUAL_SECONDS = 180
USUAL_RANKS = 2


@dataclass(frozen=True)
class Test:
    """One line. The program is a path below the build folder, or an absolute one."""
    suite: str
    folder: str
    program: str
    ranks: int
    args: tuple = ()
    variables: tuple = ()       # NAME=value
    launcher_args: tuple = ()
    result: str = ""            # verdict.RULES
    seconds: int = USUAL_SECONDS
    files: tuple = ()           # copied to where it runs
    strict: bool = True         # False: asks for more than the standard
    mpix: bool = False          # wants MPICH's extensions

    @property
    def name(self):
        """As in the lists of this folder and in all that is printed."""
        return " ".join([f"{self.folder}/{os.path.basename(self.program)}", str(self.ranks), *self.args,
                         *self.variables])


def parse(line, suite, folder):
    """The Test of one line, or None where there is none."""
    words = line.partition("#")[0].split()
    if not words or words[0].startswith("!"):
        return None
    keys = {}
    for key, _, value in (word.partition("=") for word in words[2:]):
        keys.setdefault(key, []).append(value)
    where, _, program = f"{folder}/{words[0]}".rpartition("/")
    limit = keys.get("timeLimit", [""])[0]
    return Test(suite, where, program, int(words[1]) if len(words) > 1 else USUAL_RANKS,
                args=tuple(keys.get("arg", ())), variables=tuple(keys.get("env", ())),
                launcher_args=tuple(keys.get("mpiexecarg", ())), result=keys.get("resultTest", [""])[0],
                seconds=int(limit) if limit.isdigit() else USUAL_SECONDS,
                strict=keys.get("strict", ["true"])[0].lower() != "false",
                mpix=keys.get("mpix", ["false"])[0].lower() == "true")


def tests_of(suite, source, build, mpi):
    """All tests of a suite that speak to this MPI, each name once, folder by folder."""
    found = {}
    for top, folders, _ in os.walk(os.path.join(source, suite)):
        folders[:] = sorted(name for name in folders if name not in LEFT_OUT)
        folder = os.path.relpath(top, source)
        for test in filter(None, (parse(line, suite, folder) for line in _lines(source, build, folder))):
            wanted = (test.strict or not mpi.strict) and not (test.mpix and mpi.strict)
            if wanted and not os.path.isdir(os.path.join(source, folder, test.program)):
                found.setdefault(test.name, test)
    return list(found.values())


def _lines(source, build, folder):
    """configure makes some lists, from testlist.in, in the build folder; the others lie in the source."""
    for top in (build, source):
        path = os.path.join(top, folder, "testlist")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                return [line for line in file if not re.match(r"\s*@\w+@", line)]
    return []
