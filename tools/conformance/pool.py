# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs beside each other. Each is started by a process of its own, forked from here, which sees to its time limit
and leaves nothing behind (ab/jobs.py); it ends when this process does, however that ends.

Two runs at a time on two cores, as long as their ranks are not too many; a run that is to be alone waits until all
others are done, which is at the end.
"""
import ctypes
import multiprocessing
import multiprocessing.connection
import os
import shutil
import signal
import tempfile
import time
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from ab import jobs

from . import modes, slices, verdict

PR_SET_PDEATHSIG = 1
RANKS_AT_ONCE = 4       # for each run that may be under way
TAIL = 1500
ROOM = 4 << 30


@dataclass(frozen=True)
class Run:
    """One run that is wanted."""
    mpi: modes.Mpi
    mode: str
    test: object
    limit: int
    alone: bool
    program: str
    library: str
    yielding: str


class Outcome(NamedTuple):
    """What came of it. reason: why it failed, or None."""
    reason: object
    seconds: float
    counters: dict
    fingerprint: list
    tail: str
    timed_out: bool = False


def _scratch():
    """A folder in memory where there is enough, else where temporary files go."""
    shm = "/dev/shm"
    with_room = os.access(shm, os.W_OK) and os.statvfs(shm).f_bavail * os.statvfs(shm).f_frsize > ROOM
    return tempfile.mkdtemp(prefix="vmo-conformance-", dir=shm if with_room else None)


def _perform(run):
    """In the forked process: one run, in a fresh folder."""
    scratch = _scratch()
    try:
        os.chdir(scratch)
        for name, content in run.test.files:
            with open(name, "w", encoding="utf-8") as file:
                file.write(content)
        began = time.monotonic()
        done = jobs.run(modes.command(run.mpi, run.mode, run.test, run.program, run.library, run.yielding),
                        modes.environment(run.mpi, run.test, run.limit, scratch), run.limit + 5 * bool(run.test.result),
                        lambda _out, _err: False)
        return Outcome(verdict.reason(run.test.result, done, run.limit), time.monotonic() - began,
                       verdict.counters(done.stderr),
                       verdict.fingerprint(done.stdout) if run.test.result == "own" else [],
                       (done.stdout[-TAIL:] + verdict.REPORT.sub("", done.stderr)[-TAIL:]), done.timed_out)
    finally:
        with jobs.signals_held():
            os.chdir("/")
            shutil.rmtree(scratch, ignore_errors=True)


def _child(run, results, parent):
    """Main of the forked process."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    jobs.catch_signals()
    slices.shorten()
    try:
        if os.getppid() == parent:
            results.send(_perform(run))
    except jobs.Interrupted:
        pass
    finally:
        results.close()


class Pool:
    """Feeds the runs that examinations ask for. An examination is a generator: it yields a Run, gets its Outcome."""

    def __init__(self, at_once):
        self._at_once = at_once
        self._fork = multiprocessing.get_context("fork")
        self._running = {}      # connection: (process, examination, run)
        self._wanted, self._alone = deque(), deque()

    def work_off(self, examinations):
        """Run all to their ends."""
        source = iter(examinations)
        try:
            while True:
                self._fill(source)
                if not self._running:
                    return
                for results in multiprocessing.connection.wait(list(self._running)):
                    self._collect(results)
        finally:
            self._end()

    def _fill(self, source):
        while len(self._running) < self._at_once:
            if not self._wanted:
                if not self._advance_next(source):
                    break
                continue
            if self._running and self._ranks() + self._wanted[0][1].test.ranks > RANKS_AT_ONCE * self._at_once:
                break
            self._start(*self._wanted.popleft())
        if not self._running and self._alone:
            self._start(*self._alone.popleft())

    def _advance_next(self, source):
        """Take up the next examination; False when there is none. One that asks for no run is done at once."""
        for examination in source:
            self._advance(examination, None)
            return True
        return False

    def _advance(self, examination, outcome):
        try:
            run = examination.send(outcome)
        except StopIteration:
            return
        if run.alone:
            self._alone.append((examination, run))
        else:
            self._wanted.append((examination, run))

    def _ranks(self):
        return sum(run.test.ranks for _, _, run in self._running.values())

    def _start(self, examination, run):
        ours, theirs = self._fork.Pipe(duplex=False)
        process = self._fork.Process(target=_child, args=(run, theirs, os.getpid()))
        process.start()
        theirs.close()
        self._running[ours] = (process, examination, run)

    def _collect(self, results):
        process, examination, run = self._running.pop(results)
        try:
            outcome = results.recv()
        except EOFError:
            outcome = Outcome("its runner was ended", 0, {}, [], "")
        results.close()
        process.join()
        self._advance(examination, outcome)

    def _end(self):
        """After an exception: ask all to end, and wait until they have cleaned up."""
        for process, _, _ in self._running.values():
            process.terminate()
        for results, (process, _, _) in self._running.items():
            process.join()
            results.close()
        self._running.clear()
