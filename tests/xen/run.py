#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests on real Xen: boots tools/xenlab twice, with 2 and with 3 guests, and runs in them

  the unit tests that know VMO_TEST_GUEST (tests/unit: seam, pools, mapping cache, substitution, conformance of the
  emulation), one side in each guest;
  the MPI programs of cases.py, under MPICH and Open MPI, over the guests' network cards and with the library.

One line per test, then `N passed, N failed, N skipped`. Builds nothing. Exit status 0: none failed; 1: some did;
2: something is missing. Consoles, logs and reports stay in BUILD/xen-test.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)

from cases import CASES     # noqa: E402

REPORT = re.compile(r"^vmonecopy:\s+([\w.]+) (\d+)(?: messages.*)?$", re.MULTILINE)
PAIR_HEADERS = re.compile(r'#include "(xen_pair|mapcache_pair|subst_setup|conformance)\.h"')
# About limits that only the emulation can be given, or begin their two processes themselves.
EMULATION_ONLY = {"mapcache_gone", "memhook_preload", "pool_smaller_steps", "xen_domid", "xen_limit", "xen_notify_clear"}
# Minutes on the emulated CPU, and nothing that they show depends on Xen: costs, threads that race, full tables.
TOO_SLOW = re.compile(r"_cost$|_threads$|mapcache_hostile|subst_fork_writers|subst_readers|subst_table_full")
GUEST_MIB = 384


class CannotRun(Exception):
    """Something is missing; the text says what."""


class Test:
    """A line of the plan, and where its results will be."""

    def __init__(self, name, guests, plan, files, case=None):
        self.name, self.guests, self.plan, self.files, self.case = name, guests, plan, files, case


def unit_tests(build):
    """Those of tests/unit that can be one side of a pair of guests."""
    folder = os.path.join(ROOT, "tests", "unit")
    for entry in sorted(os.listdir(folder)):
        name, suffix = os.path.splitext(entry)
        if suffix != ".c" or name in EMULATION_ONLY or TOO_SLOW.search(name):
            continue
        with open(os.path.join(folder, entry), encoding="utf-8") as source:
            if PAIR_HEADERS.search(source.read()):
                yield Test(f"unit/{name}", 2, f"unit {name}", [os.path.join(build, "tests", "unit", name)])


def mpi_tests(build):
    """Each case under each of its MPIs."""
    for case in CASES:
        for mpi in case.mpis:
            name = f"{case.name}.{mpi}"
            command = case.command.replace("MPI", mpi)
            program = re.search(r"\./(\w+)\.", command)[1]
            words = ["mpi", name, case.limit, case.timeout, mpi, case.guests * case.per_guest, case.per_guest, *case.env,
                     "--", command]
            binary = os.path.join(build, "tests", mpi, program) + f":/job/{program}.{mpi}"
            yield Test(f"mpi/{name}", case.guests, " ".join(map(str, words)), [binary], case)


def discover(build, only):
    """All tests, by number of guests."""
    tests = [test for test in [*unit_tests(build), *mpi_tests(build)] if re.search(only, test.name)]
    return {guests: [test for test in tests if test.guests == guests] for guests in (2, 3)}


def libraries(build):
    """What each guest needs besides the tests' own programs."""
    names = ["libvmonecopy.so", "libvmonecopy-mpich.so", "libvmonecopy-openmpi.so", "tests/xen/grants"]
    return [os.path.join(build, name) for name in names]


def need_files(files):
    missing = sorted({path.split(":")[0] for path in files if not os.path.exists(path.split(":")[0])})
    if missing:
        raise CannotRun(f"not built: {' '.join(missing)}: run `make xen-test`, which builds them")


def without_debug(files, folder):
    """Copies of programs and libraries that fit into a small guest. Returns --file options of xenlab."""
    os.makedirs(folder)
    for entry in sorted(files):
        path, _, place = entry.partition(":")
        copy = os.path.join(folder, os.path.basename(place or path))
        subprocess.run(["strip", "--strip-debug", "-o", copy, path], check=True)
        yield from ("--file", copy)


def boot(build, guests, tests, out, options):
    """One boot for all tests with so many guests. Returns xenlab's exit status; its words are in out/xenlab.log."""
    files = {*libraries(build), *(path for test in tests for path in test.files)}
    os.makedirs(out)
    plan = os.path.join(out, "plan")
    with open(plan, "w", encoding="utf-8") as text:
        text.writelines(test.plan + "\n" for test in tests)
    command = [os.path.join(ROOT, "tools", "xenlab", "xenlab"), "run", "--guests", str(guests), "--out", out,
               "--mem", str(GUEST_MIB), "--timeout", str(options.timeout), "--mpi", "mpich,openmpi", "--file", plan]
    with tempfile.TemporaryDirectory(prefix="vmo-xen-test-") as scratch:
        command += [*without_debug(files, os.path.join(scratch, "files")), os.path.join(HERE, "job.sh")]
        with open(os.path.join(out, "xenlab.log"), "w", encoding="utf-8") as log:
            return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False).returncode


