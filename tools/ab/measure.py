# SPDX-License-Identifier: LGPL-2.1-or-later
"""The interleaved runs.

One job per (repetition, size, MPI, mode), so that the library's counters, which are per job, tell the share
of one-copy bytes of each size, and so that no mode has the quiet minutes to itself. Which mode comes first
changes from repetition to repetition.
"""
import json
import os
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

from . import CannotRun, WrongResult, jobs
from .carried import honest
from .modes import bench_command

# What would change the conditions behind our back.
FOREIGN = ("OMPI_", "PMIX_", "PMI_", "HYDRA_", "MPIR_", "MPICH_", "UCX_", "SLURM_", "LD_PRELOAD", "VMO_AB_")
OF_THE_SHIM = ("VMONECOPY", "XENEMU_")
COUNTER = re.compile(r"^vmonecopy:\s+(\w+) (\d+)\s*$", re.MULTILINE)
ALL_MPIS = ""  # the key of a mode that needs no MPI


@dataclass
class Samples:
    """All repetitions of one mode, MPI and size."""
    latency_us: list = field(default_factory=list)
    latency_min_us: list = field(default_factory=list)
    mbps: list = field(default_factory=list)
    mbps_max: list = field(default_factory=list)
    payload_bytes: int = 0
    counters: dict = field(default_factory=dict)

    def add(self, lines, counters):
        """Take in one job's output."""
        self.latency_us.append(lines["pingpong"]["latency_us"]["median"])
        self.latency_min_us.append(lines["pingpong"]["latency_us"]["min"])
        self.mbps.append(lines["stream"]["mbps"]["median"])
        self.mbps_max.append(lines["stream"]["mbps"]["max"])
        self.payload_bytes += lines["checked"]["payload_bytes"]
        for name, value in honest(counters).items():
            self.counters[name] = self.counters.get(name, 0) + value

    def share(self, counter):
        """Of the payload, what this counter has, 0 to 1."""
        return min(1.0, self.counters.get(counter, 0) / self.payload_bytes) if self.payload_bytes else 0.0


def threshold_bytes(environment):
    """From which size on the library acts: its default, or what the caller set."""
    text = environment.get("VMONECOPY_THRESHOLD", "16K").strip()
    match = re.fullmatch(r"(\d+)([KMG]?)i?B?", text, re.IGNORECASE)
    if not match:
        raise CannotRun(f"VMONECOPY_THRESHOLD={text}: not a number of bytes: unset it, or write 16K or 1M")
    return int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2].upper()]


def shim_lines(stderr):
    """What the library said, each line whole."""
    return [line for line in stderr.splitlines() if line.startswith("vmonecopy:")]


class Runner:
    """Runs single jobs: environment, time limit, one retry, which is reported."""

    def __init__(self, options, path):
        self.options = options
        self.path = path
        self.retries = []
        self.lingered = Counter()

    def base_environment(self):
        """The caller's, without what would change the conditions; temporary files in our own directory."""
        out = OF_THE_SHIM + (("LD_PRELOAD",) if self.path.keeps_settings else FOREIGN)
        clean = {name: value for name, value in os.environ.items() if not name.startswith(out)}
        return {**clean, "TMPDIR": self.path.directory, **self.path.environment()}

    def rank_environment(self, mode):
        """The library's part; the caller's own VMONECOPY_* and XENEMU_* settings have the last word."""
        if not mode.shim:
            return {}
        own = {name: value for name, value in os.environ.items() if name.startswith(OF_THE_SHIM)}
        return {"LD_PRELOAD": self.options.library, "VMONECOPY_REPORT": "full", **self.path.shim_environment, **own}

    def command(self, mode, mpi, size):
        """(command line, environment) of one job."""
        bench = bench_command(self.options.build, mpi.name, bench_arguments(self.options, mode, size))
        if not mode.mpi:
            return bench, self.base_environment()
        environment = {**self.base_environment(), **mpi.environment(mode, self.path)}
        return mpi.command(mode, self.path, self.rank_environment(mode), bench), environment

    def run(self, mode, mpi, size):
        """One job, twice at most. Returns ({test: line}, library's counters, library's lines)."""
        what = f"{mpi.name if mode.mpi else 'no MPI'}, {mode.name}, {size} bytes"
        for last in (False, True):
            command, environment = self.command(mode, mpi, size)
            done = jobs.run(command, environment, self.options.limit,
                            lambda out, err: '"test":"checked"' in out and (shim_lines(err) or not mode.shim))
            self.lingered[f"{mpi.name} {mode.name}"] += done.lingered
            lines, fault = judge(done, size, self.options.limit)
            if not fault:
                counters = {name: int(value) for name, value in COUNTER.findall(done.stderr)}
                return lines, counters, shim_lines(done.stderr)
            if last:
                raise (WrongResult if mode.shim else CannotRun)(f"{what}: failed twice: {fault}; the command was: "
                                                                f"{' '.join(command)}")
            self.retries.append(f"{what}: {fault}")
        return None

    def incidents(self):
        """What a reader must know: lines."""
        lines = [f"retried: {retry}" for retry in self.retries]
        late = ", ".join(f"{count} {what}" for what, count in self.lingered.items() if count)
        if late:
            lines.append(f"did not end after their figures were complete, and were ended: {late} "
                         f"(plain MPICH over UCX TCP now and then waits for ever in MPI_Finalize)")
        return lines


