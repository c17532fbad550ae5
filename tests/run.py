#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the tests and prints one line for each, then `N passed, N failed, N skipped`.

Three kinds of tests, found by themselves:
  tests/unit/NAME.c      one executable, no MPI needed; exit 0 passed, 77 skipped, else failed
  tests/script/NAME.sh   the same as a script
                         (# LIMIT: SECONDS: instead of 600; # BESIDE: see below)
  tests/mpi/NAME.c ...   an MPI program, run under each MPI once for each RUN line in its source

A RUN line stands in a comment of the source:
  RUN: np=2 [timeout=60] [fail=REGEX] [expect=REGEX] [VARIABLE=value ...]
np: ranks. Every run preloads the library over emulated Xen, each rank in a domain of its own unless
XENEMU_DOMAINS says otherwise. expect: must match what the job prints (stdout and stderr together);
it may occur several times. must-fail=1: the job has to fail (a hook switched off, say).

Scripts with a line `# BESIDE` use one core and no clock: they run one after the other beside all the rest, at
the lowest priority. All else runs alone.
"""

import argparse
import concurrent.futures
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MPIS = ("mpich", "openmpi")
SKIP = 77


class Test:
    """One run: a name, a command, an environment, what must come out."""

    def __init__(self, name, command, env=None, timeout=60, expect=(), must_fail=False, beside=False):
        self.name, self.command, self.env = name, command, env or {}
        self.timeout, self.expect, self.must_fail = timeout, expect, must_fail
        self.beside = beside


def launcher(mpi, np, env):
    """The command line that starts np ranks with these variables in their environment."""
    if mpi == "mpich":
        line = ["mpiexec.mpich", "-n", str(np)]
        for key, value in env.items():
            line += ["-genv", key, value]
        return line
    line = ["mpirun.openmpi", "-n", str(np), "--oversubscribe", "--bind-to", "none",
            "--mca", "pml", "ob1", "--mca", "btl", "self,vader,tcp"]
    for key in env:
        line += ["-x", key]
    return line


def rank_environment(build):
    return {
        "LD_PRELOAD": os.path.join(build, "libvmonecopy.so"),
        "VMONECOPY_XEN": "emulated",
        "VMONECOPY_REPORT": "full",
        "XENEMU_LIMIT": "32768",
    }


def run_lines(source):
    with open(source, encoding="utf-8") as text:
        return re.findall(r"RUN:\s*(.*?)\s*(?:\*/)?$", text.read(), re.MULTILINE)


def mpi_test(mpi, source, number, line, build):
    name = os.path.splitext(os.path.basename(source))[0]
    settings, expect = {}, []
    for key, value in re.findall(r"([\w-]+)=(\"[^\"]*\"|\S+)", line):
        value = value.strip('"')
        if key == "expect":
            expect.append(value)
        else:
            settings[key] = value
    np = int(settings.pop("np", "2"))
    timeout = int(settings.pop("timeout", "60"))
    only = settings.pop("mpi", mpi)
    if only != mpi:
        return None
    must_fail = settings.pop("must-fail", "0") == "1"
    args = settings.pop("args", "").split()
    env = dict(rank_environment(build), **settings)
    command = launcher(mpi, np, env) + [os.path.join(build, "tests", mpi, name)] + args
    outer = {key: value for key, value in env.items() if key != "LD_PRELOAD"} if mpi == "openmpi" else {}
    outer.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_mpi_yield_when_idle="1")
    if mpi == "openmpi":
        index = command.index("LD_PRELOAD")
        command[index] = "LD_PRELOAD=" + env["LD_PRELOAD"]
    return Test(f"mpi/{mpi}/{name}.{number}", command, outer, timeout, expect, must_fail)


def script_test(path):
    with open(path, encoding="utf-8") as text:
        words = text.read()
    limit = re.search(r"^# LIMIT: (\d+)$", words, re.MULTILINE)
    beside = re.search(r"^# BESIDE$", words, re.MULTILINE) is not None
    name = "script/" + os.path.basename(path)[:-3]
    return Test(name, ["nice", "-n", "19", path] if beside else [path], {}, int(limit[1]) if limit else 600, beside=beside)


def discover(build, kinds):
    tests = []
    folder = lambda kind: os.path.join(ROOT, "tests", kind)
    if "unit" in kinds:
        for entry in sorted(os.listdir(folder("unit"))):
            if entry.endswith(".c"):
                name = entry[:-2]
                tests.append(Test("unit/" + name, [os.path.join(build, "tests/unit", name)], {}, 120))
    if "mpi" in kinds:
        for entry in sorted(os.listdir(folder("mpi"))):
            if not entry.endswith((".c", ".f", ".f90")):
                continue
            source = os.path.join(folder("mpi"), entry)
            for number, line in enumerate(run_lines(source), 1):
                tests += filter(None, (mpi_test(mpi, source, number, line, build) for mpi in MPIS))
    if "script" in kinds:
        for entry in sorted(os.listdir(folder("script"))):
            if entry.endswith(".sh"):
                tests.append(script_test(os.path.join(folder("script"), entry)))
    return tests


def end(process):
    """What it said. A launcher's children may be in other groups, live on, and hold the streams."""
    os.killpg(process.pid, signal.SIGKILL)
    try:
        return process.communicate(timeout=10)
    except subprocess.TimeoutExpired as late:
        return [late.stdout or b"", late.stderr or b""]


def execute(test, build, wrapper):
    """Runs one test in a process group of its own. Returns (verdict, seconds, output)."""
    scratch = tempfile.mkdtemp(prefix="vmo-test-")
    env = dict(os.environ, VMO_BUILD=build, VMO_ROOT=ROOT, XENEMU_DIR=scratch, TMPDIR=scratch, **test.env)
    began = time.monotonic()
    process = subprocess.Popen(wrapper + test.command, env=env, cwd=ROOT, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    try:
        streams = process.communicate(timeout=test.timeout)
        status = process.returncode
    except subprocess.TimeoutExpired:
        streams, status = end(process), "time"
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    output = b"".join(streams).decode(errors="replace")     # one after the other: they would meet within a line
    return verdict(test, status, output), time.monotonic() - began, output


def verdict(test, status, output):
    if status == "time":
        return f"FAILED (no end within {test.timeout} s)"
    if status == SKIP:
        return "skipped"
    if test.must_fail and status == 0:
        return "FAILED (it passed, but must fail)"
    if status != 0 and not test.must_fail:
        return f"FAILED (exit {status})"
    for pattern in test.expect:
        if not re.search(pattern, output):
            return f"FAILED (no match for {pattern!r})"
    return "passed"


def run_all(tests, build, wrapper):
    """Yields each test and what came of it, as they end."""
    with concurrent.futures.ThreadPoolExecutor(1) as lane:
        beside = {lane.submit(execute, test, build, wrapper): test for test in tests if test.beside}
        try:
            for test in tests:
                if not test.beside:
                    yield test, execute(test, build, wrapper)
        except BaseException:
            lane.shutdown(wait=False, cancel_futures=True)
            raise
        for end in concurrent.futures.as_completed(beside):
            yield beside[end], end.result()


def last_lines(output, count):
    return "".join("    | " + line + "\n" for line in output.rstrip().splitlines()[-count:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--kinds", default="unit,mpi,script")
    parser.add_argument("--only", default="", help="regular expression on the name")
    parser.add_argument("--wrapper", default="", help="command to run each test under")
    parser.add_argument("-v", action="store_true", help="show the output of every test")
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    tests = [t for t in discover(build, options.kinds.split(",")) if re.search(options.only, t.name)]
    counts = {"passed": 0, "FAILED": 0, "skipped": 0}
    failed = []
    for test, (result, seconds, output) in run_all(tests, build, options.wrapper.split()):
        counts[result.split()[0]] += 1
        print(f"{result:<8} {test.name} ({seconds:.1f} s)", flush=True)
        if result == "skipped":
            print(last_lines(output, 1), end="", flush=True)
        elif result.startswith("FAILED"):
            failed.append(test.name)
            print(last_lines(output, 30), end="", flush=True)
        elif options.v:
            print(last_lines(output, 1000), end="", flush=True)
    for name in failed:
        print("failed:", name)
    print(f"{counts['passed']} passed, {counts['FAILED']} failed, {counts['skipped']} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
