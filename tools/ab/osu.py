# SPDX-License-Identifier: LGPL-2.1-or-later
"""The built-in measurements, in the column layout of OSU's micro-benchmarks, with columns of the library's after it.

One job per (repetition, test, buffers, size, MPI, side): the library's counters, which are per job, then tell for each
line of the result how its bytes went. The two sides of a repetition are a pair, run one after the other, in random order;
the ratio is taken within the pair, above 1 where it is better with the library.
"""
import os
import random
import time
from collections import Counter
from dataclasses import dataclass, field

from . import (CannotRun, WrongResult, carried, collectives, files, intervals, jobs, machine, measure, modes, plans, plot_sizes,
               report)

USUAL = {"sizes": "16K,64K,256K,1M,4M", "reps": 6, "ms": 20, "limit": 120, "warm": 20, "window": 16}
BUFFERS = ("warm", "cold", "rotating", "fresh")


@dataclass(frozen=True)
class Test:
    """One of OSU's, by its name there without osu_."""
    program: str
    asked: str      # what the program calls it
    ranks: int
    title: str      # of the column
    bandwidth: bool = False


TESTS = {
    "latency": Test("vmopairs", "latency", 2, "Latency (us)"),
    "bw": Test("vmopairs", "bw", 2, "Bandwidth (MB/s)", True),
    "bibw": Test("vmopairs", "bibw", 2, "Bandwidth (MB/s)", True),
    "multi_lat": Test("vmopairs", "latency", 4, "Latency (us)"),
    "mbw_mr": Test("vmopairs", "bw", 4, "MB/s", True),
    **{name: Test("vmocoll", name, 2, "Avg Latency(us)") for name in collectives.COLLECTIVES},
}
USUAL_TESTS = ("latency", "bw", "bibw", "mbw_mr", "alltoall", "bcast", "allreduce")
PATTERNED = ("latency", "bw")
SIDES = {"without": "tcp", "with": "onecopy"}


@dataclass
class Row:
    """One line of the result: all repetitions of one test, kind of buffers, size and MPI."""
    mpi: str
    test: str
    buffers: str
    size: int
    large: bool     # the library must carry it
    emulated: bool
    wanted: float
    values: dict = field(default_factory=lambda: {side: [] for side in SIDES})
    bytes: Counter = field(default_factory=Counter)
    empty_runs: int = 0

    def add(self, side, value, said):
        """One job: its figure, and what the library said."""
        self.values[side].append(value)
        if side == "with":
            self.empty_runs += not said.onecopy_bytes
            self.bytes.update(onecopy=said.onecopy_bytes, staged=said.staged_bytes, fell_through=said.fell_through_bytes)

    def middle(self, side):
        """Median of one side, in the test's unit."""
        return intervals.estimate(self.values[side], self.wanted).median

    @property
    def ratio(self):
        """How many times as good with the library."""
        pairs = zip(self.values["without"], self.values["with"])
        return intervals.estimate([with_ / without if TESTS[self.test].bandwidth else without / with_
                                   for without, with_ in pairs], self.wanted)

    @property
    def carried(self):
        """In each run."""
        return not self.empty_runs

    @property
    def shown_ratio(self):
        """None where it would look like a speed-up by a library that carried nothing."""
        ratio = self.ratio
        return ratio if self.carried or not self.large or ratio.median <= 1 else None

    @property
    def verdict(self):
        """What may be said."""
        ratio = self.ratio
        if not ratio.excludes(1.0):
            return "no difference" if ratio.low is not None else "no interval"
        if ratio.high < 1:
            return "slower"
        if not self.large:
            return "below threshold"
        return "quicker" if self.carried else "none one-copy"

    def share(self, way):
        """Of the bytes of large messages, 0 to 1."""
        total = sum(self.bytes.values())
        return self.bytes[way] / total if total else 0.0


def chosen(options):
    """[(test name, buffers)] in the order of the result."""
    tests = options.tests.split(",") if options.tests else USUAL_TESTS
    unknown = [name for name in tests if name not in TESTS]
    if unknown:
        raise CannotRun(f"--tests: {', '.join(unknown)}: there are {', '.join(TESTS)}")
    asked = options.buffers.split(",") if options.buffers else BUFFERS
    unknown = [name for name in asked if name not in BUFFERS]
    if unknown:
        raise CannotRun(f"--buffers: {', '.join(unknown)}: there are {', '.join(BUFFERS)}")
    pairs = [(test, buffers) for test in tests for buffers in (asked if test in PATTERNED else ("warm",))]
    if min(options.sizes) < 512:
        raise CannotRun("--sizes: from 512 bytes on; --table takes smaller ones")
    return pairs


