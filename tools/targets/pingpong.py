# SPDX-License-Identifier: LGPL-2.1-or-later
"""1, 2, 3: large messages against memcpy, the MPI's own shared memory, and TCP: the runs of `vmonecopy ab`.

A speed-up counts only where the library carried the bytes: each figure says what share went one-copy, and a size
without any is an error (tools/ab).
"""
import argparse
import os

from ab import measure, modes, report

from .target import Target

LARGE = (256 << 10, 1 << 20, 4 << 20, 16 << 20)
ALL = (64 << 10,) + LARGE
NEAR = (8 << 10, 12 << 10)          # where the crossover is looked for, with a threshold below it
NEAR_THRESHOLD = "4K"


def _options(bench, sizes):
    return argparse.Namespace(build=bench.build, library=bench.library, sizes=list(sizes), reps=1 if bench.tiny else 3,
                              ms=10 if bench.tiny else 40, limit=60, warm=20, window=16, stamp="words",
                              stream_recv="distinct")


def _rows(bench, sizes, names, threshold):
    options = _options(bench, sizes)
    runner = measure.Runner(options, bench.path)
    chosen = [mode for mode in modes.MODES if mode.name in names]
    samples = measure.measure(runner, bench.mpis, chosen)
    bench.notes.extend(runner.incidents())
    rows = report.make_rows(options, bench.mpis, samples, threshold)
    for row in rows:
        if not row.carried:
            raise measure.WrongResult(f"{row.mpi}, {row.size} bytes: the library carried nothing, so there is no speed-up")
    return rows


def _worst(rows, function, better):
    """(figure, where) of the size that is furthest from the target."""
    figures = [(function(row), row) for row in rows]
    figures = [(figure, row) for figure, row in figures if figure is not None]
    if not figures:
        return None, ""
    figure, row = (min if better == ">=" else max)(figures, key=lambda pair: pair[0])
    return figure, f"worst at {report.size_text(row.size)}; one-copy {100 * row.share('onecopy_bytes'):.1f} % of the bytes"


def _inverse(value):
    return 1 / value if value else None


def large(bench):
    """Targets 1, 2 and 3 but for the crossover."""
    found = []
    rows = _rows(bench, (1 << 20,) if bench.tiny else ALL, ("tcp", "onecopy", "shm", "memcpy"), measure.threshold_bytes({}))
    for mpi in bench.mpis:
        mine = [row for row in rows if row.mpi == mpi.name]
        big = [row for row in mine if row.size >= LARGE[0]]

        def add(item, name, relation, bound, of, function, mpi=mpi):
            figure, evidence = _worst(of, function, relation)
            found.append(Target(item, f"{mpi.name}: {name}", relation, bound, figure, "", evidence))

        add("1", "bandwidth : memcpy's, 256 KiB to 16 MiB", ">=", 0.9, big,
            lambda row: report.quotient(row.mbps("onecopy"), row.mbps("memcpy")))
        add("1", "latency : memcpy's, inverse", ">=", 0.9, big, lambda row: _inverse(report.quotient(
            row.latency("onecopy"), row.latency("memcpy"))))
        add("2", "latency : own shared memory's", "<=", 0.4, big, lambda row: _inverse(row.speed_up("shm")))
        add("2", "bandwidth : own shared memory's", ">=", 2, big,
            lambda row: report.quotient(row.mbps("onecopy"), row.mbps("shm")))
        add("3", "times as quick as TCP, from 64 KiB", ">=", 3, mine, lambda row: row.speed_up("tcp"))
        add("3", "times as quick as TCP, 1 MiB", ">=", 5, [row for row in mine if row.size == 1 << 20],
            lambda row: row.speed_up("tcp"))
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
    return {"mpi": row.mpi, "bytes": row.size, "onecopy_share": row.share("onecopy_bytes"), "modes": each}
