# SPDX-License-Identifier: LGPL-2.1-or-later
"""1, 2, 3: large messages against memcpy, the MPI's own shared memory, and TCP: the runs of `vmonecopy ab`.

A speed-up counts only where the library carried the bytes: each figure says what share went one-copy, and a size
without any is an error (tools/ab).

What the library adds to its copy is mostly the request (RTS), an MPI message, and that takes what the transport beneath
takes. So 1 and 2 are measured twice: over TCP, as between virtual machines, and over the MPI's own shared memory, with
which the MPI alone is compared; there the rest is the library's own.
"""
import argparse
import os

from ab import CannotRun, measure, modes, paths, report

from .jobs import settings_of
from .target import Target

LARGE = (256 << 10, 1 << 20, 4 << 20, 16 << 20)
ALL = (64 << 10,) + LARGE
NEAR = (12 << 10, 16 << 10)     # where the crossover is looked for, with a threshold below it. Less has no two whole pages
NEAR_THRESHOLD = "4K"
APART = (64 << 10, 256 << 10, 1 << 20)
BENEATH = {"onecopy": "requests over TCP", "within": "requests over its shared memory"}


def _options(bench, sizes):
    return argparse.Namespace(build=bench.build, library=bench.library, sizes=list(sizes), reps=1 if bench.tiny else 3,
                              ms=10 if bench.tiny else 40, limit=60, warm=20, window=16, stamp="words",
                              stream_recv="distinct")


def _rows(bench, sizes, names, threshold, path=None):
    options = _options(bench, sizes)
    runner = measure.Runner(options, path or bench.path)
    chosen = [mode for mode in (*modes.MODES, modes.WITHIN) if mode.name in names]
    samples = measure.measure(runner, bench.mpis, chosen)
    bench.notes.extend(runner.incidents())
    rows = report.make_rows(options, bench.mpis, samples, threshold)
    for row in rows:
        if not row.carried:
            raise measure.WrongResult(f"{row.mpi}, {row.size} bytes: the library carried nothing, so there is no speed-up")
    return rows


def _worst(rows, function, better, mode="onecopy"):
    """(figure, where) of the size that is furthest from the target."""
    figures = [(function(row), row) for row in rows]
    figures = [(figure, row) for figure, row in figures if figure is not None]
    if not figures:
        return None, ""
    figure, row = (min if better == ">=" else max)(figures, key=lambda pair: pair[0])
    return figure, (f"worst at {report.size_text(row.size)}; one-copy {100 * row.share('onecopy_bytes', mode):.1f} % "
                    "of the bytes")


def _against_tcp(mpi, rows, where, bounds):
    """Targets of 3. bounds: from 64 KiB, and at 1 MiB."""
    for name, of, bound in (("from 64 KiB", rows, bounds[0]), ("1 MiB", [row for row in rows if row.size == 1 << 20], bounds[1])):
        figure, evidence = _worst(of, lambda row: row.speed_up("tcp"), ">=")
        yield Target("3", f"{mpi.name}: times as quick as TCP{where}, {name}", ">=", bound, figure, "", evidence)


def _against_memory(mpi, rows, mode):
    """Targets of 1 and 2, with the requests over one transport."""
    def add(item, name, relation, bound, over, under):
        figure, evidence = _worst(rows, lambda row: report.quotient(over(row), under(row)), relation, mode)
        return Target(item, f"{mpi.name}, {BENEATH[mode]}: {name}", relation, bound, figure, "", evidence)

    yield add("1", "bandwidth : memcpy's", ">=", 0.9, lambda row: row.mbps(mode), lambda row: row.mbps("memcpy"))
    yield add("1", "memcpy's latency : latency", ">=", 0.9, lambda row: row.latency("memcpy"), lambda row: row.latency(mode))
    yield add("2", "latency : own shared memory's", "<=", 0.4, lambda row: row.latency(mode), lambda row: row.latency("shm"))
    yield add("2", "bandwidth : own shared memory's", ">=", 2, lambda row: row.mbps(mode), lambda row: row.mbps("shm"))


def large(bench):
    """Targets 1, 2 (256 KiB to 16 MiB) and 3 but for the crossover."""
    found = []
    rows = _rows(bench, (1 << 20,) if bench.tiny else ALL, ("tcp", "onecopy", "within", "shm", "memcpy"),
                 measure.threshold_bytes({}))
    for mpi in bench.mpis:
        mine = [row for row in rows if row.mpi == mpi.name]
        for mode in BENEATH:
            found += _against_memory(mpi, [row for row in mine if row.size >= LARGE[0]], mode)
        against = list(_against_tcp(mpi, mine, "", (3, 5)))
        bench.over_loopback[mpi.name] = [target.figure for target in against]
        found += against
    return found, [_row_json(row) for row in rows]


def apart(bench):
    """Target 3 between two network namespaces: more than over loopback, where that was measured in this run."""
    if not bench.over_loopback:
        raise CannotRun("what is over loopback was not measured: name the part large, too")
    with paths.Namespaces() as path:
        bench.notes.append(f"apart: {path.meaning}")
        bench.notes.extend(f"apart: {name}: {command}" for name, command in settings_of(bench.mpis, path).items() if "tcp" in name)
        rows = _rows(bench, APART[-1:] if bench.tiny else APART, ("tcp", "onecopy"), measure.threshold_bytes({}), path)
    found = []
    for mpi in bench.mpis:
        found += _against_tcp(mpi, [row for row in rows if row.mpi == mpi.name], " between namespaces",
                              bench.over_loopback[mpi.name])
    return found, [_row_json(row) for row in rows]


def crossover(bench):
    """From which size on one copy is quicker than TCP. The threshold is lowered for it, which is said."""
    kept = os.environ.get("VMONECOPY_THRESHOLD")
    os.environ["VMONECOPY_THRESHOLD"] = NEAR_THRESHOLD
    try:
        rows = _rows(bench, NEAR[-1:] if bench.tiny else NEAR, ("tcp", "onecopy"), 4096)
    finally:
        os.environ.pop("VMONECOPY_THRESHOLD")
        if kept is not None:
            os.environ["VMONECOPY_THRESHOLD"] = kept
    found = []
    for mpi in bench.mpis:
        mine = [row for row in rows if row.mpi == mpi.name]
        at = report.crossover(mine)
        found.append(Target("3", f"{mpi.name}: crossover with TCP", "<=", 12, at and at / 1024, " KiB",
                            "; ".join(f"{report.size_text(row.size)}: {row.speed_up('tcp'):.2f} times" for row in mine) +
                            f" (VMONECOPY_THRESHOLD={NEAR_THRESHOLD})"))
    return found, [_row_json(row) for row in rows]


def _row_json(row):
    each = {mode: {"latency_us": row.latency(mode), "latency_min_us": row.latency_min(mode), "mbps": row.mbps(mode),
                   "noisy": row.noisy(mode)} for mode in row.modes}
    return {"mpi": row.mpi, "bytes": row.size, "modes": each,
            "onecopy_share": {mode: row.share("onecopy_bytes", mode) for mode in BENEATH if mode in row.modes}}


def brief(rows):
    """What of them is printed."""
    return [{"mpi": row["mpi"], "bytes": row["bytes"],
             **{f"{mode}_us": f"{one['latency_us']:.1f}" for mode, one in row["modes"].items()},
             **{f"{mode}_mbps": f"{one['mbps']:.0f}" for mode, one in row["modes"].items()}} for row in rows]