def judge(done, size, limit):
    """({test: line}, None) or (None, why it does not count). Wrong bytes are never tried again."""
    lines = {}
    for line in done.stdout.splitlines():
        if line.startswith('{"vmobench"'):
            try:
                measured = json.loads(line)
                lines[measured["test"]] = measured
            except (ValueError, KeyError, TypeError, RecursionError):  # cut short, or mixed with another rank's words
                lines["unreadable"] = {}
    if lines.get("checked", {}).get("errors"):
        said = [line for line in done.stderr.splitlines() if line.startswith("vmobench:")]
        raise WrongResult(f"wrong payload, {lines['checked']['errors']} errors at {size} bytes: {' '.join(said)}")
    if done.timed_out:
        return None, f"no end within {limit} s"
    if done.status or set(lines) != {"pingpong", "stream", "checked"}:
        return None, f"exit status {done.status}: {shorten(done.stderr) or 'no error text'}"
    return lines, None


def shorten(text):
    """In one line; of long texts beginning and end."""
    line = " / ".join(part.strip() for part in text.splitlines() if part.strip())
    return line if len(line) <= 600 else f"{line[:350]} [...] {line[-250:]}"


class Progress:
    """One line on a terminal, nothing elsewhere."""

    def __init__(self, jobs_in_all):
        self.total, self.done, self.start = jobs_in_all, 0, time.monotonic()
        self.on = sys.stderr.isatty()

    def show(self, what):
        """Before each job."""
        spent = time.monotonic() - self.start
        left = f", about {spent / self.done * (self.total - self.done):.0f} s left" if self.done else ""
        self.done += 1
        if self.on:
            print(f"\r\033[K[{self.done}/{self.total}] {what}{left}", end="", file=sys.stderr, flush=True)

    def clear(self):
        """At the end."""
        if self.on:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def plan_of_repetitions(options, mpis, modes):
    """All jobs in order: (repetition, mode, mpi, size). A mode without MPI runs once for all MPIs."""
    for repetition in range(options.reps):
        for size in options.sizes:
            for mpi in mpis:
                first = repetition % len(modes)
                for mode in modes[first:] + modes[:first]:
                    if mode.mpi or mpi is mpis[0]:
                        yield repetition, mode, mpi, size


def plan(options, mpis, modes):
    """The same, without the number of the repetition."""
    for _, mode, mpi, size in plan_of_repetitions(options, mpis, modes):
        yield mode, mpi, size


def bench_arguments(options, mode, size):
    """What vmobench is told."""
    return ["--sizes", str(size), "--ms", str(options.ms), "--warm", str(options.warm), "--stamp", options.stamp,
            "--stream-recv", options.stream_recv, "--window", str(options.window), *mode.bench_options]


def measure(runner, mpis, modes):
    """All jobs. Returns {(mode name, MPI name or ALL_MPIS, size): Samples}."""
    todo = list(plan(runner.options, mpis, modes))
    progress = Progress(len(todo))
    samples = {}
    try:
        for mode, mpi, size in todo:
            progress.show(f"{mpi.name}, {mode.name}, {size} bytes")
            lines, counters, _ = runner.run(mode, mpi, size)
            key = (mode.name, mpi.name if mode.mpi else ALL_MPIS, size)
            samples.setdefault(key, Samples()).add(lines, counters)
    finally:
        progress.clear()
    return samples


def prove_one_copy(runner, mpis, modes, size):
    """One short job per MPI first: if the library carries nothing, say why now, and measure nothing."""
    for mode in modes:
        for mpi in mpis if mode.shim else ():
            _, counters, said = runner.run(mode, mpi, size)
            if not counters.get("onecopy_bytes"):
                raise WrongResult(f"no speed-up to show: with {mpi.name} the library carried no bytes: "
                                  + why_nothing(said))


def why_nothing(said):
    """The library's own words."""
    for line in said:
        if "INACTIVE" in line:
            return line
    return " / ".join(said) or ("it printed no report: it was not loaded, or its processes ended before "
                                "MPI_Finalize; look at it with VMONECOPY_LOG=debug")
