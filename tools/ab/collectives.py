# SPDX-License-Identifier: LGPL-2.1-or-later
"""Collectives and kernels at 2 and 4 ranks in 2 domains, over TCP and with the library, side by side.

One job per (repetition, test, size, ranks, MPI, mode), modes interleaved, every result checked by the program itself
(tools/bench/vmocoll.c, vmokernel.c). Ranks alternate between the two ends of the path. With more ranks than cores,
MPICH's ranks yield while they wait (libyield.so) and Open MPI's too (its own setting), in both modes alike.
"""
import json
import os
import re
import time
from collections import Counter
from statistics import median

from cli import where

from . import CannotRun, WrongResult, carried, jobs, machine, measure, modes, report

COLLECTIVES = ("alltoall", "alltoallv", "allgather", "bcast", "allreduce", "reduce", "reduce_scatter", "gather",
               "scatter")
KERNELS = ("transpose", "bucketsort")
RANKS = (2, 4)
SIZES = "1K,64K,1M"
MODES = ("tcp", "onecopy")
HOOK_SIZES = (1024, 8192)
SAME_VM = re.compile(r"fell_through\.same_vm \d+ messages (\d+) bytes")


class Cell:
    """All repetitions of one test, size, number of ranks, MPI and mode."""

    def __init__(self):
        self.median_us, self.min_us, self.counters = [], [], Counter()

    def add(self, line, counters):
        """One job."""
        self.median_us.append(line["latency_us"]["median"])
        self.min_us.append(line["latency_us"]["min"])
        self.counters.update(counters)

    def latency(self):
        """Median of the repetitions."""
        return median(self.median_us)

    def least(self):
        """Of all batches."""
        return min(self.min_us)

    def one_copy_share(self):
        """Of the large pieces that crossed from VM to VM: bytes that were copied once, or read as operands."""
        counters = self.counters
        crossed = (counters["onecopy_bytes"] + counters["staged_bytes"] + counters["fell_through_bytes"]
                   - counters["same_vm_bytes"])
        return counters["onecopy_bytes"] / crossed if crossed > 0 else 0.0


def program(options, mpi, test, size):
    """Command line of the bench program."""
    path = modes.bench_program(options.build, mpi.name, "vmokernel" if test in KERNELS else "vmocoll")
    return [path, "--tests", test, "--sizes", str(size), "--ms", str(options.ms)]


def preloads(options, mpi, mode, ranks):
    """What a rank gets, or nothing."""
    crowded = options.yielding or ranks > len(os.sched_getaffinity(0))
    yields = os.path.join(options.build or where.libdir(), "libyield.so")
    wanted = [yields] if crowded and mpi.name == "mpich" else []
    if wanted and not os.path.exists(yields):
        raise CannotRun(f"{yields} is missing: run `make {os.path.relpath(yields)}`")
    return ":".join(wanted + ([options.library] if mode.shim else []))


def judge(done, limit):
    """(line, None) or (None, why it does not count)."""
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"vmobench"')]
    if any(line["errors"] for line in lines):
        said = [line for line in done.stderr.splitlines() if line.startswith("vmobench:")]
        raise WrongResult(f"wrong result: {' '.join(said)}")
    if done.timed_out:
        return None, f"no end within {limit} s"
    if done.status or len(lines) != 1:
        return None, f"exit status {done.status}: {measure.shorten(done.stderr) or 'no error text'}"
    return lines[0], None


def counters_of(stderr):
    """The library's, with bytes that were copied twice taken for staged."""
    counters = carried.honest({name: int(value) for name, value in measure.COUNTER.findall(stderr)})
    found = SAME_VM.search(stderr)
    return {**counters, "same_vm_bytes": int(found[1]) if found else 0}


