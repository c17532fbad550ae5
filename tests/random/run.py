#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Random, correct MPI programs, with the library in several settings against without it.

    tests/random/run.py --seeds 1-1000                      both MPIs, all modes
    tests/random/run.py --seeds 1234 --mpi mpich --ranks 2 --modes eager
    tests/random/run.py --seeds 1234 --mpi mpich --ranks 2 --modes plain --steps 7-12 --verbose

Every program checks itself (tests/random/plan.h); what its ranks received has to be the same with the
library as without, so each block of seeds runs without it too. A block is one MPI job; a job that fails or
hangs ends its block, names the seed, and the seeds behind it run in a job of their own.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MPIS = ("mpich", "openmpi")
EVERY = 50	# seeds for each digest

EAGER = {"VMONECOPY_THRESHOLD": "64", "VMONECOPY_ADMISSION": "1"}
# name: (the least number of ranks, the environment); None: without the library
MODES = {
    "plain": (2, None),
    "default": (2, {}),
    "eager": (2, EAGER),
    "no-patience": (2, {**EAGER, "VMONECOPY_PATIENCE_US": "0"}),
    "idle": (2, {**EAGER, "VMONECOPY_PATIENCE_US": "0", "VMONECOPY_IDLE_MS": "1"}),
    "staged": (2, {"VMONECOPY_SUBSTITUTE": "0", "VMONECOPY_THRESHOLD": "64"}),
    "few-grants": (2, {**EAGER, "VMONECOPY_GRANT_BUDGET": "400K", "VMONECOPY_RUN": "64K", "VMONECOPY_IDLE_MS": "1"}),
    "grant-copy": (2, {**EAGER, "VMONECOPY_MAP_BUDGET": "0"}),
    "two-domains": (4, {**EAGER, "XENEMU_DOMAINS": "2"}),
}
# Not among all: a known limit makes it hang (tests/mpi/dl_refused_barrier.c).
SPECIAL = {
    "refused": (2, {**EAGER, "VMONECOPY_MAP_BUDGET": "0", "VMONECOPY_GRANT_COPY": "0"}),
}
EVERYTHING = {**MODES, **SPECIAL}
# Every run of these modes has to carry bytes by this counter, or it tests nothing.
COUNTED = {
    "default": "staged_bytes", "eager": "onecopy_bytes", "no-patience": "late_bytes", "staged": "staged_bytes",
    "few-grants": "evicted_buffers", "idle": "late_bytes", "grant-copy": "grant_copy_bytes", "two-domains": "onecopy_bytes",
}
TOTALS = ("onecopy_bytes", "staged_bytes", "late_bytes", "grant_copy_bytes", "refusals", "held_messages", "evicted_buffers", "returned_runs")


class Job:
    """One MPI job over seeds first..last: its digests by range, its counters, and how it ended."""

    def __init__(self, first, last):
        self.first, self.last = first, last
        self.digests, self.counters = {}, {}
        self.messages = self.bytes = 0
        self.failed_seed, self.words = None, []
        self.memory = {}    # seed: KiB of all ranks together
        self.seconds = 0.0


def launcher(mpi, ranks, env):
    if mpi == "mpich":
        line = ["mpiexec.mpich", "-n", str(ranks)]
    else:
        line = ["mpirun.openmpi", "-n", str(ranks), "--oversubscribe", "--bind-to", "none", "--mca", "pml", "ob1",
                "--mca", "btl", "self,vader,tcp"]
    return line + ["env"] + [f"{key}={value}" for key, value in env.items()]


def environment(build, mode):
    env = EVERYTHING[mode][1]
    if env is None:
        return {}
    return {"LD_PRELOAD": os.path.join(build, "libvmonecopy.so"), "VMONECOPY_XEN": "emulated",
            "VMONECOPY_REPORT": "full", "XENEMU_LIMIT": "32768", **env}


def clean_environment(scratch):
    env = {key: value for key, value in os.environ.items() if not re.match(r"VMONECOPY|XENEMU|LD_PRELOAD|PMI", key)}
    env.update(XENEMU_DIR=scratch, TMPDIR=scratch, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
               OMPI_MCA_mpi_yield_when_idle="1")
    return env


def read_output(job, output):
    for line in output.splitlines():
        match = re.match(r"digest (\d+)-(\d+) (\w+) (\d+) messages (\d+) bytes", line)
        if match:
            job.digests[int(match[1]), int(match[2])] = match[3]
            job.messages += int(match[4])
            job.bytes += int(match[5])
        match = re.match(r"memory (\d+) rank \d+ anonymous (\d+) shared (\d+)", line)
        if match:
            job.memory[int(match[1])] = job.memory.get(int(match[1]), 0) + int(match[2]) + int(match[3])
        match = re.match(r"vmonecopy:   (\S+) +(\d+)", line)
        if match:
            job.counters[match[1]] = int(match[2])
        match = re.match(r"random: (FAILED|HANGS|CRASHED): seed (\d+)", line)
        if match and job.failed_seed is None:
            job.failed_seed = int(match[2])


