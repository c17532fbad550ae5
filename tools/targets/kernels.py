# SPDX-License-Identifier: LGPL-2.1-or-later
"""9: kernels in the NAS pattern, end to end, over TCP and with the library, by turns, in C and in Fortran (tools/bench:
vmokernel.c, vmonas.c, vmokernelf.f90, vmonasf.f90).

No target in the issue but that they are measured; a wrong result is an error. What went one-copy is said: of the bytes of
large messages from VM to VM.
"""
from collections import Counter
from statistics import median

from ab import WrongResult

KERNELS = {"halo": "vmonas", "transpose": "vmokernel", "bucketsort": "vmokernel", "wavefront": "vmonas", "cg": "vmonas"}
LANGUAGES = {"C": "", "Fortran": "f"}       # what the program's name ends with
MODES = ("onecopy", "tcp")
TURNS = 3
CARRIED = ("onecopy_bytes", "staged_bytes", "fell_through_bytes")


def program_of(kernel, language):
    """Its name in tools/bench."""
    return KERNELS[kernel] + LANGUAGES[language]


def cells():
    """(kernel, language), as the table shows them."""
    return [(kernel, language) for kernel in KERNELS for language in LANGUAGES]


def order(turn):
    """Which mode comes first changes from turn to turn."""
    return MODES[turn % 2:] + MODES[:turn % 2]


def words(kernel, language, tiny, more=("--ms", "1500")):
    """Command line, but for the program's place."""
    size = ("--sizes", "65536", "--ms", "40") if tiny else ("--sizes", "1048576", *more)
    return [program_of(kernel, language), "--tests", kernel, *size]


class Cell:
    """One kernel in one language under one MPI: microseconds of each turn, what the library carried in all."""

    def __init__(self, mpi, kernel, language):
        self.what, self.mpi, self.kernel, self.language = f"{mpi}, {kernel} in {language}", mpi, kernel, language
        self.us, self.counters, self.bytes = {mode: [] for mode in MODES}, Counter(), 0

    def add(self, mode, line, counters):
        """One job's line, and of a job with the library its counters, counted honestly."""
        if line["test"] != self.kernel or line["errors"]:
            raise WrongResult(f"{self.what}, {mode}: wrong result")
        self.us[mode].append(line["latency_us"]["median"])
        self.bytes = line["pair_bytes"]
        self.counters.update({name: counters.get(name, 0) for name in CARRIED} if mode == "onecopy" else {})

    def row(self):
        """Of the table. Ratios of one turn each are beside the one of the medians."""
        if not self.counters["onecopy_bytes"]:
            raise WrongResult(f"{self.what}: nothing went one-copy, so there is no speed-up")
        ratios = [tcp / one for tcp, one in zip(self.us["tcp"], self.us["onecopy"])]
        middle = {mode: median(self.us[mode]) for mode in MODES}
        large = sum(self.counters.values())
        percent = {name.removesuffix("_bytes") + "_percent": round(100 * self.counters[name] / large, 1) for name in CARRIED}
        return {"mpi": self.mpi, "kernel": self.kernel, "language": self.language, "pair_bytes": self.bytes,
                "tcp_us": round(middle["tcp"]), "onecopy_us": round(middle["onecopy"]),
                "times_as_quick": round(middle["tcp"] / middle["onecopy"], 2), "least": round(min(ratios), 2),
                "most": round(max(ratios), 2), "turns": len(ratios), **percent}


def end_to_end(bench):
    """Rows alone."""
    rows = []
    for mpi in bench.mpis:
        for kernel, language in cells():
            cell = Cell(mpi.name, kernel, language)
            for turn in range(1 if bench.tiny else TURNS):
                for mode in order(turn):
                    lines, counters = bench.run(mpi, mode, words(kernel, language, bench.tiny))
                    cell.add(mode, lines[0], counters)
            rows.append(cell.row())
    return [], rows