class Runner(measure.Runner):
    """The same for more ranks and other programs."""

    def job(self, mode, mpi, ranks, what_to_run):
        """Command and environment of one job."""
        rank_environment = self.rank_environment(mode)
        rank_environment["LD_PRELOAD"] = preloads(self.options, mpi, mode, ranks)
        if mode.shim and self.path.emulated:
            rank_environment["XENEMU_DOMAINS"] = "2"
        if not rank_environment["LD_PRELOAD"]:
            del rank_environment["LD_PRELOAD"]
        command = mpi.command(mode, self.path, rank_environment, what_to_run, ranks)
        environment = {**self.base_environment(), **mpi.environment(mode, self.path, ranks)}
        if self.options.yielding:
            environment["OMPI_MCA_mpi_yield_when_idle"] = "1"
        return command, environment

    def hook_cost(self, mode, mpi, ranks, sizes):
        """What the library adds to small collectives: the program's lines (vmocoll --hook-cost)."""
        path = program(self.options, mpi, COLLECTIVES[0], sizes[0])[0]
        command, environment = self.job(mode, mpi, ranks, [path, "--hook-cost", "--tests", ",".join(COLLECTIVES), "--sizes",
                                                           ",".join(map(str, sizes)), "--ms", "1000", "--batches", "50"])
        done = jobs.run(command, environment, 300, lambda out, err: out.count('"errors"') == len(COLLECTIVES) * len(sizes))
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"vmobench"')]
        if len(lines) != len(COLLECTIVES) * len(sizes) or any(line["errors"] for line in lines):
            self.retries.append(f"{mpi.name}, {ranks} ranks, cost below the threshold: exit status {done.status}")
        return lines

    def one(self, mode, mpi, ranks, test, size):
        """One job, twice at most: (line, counters)."""
        command, environment = self.job(mode, mpi, ranks, program(self.options, mpi, test, size))
        what = f"{mpi.name}, {mode.name}, {ranks} ranks, {test}, {size} bytes"
        for last in (False, True):
            done = jobs.run(command, environment, self.options.limit,
                            lambda out, err: '"errors"' in out and (measure.shim_lines(err) or not mode.shim))
            self.lingered[f"{mpi.name} {mode.name}"] += done.lingered
            line, fault = judge(done, self.options.limit)
            if not fault:
                return line, counters_of(done.stderr)
            if last:
                raise (WrongResult if mode.shim else CannotRun)(f"{what}: failed twice: {fault}; the command was: "
                                                                f"{' '.join(command)}")
            self.retries.append(f"{what}: {fault}")
        return None


def chosen_tests(options):
    """Names, from --tests."""
    tests = options.tests.split(",") if options.tests else COLLECTIVES + KERNELS
    unknown = set(tests) - set(COLLECTIVES + KERNELS)
    if unknown:
        raise CannotRun(f"--tests: {', '.join(sorted(unknown))}: there are {', '.join(COLLECTIVES + KERNELS)}")
    return tests


def plan(options, mpis, chosen):
    """All jobs in order; kernels at the largest size only."""
    for repetition in range(options.reps):
        for ranks in RANKS:
            for test in chosen_tests(options):
                for size in options.sizes if test not in KERNELS else options.sizes[-1:]:
                    for mpi in mpis:
                        first = repetition % len(chosen)
                        for mode in chosen[first:] + chosen[:first]:
                            yield ranks, test, size, mpi, mode


def run_all(runner, mpis, chosen):
    """{(mpi name, ranks, test, size, mode name): Cell}."""
    todo = list(plan(runner.options, mpis, chosen))
    progress, cells = measure.Progress(len(todo)), {}
    try:
        for ranks, test, size, mpi, mode in todo:
            progress.show(f"{mpi.name}, {mode.name}, {ranks} ranks, {test}, {size} bytes")
            line, counters = runner.one(mode, mpi, ranks, test, size)
            cells.setdefault((mpi.name, ranks, test, size, mode.name), Cell()).add(line, counters)
    finally:
        progress.clear()
    return cells


def is_large(test, size, ranks, threshold):
    """Must the library carry bytes? Reductions go by each rank's share of the result (shim/options.def)."""
    least = 2 * threshold if test == "reduce_scatter" else threshold
    return size // (ranks if "reduce" in test else 1) >= least


def rows_of(cells, options, mpis, threshold):
    """One dictionary for each line of the table, as it goes into the JSON."""
    for mpi in mpis:
        for ranks in RANKS:
            for test in chosen_tests(options):
                for size in options.sizes if test not in KERNELS else options.sizes[-1:]:
                    tcp, one = (cells[(mpi.name, ranks, test, size, mode)] for mode in MODES)
                    large = is_large(test, size, ranks, threshold)
                    carried = not large or one.counters["onecopy_bytes"] > 0
                    yield {"mpi": mpi.name, "ranks": ranks, "test": test, "bytes": size, "below_threshold": not large,
                           "latency_us": {"tcp": round(tcp.latency(), 2), "onecopy": round(one.latency(), 2)},
                           "latency_min_us": {"tcp": round(tcp.least(), 2), "onecopy": round(one.least(), 2)},
                           "onecopy_share": round(one.one_copy_share(), 4), "carried": carried,
                           "speed_up": round(tcp.latency() / one.latency(), 3) if carried else None,
                           "speed_up_min": round(tcp.least() / one.least(), 3) if carried else None}