def unwatched(process, scratch, mode):
    """In place of what someone who looks at jobs from outside gives: begins; returns what is called at the job's end."""
    return lambda job: None


def run_job(options, mpi, mode, ranks, first, last):
    job = Job(first, last)
    scratch = tempfile.mkdtemp(prefix="vmo-random-")
    again = f"tests/random/run.py --mpi {mpi} --modes {mode} --ranks {ranks}"
    command = launcher(mpi, ranks, environment(options.build, mode)) + [
        os.path.join(options.build, "tests", mpi, "random"), f"{first}-{last}", "--every", str(EVERY),
        "--seconds", str(options.seconds), "--reproduce", again]
    command += ["--steps", options.steps] if options.steps else []
    command += ["--break", options.break_seed] if options.break_seed else []
    command += ["--verbose"] if options.verbose else []
    began = time.monotonic()
    process = subprocess.Popen(command, env=clean_environment(scratch), stdin=subprocess.DEVNULL, cwd=ROOT,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    watched = options.watch(process, scratch, mode)
    try:
        output, errors = process.communicate(timeout=options.seconds * 2 + last - first)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, errors = process.communicate()
        errors += b"\nrandom: the job did not end\n"
    finally:
        watched(job)
        shutil.rmtree(scratch, ignore_errors=True)
    job.seconds = time.monotonic() - began
    text = (output + b"\n" + errors).decode(errors="replace")
    read_output(job, text)
    if options.verbose:
        print(text, flush=True)
    if process.returncode != 0 or not re.search(r"^ok$", text, re.M):
        job.words = [line for line in text.splitlines() if line.startswith("random:")] or text.splitlines()[-12:]
        if job.failed_seed is None:
            done = max((end for _, end in job.digests), default=first - 1)
            job.failed_seed = min(done + 1, last)
            job.words.append(f"random: no rank said where; after seed {done}; try: {again} --seeds {first}-{last}")
    return job


def run_block(options, mpi, mode, ranks, first, last):
    """Jobs until all seeds of the block have had their turn."""
    jobs = []
    while first <= last:
        job = run_job(options, mpi, mode, ranks, first, last)
        jobs.append(job)
        if not job.words or len(jobs) == options.most_failures:
            break
        first = job.failed_seed + 1
    return jobs


class Row:
    """What one mode of one MPI came to."""

    def __init__(self, mpi, mode, ranks):
        self.mpi, self.mode, self.ranks = mpi, mode, ranks
        self.seeds = self.failures = self.differences = self.messages = self.bytes = 0
        self.seconds = 0.0
        self.counters = {}
        self.note = ""

    def add(self, job):
        self.seconds += job.seconds
        self.messages += job.messages
        self.bytes += job.bytes
        self.seeds += (job.failed_seed if job.words else job.last) - job.first + 1
        for key, value in job.counters.items():
            self.counters[key] = self.counters.get(key, 0) + value
        if job.words:
            self.failures += 1
            print("\n".join(job.words), flush=True)

    def merge(self, other):
        """Adds what other blocks came to."""
        for name in ("seeds", "failures", "differences", "messages", "bytes", "seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for key, value in other.counters.items():
            self.counters[key] = self.counters.get(key, 0) + value

    def verdict(self):
        enough = self.seeds >= 20 and not self.failures and not self.note
        if enough and COUNTED.get(self.mode) and not self.counters.get(COUNTED[self.mode]):
            self.note = f"no {COUNTED[self.mode]}: it tests nothing"
            self.failures += 1
        return "FAILED" if self.failures or self.differences else "passed"


def compare(row, digests, plain):
    """Digests of the same seeds without the library; where one side failed before there is none."""
    common = sorted(set(digests) & set(plain))
    for seeds in common:
        if digests[seeds] != plain[seeds]:
            row.differences += 1
            print(f"random: DIFFERENCE: {row.mpi}, {row.mode}, {row.ranks} ranks, seeds {seeds[0]}-{seeds[1]}: "
                  f"{digests[seeds]}, without the library {plain[seeds]}", flush=True)
    return len(common)


def blocks(first, last, size):
    for begin in range(first, last + 1, size):
        yield begin, min(last, begin + size - 1)


def in_turn(modes, number, rotate):
    """All modes, or where they take turns, so many of them for this block."""
    others = [mode for mode in modes if mode != "plain"]
    if not rotate or rotate >= len(others):
        return modes
    return [others[(number * rotate + i) % len(others)] for i in range(rotate)]


def run_mpi(options, mpi, modes):
    rows, first, last = {}, *options.range
    for number, (begin, end) in enumerate(blocks(first, last, options.block)):
        plain = {}
        for mode in in_turn(modes, number, options.rotate):
            least = EVERYTHING[mode][0]
            ranks = options.ranks[number % len(options.ranks)] if least == 2 or options.fixed else least
            if ranks not in plain:
                plain[ranks] = run_block(options, mpi, "plain", ranks, begin, end)
                row = rows.setdefault("plain", Row(mpi, "plain", ranks))
                for job in plain[ranks]:
                    row.add(job)
            if mode == "plain":
                continue
            row = rows.setdefault(mode, Row(mpi, mode, ranks))
            wanted = {k: v for job in plain[ranks] for k, v in job.digests.items()}
            for job in run_block(options, mpi, mode, ranks, begin, end):
                row.add(job)
                if not compare(row, job.digests, wanted) and not job.words and not any(j.words for j in plain[ranks]):
                    row.differences += 1
                    print(f"random: no digest of seeds {begin}-{end} to compare", flush=True)
        if options.progress:
            print(f"{mpi}: seeds {begin}-{end} done", flush=True)
    return rows


def print_table(rows):
    print(f"{'MPI':<8} {'mode':<12} {'seeds':>6} {'messages':>9} {'MiB':>8} {'one-copy':>9} {'staged':>8} {'late':>8} "
          f"{'refused':>8} {'seconds':>8}  result   (MiB)")
    for row in rows:
        mib = lambda key: f"{row.counters[key] / 2**20:.1f}" if key in row.counters else "-"
        verdict = row.verdict()
        print(f"{row.mpi:<8} {row.mode:<12} {row.seeds:>6} {row.messages:>9} {row.bytes / 2**20:>8.1f} "
              f"{mib('onecopy_bytes'):>9} {mib('staged_bytes'):>8} {mib('late_bytes'):>8} "
              f"{row.counters.get('refusals', '-'):>8} {row.seconds:>8.1f}  {verdict} {row.note}", flush=True)


def seed_range(text):
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", text)
    if not match:
        raise argparse.ArgumentTypeError("FIRST-LAST or one number")
    return int(match[1]), int(match[2] or match[1])


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=seed_range, default=(1, 100), dest="range", metavar="FIRST-LAST")
    parser.add_argument("--mpi", default=",".join(MPIS))
    parser.add_argument("--modes", default="all", help="of " + ", ".join(EVERYTHING) + "; plain always runs")
    parser.add_argument("--ranks", default="", help="ranks, for instance 2, or 2,3 to alternate (default 2,2,3)")
    parser.add_argument("--rotate", type=int, default=0, help="modes take turns: so many for each block of seeds")
    parser.add_argument("--block", type=int, default=500, help="seeds of one job")
    parser.add_argument("--seconds", type=int, default=30, help="a seed that takes longer hangs")
    parser.add_argument("--steps", default="", help="A-B: leave out the messages of all other steps")
    parser.add_argument("--break", default="", dest="break_seed", help="a seed to spoil, to see that it is noticed")
    parser.add_argument("--most-failures", type=int, default=3, help="in one block; then it is given up")
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--progress", action="store_true")
    parser.add_argument("--verbose", action="store_true", help="print the plans and all output")
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    options.fixed = bool(options.ranks)
    options.watch = unwatched
    options.ranks = [int(n) for n in (options.ranks or "2,2,3").split(",")]
    return options


def main():
    options = parse()
    modes = list(MODES) if options.modes == "all" else options.modes.split(",")
    for mode in modes:
        if mode not in EVERYTHING:
            sys.exit(f"no mode {mode}; there are: {', '.join(EVERYTHING)}")
    rows, skipped = [], 0
    began = time.monotonic()
    for mpi in options.mpi.split(","):
        if not shutil.which(launcher(mpi, 2, {})[0]) or not os.path.exists(os.path.join(options.build, "tests", mpi, "random")):
            print(f"skipped: {mpi} or build/tests/{mpi}/random is missing")
            skipped += 1
            continue
        rows += run_mpi(options, mpi, modes).values()
    print_table(rows)
    failed = sum(row.verdict() == "FAILED" for row in rows)
    print(f"{time.monotonic() - began:.0f} s")
    print(f"{len(rows) - failed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
