# SPDX-License-Identifier: LGPL-2.1-or-later
"""What came out: the differences, the table, the JSON file, the closing counts.

A pass is one suite of one MPI in one mode. The JSON file has, for each, the names of tests that only the library
fails and of those that plain fails, and what the library counted in all its runs: a pass in which nothing went by
one copy would show nothing.
"""
import json
import os
from dataclasses import dataclass, field

from . import modes

SHOWN = ("onecopy_messages", "staged_messages", "fell_through_messages", "refusals")


@dataclass
class Pass:
    """Sums over one suite."""
    mpi: str
    suite: str
    mode: str
    tests: dict                                     # name: record, those that are known
    missing: int = 0                                # not run yet
    counters: dict = field(default_factory=dict)

    def names(self, *verdicts):
        """Tests that came out so."""
        return sorted(name for name, record in self.tests.items() if record["verdict"] in verdicts)

    @property
    def ran(self):
        """How many were run."""
        return sum(bool(record["reasons"]) for record in self.tests.values())


def make_pass(mpi, suite, mode, tests, results, plain):
    """Of what results know."""
    records = {test.name: results.get(mode, test.name) for test in tests}
    one = Pass(mpi.name, suite, mode, {name: record for name, record in records.items() if record})
    one.missing = len(tests) - len(one.tests)
    for record in one.tests.values():
        for name, value in record["counters"].items():
            one.counters[name] = one.counters.get(name, 0) + value
    one.plain_fails = sorted(test.name for test in tests
                             if (results.get(plain, test.name) or {}).get("verdict") in ("fail", "unbuilt"))
    return one


def differences(passes):
    """Lines: what differs from plain, and why."""
    lines = []
    for one in passes:
        if one.mode not in modes.WITH_LIBRARY:
            continue
        for name in one.names("fail", "unsteady"):
            record = one.tests[name]
            word = "FAILED" if record["verdict"] == "fail" else "unsteady"
            runs = len(record["reasons"])
            why = [reason for reason in record["reasons"] if reason]
            lines.append(f"{word:<8} {one.mpi} {one.mode} {name}: {len(why)} of {runs} runs: {why[0]}")
    return lines


def list_errors(mpi, passes, known):
    """Where this folder's list of plain failures is wrong, and what is worth a word."""
    errors, words = [], []
    for one in (one for one in passes if one.mpi == mpi.name and one.mode == "plain"):
        for name, record in sorted(one.tests.items()):
            how, verdict = known.get(name), record["verdict"]
            if verdict in ("fail", "unbuilt") and not how:
                why = f": {record['reasons'][0]}" if record["reasons"] else " to build"
                errors.append(f"{mpi.name} plain fails{why}, but is not in lists/plain.txt: {name}")
            elif verdict == "flaky" and how != "flaky":
                words.append(f"{mpi.name} plain failed now and then ({_first(record)}): {name}")
            elif verdict == "pass" and how == "flaky":
                words.append(f"{mpi.name} plain passed what is listed as flaky: {name}")
            elif verdict == "pass" and how:
                errors.append(f"{mpi.name} plain passed what lists/plain.txt says it {how}: {name}")
    return errors, words


def _first(record):
    return next(reason for reason in record["reasons"] if reason)


def table(passes):
    """One line for each pass."""
    head = ["mpi", "suite", "mode", "run", "passed", "plain fails", "only library", *(
        name.replace("_messages", "") for name in SHOWN)]
    rows = [head]
    for one in passes:
        counts = [str(one.counters.get(name, 0)) if one.mode in modes.WITH_LIBRARY else "-" for name in SHOWN]
        rows.append([one.mpi, one.suite, one.mode, str(one.ran), str(len(one.names("pass", "unsteady"))),
                     str(len(one.plain_fails)), str(len(one.names("fail"))) if counts[0] != "-" else "-", *counts])
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    return ["  ".join(cell.ljust(width) if i < 3 else cell.rjust(width)
                      for i, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in rows]


def closing(passes, list_checks, errors):
    """Counts: each test of each mode with the library, and for each MPI one for the list of plain failures."""
    ours = [one for one in passes if one.mode in modes.WITH_LIBRARY]
    failed = sum(len(one.names("fail")) for one in ours) + errors
    passed = sum(len(one.names("pass", "unsteady")) for one in ours) + list_checks - errors
    skipped = sum(len(one.names("plain_fails")) + one.missing for one in ours)
    return passed, failed, skipped


def write_json(path, passes, extra):
    """Whole or not at all."""
    entries = []
    for one in passes:
        entry = {"mpi": one.mpi, "suite": one.suite, "mode": one.mode, "run": one.ran,
                 "only_shim_fails": one.names("fail") if one.mode in modes.WITH_LIBRARY else [],
                 "plain_fails": one.plain_fails, "not_run": one.missing}
        if one.mode in modes.WITH_LIBRARY:
            entry.update(unsteady=one.names("unsteady"), **one.counters)
        entries.append(entry)
    with open(path + ".partial", "w", encoding="utf-8") as file:
        json.dump({"schema": 1, "passes": entries, **extra}, file, indent=1)
        file.write("\n")
    os.replace(path + ".partial", path)