def table_lines(rows, mpis):
    """A table for each MPI and number of ranks."""
    for mpi in mpis:
        for ranks in RANKS:
            table = [["microseconds", "size", "tcp", "onecopy", "tcp/onecopy", "one-copy of VM to VM"]]
            for row in rows:
                if (row["mpi"], row["ranks"]) != (mpi.name, ranks):
                    continue
                cell = {mode: f"{row['latency_us'][mode]:.0f} ({row['latency_min_us'][mode]:.0f})" for mode in MODES}
                gain = f"{row['speed_up']:.2f} ({row['speed_up_min']:.2f})" if row["carried"] else "-"
                share = "below" if row["below_threshold"] else f"{100 * row['onecopy_share']:.1f} %"
                table.append([row["test"], report.size_text(row["bytes"]), cell["tcp"], cell["onecopy"], gain, share])
            yield from ["", f"{mpi.version}, {ranks} ranks in 2 domains:  median of repetitions (least of all batches)",
                        *report.align(table)]


def hook_table(runner, mpis, mode, sizes):
    """Lines of the table of what small collectives cost more, and its rows for the JSON."""
    table = [["below the threshold", "size", "microseconds", "hooked : bare", "bare : bare"]]
    rows = []
    for mpi in mpis:
        for ranks in RANKS:
            for line in runner.hook_cost(mode, mpi, ranks, sizes):
                rows.append({"mpi": mpi.name, "ranks": ranks, **{name: line[name] for name in
                                                                 ("test", "bytes", "latency_us", "hooked", "bare")}})
                table.append([f"{mpi.name} {ranks} {line['test']}", report.size_text(line["bytes"]),
                              f"{line['latency_us']['median']:.1f}", f"{line['hooked']:.3f}", f"{line['bare']:.3f}"])
    note = "by MPI_X and by PMPI_X in turn in one process with the library; bare : bare is what the machine alone makes of it"
    return ["", *report.align(table), note], rows


def conditions(options, path, mpis):
    """Above the table."""
    common = machine.conditions(mpis, path, options)
    crowded = options.yielding or max(RANKS) > len(os.sched_getaffinity(0))
    kept = {name: common[name] for name in ("machine", "kernel", "mpi", "path")}
    return {**kept,
            "ranks": "they alternate between the two ends; within one end the MPI's own shared memory" if path.agent else
                     "all pairs over TCP, for there are no namespaces",
            "waiting": "ranks yield while they wait, in both modes" if crowded else "as the MPI does",
            "size": "bytes for each pair; bcast and reductions: of the whole vector; kernels: for each pair, about",
            "repetitions": f"{options.reps}, modes interleaved; about {options.ms} ms each, in batches",
            "checked": "every result, outside the measured time (tools/bench/vmocoll.c, vmokernel.c)"}


def compare(options, path, mpis, chosen, threshold):
    """Measure, print, write."""
    start = time.monotonic()
    head = conditions(options, path, mpis)
    print("\n".join(["vmonecopy ab --collectives", *report.head_lines(head, chosen, path.notes)]), flush=True)
    runner = Runner(options, path)
    rows = list(rows_of(run_all(runner, mpis, chosen), options, mpis, threshold))
    hook_lines, hook_rows = hook_table(runner, mpis, chosen[-1], HOOK_SIZES) if not options.tests else ([], [])
    notes = [f"took {time.monotonic() - start:.0f} s, load {machine.load():.2f} at the end", *runner.incidents()]
    print("\n".join([*table_lines(rows, mpis), *hook_lines, *notes]), flush=True)
    empty = [f"{row['mpi']} {row['ranks']} ranks {row['test']} {report.size_text(row['bytes'])}"
             for row in rows if not row["carried"]]
    if empty:
        raise WrongResult("no speed-up to show where the library carried no bytes: " + ", ".join(empty))
    if options.json:
        partial = f"{options.json}.{os.getpid()}.part"
        with open(partial, "w", encoding="utf-8") as file:
            json.dump({"schema": 1, "emulated": path.emulated, "collectives": rows, "below_threshold": hook_rows,
                       "conditions": head, "notes": list(path.notes) + notes, "threshold_bytes": threshold}, file, indent=1)
            file.write("\n")
        os.replace(partial, options.json)