class Runner(collectives.Runner):
    """Jobs of these tests."""

    def __init__(self, options, path):
        super().__init__(options, path)
        self.modes = {mode.name: mode for mode in modes.MODES}

    def rank_environment(self, mode):
        """The one-line report will do, and costs no time in the messages."""
        found = super().rank_environment(mode)
        return {**found, "VMONECOPY_REPORT": "line"} if mode.shim else found

    def arguments(self, mpi, test, buffers, size):
        """Command line of the program."""
        spec, options = TESTS[test], self.options
        path = modes.bench_program(options.build, mpi.name, spec.program)
        patterns = ["--buffers", buffers, "--window", str(options.window)] if spec.program == "vmopairs" else []
        return [path, "--tests", spec.asked, *patterns, "--sizes", str(size), "--ms", str(options.ms)]

    def one(self, side, mpi, test, buffers, size):
        """One job, twice at most. -> (figure, carried.Carried)."""
        mode = self.modes[SIDES[side]]
        command, environment = self.job(mode, mpi, TESTS[test].ranks, self.arguments(mpi, test, buffers, size))
        what = f"{mpi.name}, {side} the library, {test}, {buffers} buffers, {size} bytes"
        for last in (False, True):
            done = jobs.run(command, environment, self.options.limit,
                            lambda out, err: '"errors"' in out and (measure.shim_lines(err) or not mode.shim))
            self.lingered[f"{mpi.name} {mode.name}"] += done.lingered
            line, fault = collectives.judge(done, self.options.limit)
            if not fault:
                return line.get("median") or line["latency_us"]["median"], carried.from_text(done.stderr)
            if last:
                raise (WrongResult if mode.shim else CannotRun)(f"{what}: failed twice: {fault}; the command was: "
                                                                f"{' '.join(command)}")
            self.retries.append(f"{what}: {fault}")
        return None


def is_large(test, size, threshold):
    """Must the library carry it?"""
    spec = TESTS[test]
    return size >= threshold if spec.program == "vmopairs" else collectives.is_large(test, size, spec.ranks, threshold)


def rows_of(options, path, mpis, threshold):
    """Empty rows, in the order of the result."""
    return [Row(mpi.name, test, buffers, size, is_large(test, size, threshold), path.emulated, options.confidence / 100)
            for mpi in mpis for test, buffers in chosen(options) for size in options.sizes]


def prove(runner, mpis, rows):
    """One job per MPI first: where the library carries nothing, say why now, and measure nothing."""
    for mpi in mpis:
        large = [row for row in rows if row.mpi == mpi.name and row.large and row.buffers == "warm"]
        if large:
            _, said = runner.one("with", mpi, large[0].test, "warm", large[0].size)
            if not said.onecopy_bytes:
                raise WrongResult(f"no speed-up to show: with {mpi.name} the library carried no bytes: {said.why_nothing()}")


def run_all(runner, mpis, rows, seed):
    """Fill the rows."""
    by_name = {mpi.name: mpi for mpi in mpis}
    orders = [plans.first_sides(runner.options.reps, SIDES, seed + number) for number in range(len(rows))]
    progress = measure.Progress(2 * len(rows) * runner.options.reps)
    try:
        for repetition in range(runner.options.reps):
            for row, order in zip(rows, orders):
                for side in plans.pair(order[repetition], SIDES):
                    progress.show(f"{row.mpi}, {row.test}, {row.buffers} buffers, {report.size_text(row.size)}, {side}")
                    row.add(side, *runner.one(side, by_name[row.mpi], row.test, row.buffers, row.size))
    finally:
        progress.clear()


def block_lines(rows, version):
    """One test and kind of buffers, as OSU prints it; from the third column on it is ours."""
    test = TESTS[rows[0].test]
    wide = max(len(test.title), 16)
    confidence = rows[0].ratio.confidence
    interval = f"{100 * confidence:.1f} % interval" if confidence else "interval"
    yield ""
    yield f"# {rows[0].test}, {version}, {test.ranks} ranks, {rows[0].buffers} buffers"
    yield f"# {'Size':<10}{test.title:>{wide}}{'with library':>14}{'Ratio':>9}{interval:>18}{'One-copy (%)':>14}  Verdict"
    for row in rows:
        ratio = row.shown_ratio
        between = f"{ratio.low:.2f} to {ratio.high:.2f}" if ratio and ratio.low is not None else "-"
        share = f"{100 * row.share('onecopy'):.1f}" if row.large else "below"
        yield (f"{row.size:<12}{row.middle('without'):>{wide}.2f}{row.middle('with'):>14.2f}"
               f"{f'{ratio.median:.2f}' if ratio else '-':>9}{between:>18}{share:>14}  {row.verdict}")