def read(*path):
    try:
        with open(os.path.join(*path), encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def unit_verdict(test, out):
    """(verdict, seconds, what to show)."""
    name, codes, seconds, said = test.plan.split()[1], [], 0, ""
    for guest in ("g1", "g2"):
        ended = read(out, guest, name + ".end").split()
        said += read(out, guest, name + ".log")
        if not ended:
            return "FAILED (did not run to its end)", 0, said
        codes.append(int(ended[0]))
        seconds = max(seconds, int(ended[1]))
    if 77 in codes:
        return "skipped", seconds, said
    return ("passed" if codes == [0, 0] else f"FAILED (exit codes {codes[0]}, {codes[1]})"), seconds, said


class Counters(dict):
    """Those of one report; absent ones are 0."""

    def __missing__(self, _name):
        return 0


def mpi_fault(case, code, log, grants):
    """Why it failed, or None."""
    if case.dies:
        if code in (0, 124):
            return f"exit code {code} of a job whose rank was killed"
    elif code:
        return f"exit code {code}"
    if not re.search(case.says, log):
        return f"no match for {case.says!r}"
    counters = Counters({name.replace(".", "_"): int(value) for name, value in REPORT.findall(log)})
    for condition in case.counters:
        if not eval(condition, {"__builtins__": {}}, counters):     # pylint: disable=eval-used
            return f"not so: {condition}"
    held = [line for line in grants.splitlines() if " pages are held" in line and ": 0 of" not in line]
    if held:
        return f"grants left: {'; '.join(held)}"
    wanted = case.guests * (2 if case.dies else 1)
    if len(grants.splitlines()) != wanted:
        return "no word on the grants left: " + (grants.strip().replace("\n", "; ") or "nothing")
    return None


def mpi_verdict(test, out):
    """(verdict, seconds, what to show)."""
    name = test.plan.split()[1]
    log, ended = read(out, "g1", name + ".log"), read(out, "g1", name + ".end").split()
    if not ended:
        return "FAILED (did not run to its end)", 0, log
    fault = mpi_fault(test.case, int(ended[0]), log, read(out, "g1", name + ".grants"))
    if os.path.exists(os.path.join(out, "g1", name + ".stalled.log")):
        print(f"{name}: no end at the first try, which is not unknown of MPI over TCP on a busy machine; tried again")
    return f"FAILED ({fault})" if fault else "passed", int(ended[1]), log


def show(test, result, seconds, said):
    """One line, and what a failed or skipped test said."""
    print(f"{result:<8} {test.name} ({seconds} s)")
    lines = {"F": 25, "s": 1}.get(result[0], 0)
    for line in said.rstrip().splitlines()[-lines:] if lines else ():
        print("    | " + line)
    sys.stdout.flush()


def run_all(options):
    """Boot, judge, print. Returns the exit status."""
    counts = {"passed": 0, "FAILED": 0, "skipped": 0}
    failed = []
    start = time.monotonic()
    build = os.path.abspath(options.build)
    top = os.path.join(build, "xen-test")
    plans = discover(build, options.only)
    need_files([path for tests in plans.values() for test in tests for path in test.files] + libraries(build))
    shutil.rmtree(top, ignore_errors=True)
    for guests, tests in plans.items():
        if not tests:
            continue
        out = os.path.join(top, f"{guests}-guests")
        print(f"booting Xen with {guests} guests for {len(tests)} tests; its console is {os.path.relpath(out)}/console.log",
              flush=True)
        status = boot(build, guests, tests, out, options)
        if status == 2:
            raise CannotRun(read(out, "xenlab.log").strip())
        if not os.path.isdir(os.path.join(out, "g1")):
            print("no results of this boot:\n" + "".join(read(out, "xenlab.log").splitlines(True)[-8:]), end="")
        for test in tests:
            result, seconds, said = (mpi_verdict if test.case else unit_verdict)(test, out)
            counts[re.match(r"\w+", result)[0]] += 1
            failed += [test.name] if result.startswith("FAILED") else []
            show(test, result, seconds, said)
    print(f"took {time.monotonic() - start:.0f} s")
    for name in failed:
        print("failed:", name)
    print(f"{counts['passed']} passed, {counts['FAILED']} failed, {counts['skipped']} skipped")
    return 1 if counts["FAILED"] or not counts["passed"] else 0


def main():
    """Options, and errors in one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--only", default="", help="regular expression on the name")
    parser.add_argument("--timeout", type=int, default=3000, help="seconds for the tests of one boot (3000)")
    try:
        return run_all(parser.parse_args())
    except CannotRun as reason:
        print(f"tests/xen: cannot run: {reason}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
