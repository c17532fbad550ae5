# SPDX-License-Identifier: LGPL-2.1-or-later
"""One process with a time limit, of which nothing is left afterwards.

MPI launchers start daemons in sessions and process groups of their own, so killing a group is not enough.
This process makes itself the "subreaper": what a job leaves behind becomes its child, is found in /proc by
that, and is ended by its own id. Nothing else is ever signalled.
"""
import contextlib
import ctypes
import os
import select
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass

PR_SET_CHILD_SUBREAPER = 36
GRACE_SECONDS = 2.0
LINGER_SECONDS = 5.0


@dataclass
class Finished:
    """What one process did."""
    status: int
    stdout: str
    stderr: str
    timed_out: bool
    lingered: bool  # all output was there, but it did not end, and was ended
    seconds: float = 0.0    # wall time, from just before its start to its end; 0 where nobody measured


class Interrupted(Exception):
    """SIGINT, SIGTERM or SIGHUP came."""

    def __init__(self, signum):
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


def _raise_interrupted(signum, _frame):
    raise Interrupted(signum)


def catch_signals():
    """From now on these signals raise Interrupted, so that all is cleaned up; orphans become our children."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, _raise_interrupted)


@contextlib.contextmanager
def signals_held():
    """Cleaning up is not interrupted by a second Ctrl-C."""
    held = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    signal.pthread_sigmask(signal.SIG_BLOCK, held)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, held)


def _parent_of(pid):
    """Parent of a process, None if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return int(stat.read().rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return None


def descendants():
    """Ids of all processes that this one started, directly or not."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            children.setdefault(_parent_of(int(name)), []).append(int(name))
    found, todo = [], [os.getpid()]
    while todo:
        offspring = children.get(todo.pop(), [])
        found += offspring
        todo += offspring
    return found


def _reap():
    """Collect the dead."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def end_descendants():
    """End whatever a job left: first politely, then surely."""
    deadline = time.monotonic() + GRACE_SECONDS
    signum = signal.SIGTERM
    while True:
        _reap()
        left = descendants()
        if not left or time.monotonic() > deadline + GRACE_SECONDS:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signum)
        signum = 0 if time.monotonic() < deadline else signal.SIGKILL
        time.sleep(0.05)


def run(command, environment, limit_seconds, complete):
    """Run a command to its end, to its time limit, or LINGER_SECONDS past the moment when complete(stdout, stderr).

    Output goes through files: no orphan can hold a pipe open.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        status, timed_out, lingered, seconds = run_into(command, environment, limit_seconds, (None, out, err),
                                                        lambda: complete(_content(out), _content(err)))
        return Finished(status, _content(out), _content(err), timed_out, lingered, seconds)


def run_into(command, environment, limit_seconds, files, complete=lambda: False):
    """The same with files (stdin or None, stdout, stderr) of the caller's.

    -> (exit status, did it take too long, did it linger, seconds). OSError where the command cannot be started.
    """
    stdin, out, err = files
    process, start = None, time.monotonic()
    try:
        process = subprocess.Popen(command, env=environment, stdin=stdin or subprocess.DEVNULL, stdout=out, stderr=err,
                                   start_new_session=True)
        return *_wait(process, start, limit_seconds, complete), time.monotonic() - start
    finally:
        with signals_held():
            end_descendants()
            if process:
                process.poll()


def _content(file):
    """All of it so far. Not by seeking: the writer shares our offset."""
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode(errors="replace")


def _ended(process, ended, seconds):
    """Wait so long for its end, and no longer than until it: Popen.wait looks only each 50 ms."""
    ready = ended.poll(1000 * seconds)
    return ready and process.wait() is not None


def _wait(process, start, limit_seconds, complete):
    """(exit status, did it take too long, did it linger)."""
    complete_since, handle, ended = None, os.pidfd_open(process.pid), select.poll()
    ended.register(handle, select.POLLIN)
    try:
        while True:
            left = start + limit_seconds - time.monotonic()
            if _ended(process, ended, max(0.0, min(0.5, left))):
                return process.returncode, False, False
            now = time.monotonic()
            if now - start > limit_seconds:
                return -1, True, False
            if complete_since is None and complete():
                complete_since = now
            if complete_since and now - complete_since > LINGER_SECONDS:
                return 0, False, True
    finally:
        os.close(handle)