def lines(rows, mpis):
    """All blocks."""
    versions = {mpi.name: mpi.version for mpi in mpis}
    blocks = {}
    for row in rows:
        blocks.setdefault((row.mpi, row.test, row.buffers), []).append(row)
    for (mpi, _, _), block in blocks.items():
        yield from block_lines(block, versions[mpi])


def csv_row(row):
    """Figures of a row, in CSV and JSON alike."""
    ratio = row.shown_ratio
    rounded = (lambda name: ratio and getattr(ratio, name) is not None and round(getattr(ratio, name), 4) or None)
    return {"mpi": row.mpi, "test": row.test, "buffers": row.buffers, "ranks": TESTS[row.test].ranks, "bytes": row.size,
            "unit": "MB/s" if TESTS[row.test].bandwidth else "us", "without": round(row.middle("without"), 4),
            "with": round(row.middle("with"), 4), "ratio": rounded("median"), "ratio_low": rounded("low"),
            "ratio_high": rounded("high"), "confidence": round(row.ratio.confidence, 4), "verdict": row.verdict,
            "onecopy_share": round(row.share("onecopy"), 6), "staged_share": round(row.share("staged"), 6),
            "fell_through_share": round(row.share("fell_through"), 6), "below_threshold": int(not row.large),
            "emulated": int(row.emulated)}


def conditions(options, path, mpis, seed):
    """Ordered pairs (name, text)."""
    common = machine.conditions(mpis, path, options)
    return {**{name: common[name] for name in ("machine", "kernel", "mpi", "path", "pinning")},
            **({"without": "the library not preloaded", "with": "LD_PRELOAD=" + options.library} if options.hosts else
               {"without": modes.MODES[0].meaning, "with": modes.MODES[1].meaning}),
            "buffers": "warm: always the same; cold: flushed from the caches on both sides before each message or window; "
                       "rotating: 32 MiB of them each way, in turn; fresh: malloc, fill, send, free in the measured time",
            **({"waiting": "ranks yield while they wait, on both sides"} if options.yielding else {}),
            "runs": f"{options.reps} pairs in random order (seed {seed}), one job each; about {options.ms} ms in batches",
            "intervals": intervals.METHOD,
            "checked": "every message, every result (tools/bench/vmopairs.c, vmocoll.c)"}


def compare(options, path, mpis, threshold):
    """Measure, print, write."""
    start, seed = time.monotonic(), random.SystemRandom().randrange(1 << 30)
    rows, runner = rows_of(options, path, mpis, threshold), Runner(options, path)
    head = conditions(options, path, mpis, seed)
    print("\n".join(["# vmonecopy ab", *(f"# {line.strip()}" for line in report.head_lines(head, [], path.notes))]), flush=True)
    prove(runner, mpis, rows)
    run_all(runner, mpis, rows, seed)
    notes = [*machine.busy_note(), f"took {time.monotonic() - start:.0f} s, load {machine.load():.2f} at the end",
             *runner.incidents()]
    print("\n".join([*lines(rows, mpis), "", *(f"# {note}" for note in notes)]), flush=True)
    document = {"schema": 1, "kind": "osu", "emulated": path.emulated, "method": intervals.METHOD,
                "rows": [{**csv_row(row), "without_samples": row.values["without"], "with_samples": row.values["with"]}
                         for row in rows],
                "conditions": head, "notes": [*path.notes, *notes], "threshold_bytes": threshold}
    if options.json:
        files.write(options.json, files.json_text(document))
    if options.csv:
        files.write(options.csv, files.csv_text([csv_row(row) for row in rows]))
    if options.svg:
        files.write(options.svg, plot_sizes.picture(document))
    empty = [row for row in rows if row.large and row.buffers == "warm" and not row.carried]
    if empty:
        raise WrongResult("no speed-up to show where the library carried no bytes: " + ", ".join(
            f"{row.mpi} {row.test} {report.size_text(row.size)}" for row in empty))
