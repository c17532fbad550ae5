#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Random programs, faults and deaths for an hour: nothing differs, nothing hangs, and nothing grows.

    tests/soak/run.py                                   `make soak`: seeds 1-10000, 200 deaths, 400 faults
    tests/soak/run.py --seeds 1-500 --deaths 4 --faults 8 --mpi mpich

It goes in rounds, one for each block of seeds. A round is
  1 that block under each MPI, without the library and in two of its modes, which take turns (tests/random/run.py);
  2 some jobs one of whose ranks is killed amid a transfer (tests/deaths/run.py);
  3 some random programs in which a place that can fail fails: point, visit and MPI are drawn (tests/faults/run.py).

While the jobs of 1 run, what they hold of the emulated Xen is sampled; each rank prints what it has resident. At the end
  - what was received is what is received without the library, and no job hung, was wrong or left anything;
  - memory and grants are flat, with VMONECOPY_IDLE_MS=200: what a job's ranks have resident, and what they granted, is in
    the last third of its seeds no more than in the second third and a little (watch.py); in the first third pools grow
    to what is needed;
  - /dev/shm, its own where a mount namespace can be had, holds no new name but those that MPIs leave of the killed.

Exit status: 0 all so; 1 not; 77 no MPI or nothing built.
"""
import argparse
import importlib.util
import os
import random
import re
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from watch import Steady, Watch  # noqa: E402 (needs the path above)

SLACK_KIB = 4096    # of both ranks: a run of the pool that comes late is 1 MiB in each of two processes
VISITS = ("1", "2", "3", "5", "8", "13", "1+")
SKIP = 77
# A job ends within a minute. What it held longer than it needs goes back after a few periods of this: of a fifth of a second,
# not of ten as by default, so that it shows in so short a time what becomes of grants in a long one.
IDLE_MS = "200"


def module(folder):
    """tests/FOLDER/run.py as a module of that name."""
    spec = importlib.util.spec_from_file_location(folder, os.path.join(ROOT, "tests", folder, "run.py"))
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


programs, deaths, faults = module("random"), module("deaths"), module("faults")
for _, settings in programs.MODES.values():
    if settings is not None:
        settings.setdefault("VMONECOPY_IDLE_MS", IDLE_MS)


class Soak:
    """What all rounds came to."""

    def __init__(self, options):
        self.options = options
        self.steady = {}    # (MPI, mode): Steady
        self.rows = {}      # (MPI, mode): row of the table of random programs
        self.deaths = self.clean = 0
        self.outcomes = dict.fromkeys(faults.OUTCOMES, 0)
        self.problems = []
        self.reference = deaths.Reference(options.build)
        self.right = {}     # (MPI, program): what it gives without a fault

    # --- 1

    def watcher(self, mpi):
        """For tests/random/run.py: looks at each job, and keeps what it saw in the job's place of the table."""
        def begin(process, scratch, mode):
            watch = Watch(self.options.build, process, scratch)

            def end(job):
                watch.end(job)
                self.watched.append((mpi, mode, job))
            return end
        return begin

    def random_programs(self, number, first, last):
        o = self.options
        for mpi in o.mpi:
            self.watched = []
            settings = argparse.Namespace(
                build=o.build, seconds=o.seconds, steps="", break_seed=o.break_seed, verbose=False, block=last - first + 1,
                most_failures=3, ranks=[(2, 2, 3)[number % 3]], fixed=False, range=(first, last), progress=False,
                watch=self.watcher(mpi), rotate=0)
            others = [mode for mode in programs.MODES if mode != "plain"]
            modes = programs.in_turn(others, number, o.modes)
            for mode, row in programs.run_mpi(settings, mpi, ["plain"] + modes).items():
                if (mpi, mode) in self.rows:
                    self.rows[mpi, mode].merge(row)
                else:
                    self.rows[mpi, mode] = row
            for mpi_, mode, job in self.watched:
                self.steady.setdefault((mpi_, mode), Steady()).add(job)

    # --- 2

    def kill_some(self, number):
        o = self.options
        for i in range(number * o.deaths // o.rounds, (number + 1) * o.deaths // o.rounds):
            death = deaths.Death(o.first + i, o.mpi)
            found = deaths.one(death, o.build, self.reference, o.private)
            self.deaths += 1
            self.clean += not found
            if found:
                self.say(f"death {death}", found)

    # --- 3

    def fail_some(self, number):
        o = self.options
        listed = faults.points()
        settings = argparse.Namespace(build=o.build, seconds=o.seconds, break_seed="", verbose=False)
        for i in range(number * o.faults // o.rounds, (number + 1) * o.faults // o.rounds):
            draw = random.Random(o.first * 1000003 + i)
            name, error = draw.choice(listed)
            c = faults.Combination(name, error, draw.choice(VISITS), draw.choice(o.mpi), draw.randrange(3))
            if not os.path.exists(os.path.join(o.build, "tests", c.mpi, faults.PROGRAMS[c.program][1] or "random")):
                self.say(f"fault {c.name()}", ["its program is not built"])
                continue
            key = c.mpi, c.program
            if key not in self.right:
                self.right[key] = faults.Reference(settings, *key)
            faults.execute(settings, c, self.right[key])
            self.outcomes[c.outcome] += 1
            if c.outcome in faults.BAD:
                self.say(f"fault {c.name()}: {c.outcome}", c.words)

    def say(self, what, lines):
        self.problems.append(what)
        print(f"FAILED: {what}", *lines, sep="\n    ", flush=True)

    # --- the end

    def judge_steady(self):
        """Grown jobs, and what is left, as problems; and the table."""
        print(f"\n{'MPI':<8} {'mode':<12} {'jobs':>5} {'MiB, second third':>18} {'last third':>11} "
              f"{'grants, second':>15} {'last third':>11} {'left':>5}")
        for (mpi, mode), s in sorted(self.steady.items()):
            print(f"{mpi:<8} {mode:<12} {s.jobs:>5} {s.kib[0] / 1024:>18.1f} {s.kib[1] / 1024:>11.1f} "
                  f"{s.grants[0]:>15} {s.grants[1]:>11} {s.left:>5}", flush=True)
            self.problems += [f"{mpi}, {mode}: {words}" for words in s.grown(SLACK_KIB)]
            if s.left:
                self.problems.append(f"{mpi}, {mode}: {s.left} registries of the emulated Xen are left")

    def judge_shm(self, before):
        known = [p.replace("HOST", re.escape(os.uname().nodename)).replace("UID", str(os.getuid()))
                 for mpi in self.options.mpi for p in deaths.LEFT_BY_MPI[mpi]]
        left = [name for name in deaths.shm() - before if not any(re.fullmatch(p, name) for p in known)]
        usual = len(deaths.shm() - before) - len(left)
        print(f"left in /dev/shm: {len(left)} names, and {usual} that the MPIs leave of killed ranks")
        if left:
            self.problems.append(f"left in /dev/shm: {' '.join(sorted(left))}")

    def verdict(self, before, seconds):
        print()
        programs.print_table(self.rows.values())
        for row in self.rows.values():
            if row.verdict() == "FAILED":
                self.problems.append(f"{row.mpi}, {row.mode}: {row.failures} failures, {row.differences} differences {row.note}")
        self.judge_steady()
        print(f"\n{self.clean} of {self.deaths} deaths clean; {sum(self.outcomes.values())} faults: " +
              ", ".join(f"{count} {outcome}" for outcome, count in self.outcomes.items()))
        self.judge_shm(before)
        if self.outcomes["right"] == 0 and self.options.faults >= 10:
            self.problems.append("no fault was ever reached")
        for problem in self.problems:
            print(f"not so: {problem}")
        checks = len(self.rows) + len(self.steady) + self.deaths + sum(self.outcomes.values()) + 1
        print(f"{seconds / 60:.0f} min, EMULATED Xen\n{checks - len(self.problems)} passed, {len(self.problems)} failed, 0 skipped")
        return 1 if self.problems else 0


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=programs.seed_range, default=(1, 10000), metavar="FIRST-LAST")
    parser.add_argument("--block", type=int, default=2500, help="seeds of one job, and of one round")
    parser.add_argument("--modes", type=int, default=2, help="of the library, for each block")
    parser.add_argument("--deaths", type=int, default=200, help="in all rounds together")
    parser.add_argument("--faults", type=int, default=400, help="in all rounds together")
    parser.add_argument("--mpi", default=",".join(programs.MPIS))
    parser.add_argument("--seconds", type=int, default=30, help="a seed that takes longer hangs")
    parser.add_argument("--break", default="", dest="break_seed", help="a seed to spoil, to see that it is noticed")
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--private", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    needed = ["tests/deaths/registry", "faults/libvmonecopy.so"]
    options.mpi = [mpi for mpi in options.mpi.split(",") if deaths.shutil.which(deaths.launcher(mpi, "none")[0]) and all(
        os.path.exists(os.path.join(options.build, name)) for name in needed + [f"tests/{mpi}/random", f"tests/{mpi}/death"])]
    options.first = options.seeds[0]
    options.rounds = len(list(programs.blocks(*options.seeds, options.block)))
    return options


def with_own_shm(options):
    """Begins anew with a /dev/shm of its own, where that is allowed."""
    if options.private:
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/dev/shm"], check=True)
    elif deaths.unsharing():
        line = deaths.unsharing() + [sys.executable, os.path.abspath(__file__), *sys.argv[1:], "--private"]
        os.execvp(line[0], line)
    else:
        print("no new mount namespace here: what others leave in /dev/shm meanwhile counts too")


def main():
    options = parse()
    if not options.mpi:
        print("skipped: no MPI, or not built: make soak builds it")
        return SKIP
    with_own_shm(options)
    began, before = time.monotonic(), deaths.shm()
    soak = Soak(options)
    for number, (first, last) in enumerate(programs.blocks(*options.seeds, options.block)):
        soak.random_programs(number, first, last)
        soak.kill_some(number)
        soak.fail_some(number)
        print(f"{(time.monotonic() - began) / 60:.0f} min: seeds to {last}, {soak.clean} of {soak.deaths} deaths clean, "
              f"{sum(soak.outcomes.values())} faults, {len(soak.problems)} problems", flush=True)
    return soak.verdict(before, time.monotonic() - began)


if __name__ == "__main__":
    sys.exit(main())
