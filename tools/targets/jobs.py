# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs one program of tools/bench under an MPI, in a mode of tools/ab, and reads its JSON lines."""
import json
import os

from ab import CannotRun, WrongResult, jobs, measure, modes

MODES = {mode.name: mode for mode in modes.MODES}


class Bench:
    """Where things are, and how long they may take."""

    def __init__(self, options, path, mpis):
        self.build, self.path, self.mpis, self.tiny = options.build, path, mpis, options.tiny
        self.library = os.path.join(options.build, "libvmonecopy.so")
        self.faults = []
        self.notes = []
        self.over_loopback = {}     # of each MPI, how many times as quick as TCP (pingpong.py)

    def program(self, mpi, name):
        """A program of tools/bench, built."""
        path = os.path.join(self.build, "tests", mpi.name, name)
        if not os.access(path, os.X_OK):
            raise CannotRun(f"{path} is missing: run `make {os.path.relpath(path)}`")
        return path

    def run(self, mpi, mode_name, words, ranks=2, limit=120, wrap=(), preload=(), wanted=1, **settings):
        """(JSON lines, wanted of them at least; the library's counters). settings: variables for the ranks."""
        mode = MODES[mode_name]
        runner = measure.Runner(_RunnerOptions(self), self.path)
        given = dict(settings)
        if mode.shim:
            given = {**runner.rank_environment(mode), "XENEMU_DOMAINS": "2", **given}
        loaded = [*preload, *([self.library] if mode.shim else [])]
        if loaded:
            given["LD_PRELOAD"] = ":".join(loaded)
        command = mpi.command(mode, self.path, given, [*wrap, self.program(mpi, words[0]), *words[1:]], ranks)
        environment = {**runner.base_environment(), **mpi.environment(mode, self.path, ranks)}
        done = jobs.run(command, environment, limit, lambda out, err: wanted and out.count('{"vmo') >= wanted and (
            measure.shim_lines(err) or not mode.shim))
        found = [line for line in map(parse, done.stdout.splitlines()) if line]
        if (done.status and not done.lingered) or done.timed_out or len(found) < wanted:
            fault = f"no end within {limit} s" if done.timed_out else f"exit status {done.status}"
            raise WrongResult(f"{mpi.name}, {mode_name}, {' '.join(words)}: {fault}: {measure.shorten(done.stderr)}")
        counters = {name: int(value) for name, value in measure.COUNTER.findall(done.stderr)}
        return found, measure.honest(counters)

    def attempt(self, what, function, *arguments):
        """A part that cannot be measured is said to be so; the others go on."""
        try:
            return function(*arguments)
        except (WrongResult, CannotRun) as reason:
            self.faults.append(f"{what}: {reason}")
            return None


def settings_of(mpis, path):
    """What each MPI is told, in the modes without the library: the rest is its default."""
    shown = {}
    for mpi in mpis:
        for mode in modes.MODES:
            if mode.mpi and not mode.shim:
                command = mpi.command(mode, path, {}, ["PROGRAM"])
                variables = [f"{name}={value}" for name, value in sorted(mpi.environment(mode, path).items())
                             if not name.startswith("OMPI_ALLOW")]
                shown[f"{mpi.name}, {mode.name}"] = " ".join(variables + [os.path.basename(command[0])] + command[1:])
    return shown


class _RunnerOptions:
    def __init__(self, bench):
        self.library, self.build = bench.library, bench.build


def parse(line):
    """A line of a program of tools/bench; None: it is none."""
    if not line.startswith('{"vmo'):
        return None
    try:
        return json.loads(line)
    except ValueError:
        return None
