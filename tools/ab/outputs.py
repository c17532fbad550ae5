# SPDX-License-Identifier: LGPL-2.1-or-later
"""What of each run is compared, byte for byte.

    none        nothing
    stdout      what the job printed on stdout (stderr is the launcher's and the library's)
    file:PATH   a file that each run writes anew
    COMMAND     what this shell command makes of the job's stdout: a filter, or anything that prints a checksum

Output that differs between two runs without the library cannot be compared with that of a run with it: that is said
before any difference is laid at the library's door.
"""
import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass

from . import CannotRun

CHUNK = 1 << 20
SHOWN = 70  # characters of a differing line


@dataclass(frozen=True)
class Output:
    """Of one run."""
    sha256: str
    bytes: int
    path: "str | None" = None   # kept there, to show a difference


def _digest(path):
    """(SHA-256, bytes) of a file."""
    digest, total = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            total += len(chunk)
    return digest.hexdigest(), total


def _stamp(path):
    """What changes when a file is written."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


class Nothing:
    """--compare none."""
    meaning = "not compared"

    def before(self):
        """A run begins."""

    def after(self, _stdout):
        """A run ended; its stdout is in this file. -> Output or None."""
        return None


class Stdout(Nothing):
    """--compare stdout."""
    meaning = "stdout, byte for byte"

    def after(self, stdout):
        """All of it."""
        return Output(*_digest(stdout), stdout)


class File(Nothing):
    """--compare file:PATH."""

    def __init__(self, path):
        self.path, self.stamp = path, None
        self.meaning = f"{path}, by SHA-256"
        if not path or os.path.isdir(path):
            raise CannotRun(f"--compare file:{path}: name a file that the program writes")

    def before(self):
        """So that a file of the run before is not taken for this one's."""
        self.stamp = _stamp(self.path)

    def after(self, _stdout):
        """It must have been written."""
        now = _stamp(self.path)
        if now is None or now == self.stamp:
            raise CannotRun(f"--compare file:{self.path}: the program has not written it: give its path as seen from "
                            f"{os.getcwd()}, or compare something else")
        return Output(*_digest(self.path))


class Filter(Nothing):
    """--compare COMMAND."""

    def __init__(self, command):
        self.command = command
        self.meaning = f"what `{command}` makes of stdout, byte for byte"

    def after(self, stdout):
        """Its output beside the job's."""
        path = stdout + ".filtered"
        with open(stdout, "rb") as given, open(path, "wb") as made:
            done = subprocess.run(["sh", "-c", self.command], stdin=given, stdout=made, stderr=subprocess.PIPE, check=False)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise CannotRun(f"--compare: `{self.command}` ended with exit status {done.returncode}"
                            f"{': ' + said[-1] if said else ''}: it must end with 0")
        return Output(*_digest(path), path)


def chosen(text):
    """What --compare asks for."""
    if text == "none":
        return Nothing()
    if text == "stdout":
        return Stdout()
    if text.startswith("file:"):
        return File(text[len("file:"):])
    if not text.strip():
        raise CannotRun("--compare: say none, stdout, file:PATH or a shell command")
    return Filter(text)


def _shown(line):
    text = line.decode(errors="replace").rstrip("\n")
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "...")


def difference(one, other):
    """In words: where two outputs part, the first without the library."""
    if not (one.path and other.path):
        return f"SHA-256 {one.sha256[:16]}... and {other.sha256[:16]}..., {one.bytes} and {other.bytes} bytes"
    with open(one.path, "rb") as left, open(other.path, "rb") as right:
        number = 0
        while True:
            number += 1
            a, b = left.readline(CHUNK), right.readline(CHUNK)
            if a != b:
                return f"line {number} is {_shown(a) if a else 'not there'} and {_shown(b) if b else 'not there'}"
            if not a:
                return "they differ"


def keep(output, place):
    """Put a copy of it where the next run does not write."""
    if output is None or output.path is None:
        return output
    shutil.copyfile(output.path, place)
    return Output(output.sha256, output.bytes, place)
