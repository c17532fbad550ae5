# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is known so far: FOLDER/MPI.VERSION.MODE[.DIGEST].jsonl, one line for each test, appended when it is known.

Plain results count as long as that version of the MPI is installed, the others as long as the library is what it
was: the next run goes on where one was interrupted, and does all of a mode again after a change of the library.
A record: verdict (one of judge.py's), reasons (one for each run, null: passed), seconds, counters, fingerprint,
tail (of the output of a run that failed).
"""
import json
import os

from . import modes


class Results:
    """Those of one MPI."""

    def __init__(self, folder, mpi, version, digest):
        os.makedirs(folder, exist_ok=True)
        self._paths = {mode: os.path.join(folder, f"{mpi.name}.{version}.{mode}"
                                          + (f".{digest}" if mode in modes.WITH_LIBRARY else "") + ".jsonl")
                       for mode in modes.MODES}
        self._known = {mode: _load(path) for mode, path in self._paths.items()}

    def get(self, mode, name):
        """The record, or None."""
        return self._known[mode].get(name)

    def put(self, mode, name, record):
        """Remember it, now and on disk."""
        self._known[mode][name] = record
        with open(self._paths[mode], "a", encoding="utf-8") as file:
            file.write(json.dumps({"name": name, **record}) + "\n")

    def forget(self, mode, name):
        """So that it is run again."""
        self._known[mode].pop(name, None)


def _load(path):
    """The last record of each name. A line may have been cut short, or be no record at all: then its test runs again."""
    known = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                try:
                    record = json.loads(line)
                except (ValueError, RecursionError):
                    continue
                if isinstance(record, dict) and isinstance(record.get("name"), str) \
                        and isinstance(record.get("verdict"), str):
                    known[record.pop("name")] = record
    return known
