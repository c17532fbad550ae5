#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Faults on purpose: each place that can fail (shim/faults.def) fails at its n-th visit, and the job comes out right.

    tests/faults/run.py                                     all points, both MPIs: `make faults`
    tests/faults/run.py --only 'grant|map' --n 1,2,1+ --mpi mpich --verbose

A combination is a point, an n (3: the third visit fails; 1+: all do), an MPI, and the ranks in which it fails: one,
the other or both in turn. Its job is a random program of tests/random with settings in which the point is come to, or
a test of tests/mpi that comes to it. Outcomes:

    right        what all ranks received is what they receive without the library (or the test says so itself)
    not reached  right, but the fault never came: nothing is known
    error        the job ended with MPI's own error for want of memory
    WRONG        other data, or an error of another kind
    HANG         no end, in a second run with four times the time either
    CRASH        ended by a signal, or without a word
    LEAK         right, but grants, mappings or ports were never given back, or the emulated Xen's registry is left

No combination may be of the last four. A job without a fault first counts the visits of each rank, which chooses the
rank; where none comes to a point so often, the combination is `not reached` without a job of its own.
"""

import argparse
import concurrent.futures
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "tests", "random"))
import run as random_programs  # noqa: E402

BAD = ("WRONG", "HANG", "CRASH", "LEAK")
OUTCOMES = ("right", "not reached", "error") + BAD

EAGER = random_programs.EAGER
LATE = {**EAGER, "VMONECOPY_PATIENCE_US": "0"}
# name: environment, program (None: random), its arguments or seeds
PROGRAMS = {
    "eager": (EAGER, None, "1-20"),
    "late": (LATE, None, "1-20"),
    "few-grants": ({**LATE, "VMONECOPY_GRANT_BUDGET": "400K", "VMONECOPY_RUN": "64K"}, None, "1-20"),
    "grant-copy": ({**EAGER, "VMONECOPY_MAP_BUDGET": "0"}, None, "1-20"),
    "measured": ({**EAGER, "VMONECOPY_ADMISSION": "0"}, None, "1-8"),
    # tests of tests/mpi, which say themselves whether all is right
    "datatypes": ({**EAGER, "VMONECOPY_MAP_BUDGET": "0", "VMONECOPY_GRANT_COPY": "0"}, "datatypes", ""),
    "with-gaps": (EAGER, "spaced", ""),
    "parts": ({**EAGER, "VMONECOPY_MAP_BUDGET": "0"}, "part_of_element", ""),
    "windows": (EAGER, "same_buffer", ""),
    "reductions": (EAGER, "coll_reduce", ""),
    "pairs": (EAGER, "isendrecv", ""),
    "options": (EAGER, None, "1-8"),		# that differ between the ranks
    "forks": ({**LATE, "VMONECOPY_GRANT_BUDGET": "400K", "VMONECOPY_RUN": "64K"}, "forked", ""),
}
# Points that the first program does not come to.
PROGRAM_OF = {
    "copy": "grant-copy", "copy_status": "grant-copy", "bounce": "grant-copy", "spaced_copy": "grant-copy",
    "swap_memory": "few-grants", "swap_settle": "few-grants", "swap_move": "few-grants",
    "swap_move_lost": "few-grants", "assoc_cut": "late", "admission_memory": "measured",
    "unpack_whole": "parts", "part_of_element": "parts",
    "refused_whole": "datatypes", "refused_copy": "datatypes", "port_notify": "with-gaps",
    "port_wait": "with-gaps", "batch": "windows", "coll_scratch": "reductions", "words": "options", "pair": "pairs",
    "mend_memory": "forks", "fork_socket": "forks",
}
# A few for each floor, for the short test.
QUICK = ("grant", "map", "copy", "place_lost", "swap_memory", "hello", "slot", "type_facts", "comm_ranks", "held")


def points():
    with open(os.path.join(ROOT, "shim", "faults.def"), encoding="utf-8") as text:
        return re.findall(r"^X\((\w+), *(\w+),", text.read(), re.M)


class Combination:
    def __init__(self, point, error, n, mpi, number):
        self.point, self.error, self.n, self.mpi = point, error, n, mpi
        self.program = PROGRAM_OF.get(point, "eager")
        self.where = (("0",), ("1",), ("0", "1"))[number % 3]
        self.outcome, self.words, self.seconds, self.fired = None, [], 0.0, 0

    def name(self):
        return f"{self.point}:{self.n} {self.mpi}, {self.program}, in rank {' and '.join(self.where)}"


class Result:
    """One job: how it ended, and what its ranks told at their ends."""

    def __init__(self, code, text, left):
        self.code, self.text, self.left = code, text, left
        self.visits, self.fired, self.held = {}, 0, {}
        for rank, point, visits, fired in re.findall(
                r"vmonecopy fault\[(\w+)\]: point (\w+) visits (\d+) fired (\d+)", text):
            self.visits[point, rank] = int(visits)
            self.fired += int(fired)
        self.fired = self.fired or len(re.findall(r"vmonecopy fault\[\w+\]: \w+ fails at visit", text))
        for rank, numbers in re.findall(r"vmonecopy fault\[(\w+)\]: left (.*)", text):
            self.held[rank] = numbers
        self.digests = re.findall(r"^digest .*", text, re.M)


def command(options, mpi, program, faults, plain):
    """Both ranks' programs, each with an environment of its own."""
    env, name, arguments = PROGRAMS[program]
    line = []
    for rank in ("0", "1"):
        variables = {} if plain else {
            "LD_PRELOAD": os.path.join(options.build, "faults", "libvmonecopy.so"), "VMONECOPY_XEN": "emulated",
            "VMONECOPY_REPORT": "full", "XENEMU_LIMIT": "32768", "VMONECOPY_FAULT": faults.get(rank, "count"), **env}
        if program == "options" and rank == "1":
            variables["VMONECOPY_IDLE_MS"] = "9999"
        line += ([":", "-n", "1", "env"] + [f"{k}={v}" for k, v in variables.items()] if line
                 else random_programs.launcher(mpi, 1, variables))
        line.append(os.path.join(options.build, "tests", mpi, name or "random"))
        if name:
            line += arguments.split()
        else:
            line += [arguments, "--every", "100", "--seconds", str(options.seconds)]	# of one seed
            line += ["--break", options.break_seed] if options.break_seed and faults else []
    return line


def run_job(options, mpi, program, faults, seconds, plain=False):
    """The Result; its code is None if the job did not end."""
    scratch = tempfile.mkdtemp(prefix="vmo-faults-")
    registry = os.path.join(scratch, "xen")	# in place of /dev/shm: all that the library could leave there
    os.mkdir(registry)
    env = random_programs.clean_environment(scratch)
    env["XENEMU_DIR"] = registry
    process = subprocess.Popen(command(options, mpi, program, faults, plain), env=env, stdin=subprocess.DEVNULL, cwd=ROOT,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        output = process.communicate(timeout=seconds)[0]
        return Result(process.returncode, output.decode(errors="replace"), os.listdir(registry))
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return Result(None, process.communicate()[0].decode(errors="replace"), [])
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def want_of_memory(text, random):
    """All that the program complains of is an error of MPI's for want of memory."""
    if not random:	# MPI ends it
        return re.search(r"MPI_ERR_NO_MEM: out of memory|Unable to allocate memory", text)
    words = re.findall(r"random: FAILED.*\nrandom:   (.*)", text)
    return words and all(re.fullmatch(r"error from MPI: (MPI_ERR_NO_MEM: out of memory|Unable to allocate memory .*)", w)
                         for w in words)


def hangs(result):
    return result.code is None or "random: HANGS" in result.text


def judge(result, expected, fault_free=False):
    """expected: digests; none for a test, which says itself what it thinks."""
    if hangs(result):
        return "HANG"
    ended = result.code == 0 and (result.digests == expected if expected else True)
    if result.code < 0 or re.search(r"signal|Segmentation|KILLED BY|CRASHED|Bus error", result.text):
        return "CRASH"
    if not ended:
        return "error" if result.fired and want_of_memory(result.text, expected) else "WRONG"
    if len(result.held) != 2:
        return "CRASH"
    if result.left or any(re.search(r"[1-9]", numbers) for numbers in result.held.values()):
        return "LEAK"
    return "right" if result.fired or fault_free else "not reached"


class Reference:
    """What a program gives without the library, and how often its ranks come to each point without a fault."""

    def __init__(self, options, mpi, program):
        self.digests = []
        if not PROGRAMS[program][1]:
            plain = run_job(options, mpi, program, {}, options.seconds * 4, plain=True)
            if plain.code != 0:
                sys.exit(f"{mpi}, {program}: the program fails without the library:\n{plain.text}")
            self.digests = plain.digests
        counted = run_job(options, mpi, program, {}, options.seconds * 4)
        self.visits = counted.visits
        verdict = judge(counted, self.digests, fault_free=True)
        if verdict != "right":
            sys.exit(f"{mpi}, {program}: without a fault: {verdict}\n{counted.text}")

    def reached(self, point, rank):
        return self.visits.get((point, rank), 0)


def least(n):
    return int(n.rstrip("+"))


def choose_ranks(c, reference):
    """Ranks that come to the point so often; those of its turn, if they do."""
    able = tuple(r for r in ("0", "1") if reference.reached(c.point, r) >= least(c.n))
    c.where = tuple(r for r in c.where if r in able) or able


def execute(options, c, reference):
    choose_ranks(c, reference)
    if not c.where:
        c.outcome = "not reached"
        return c
    faults = {rank: f"{c.point}:{c.n}" for rank in c.where}
    began = time.monotonic()
    result = run_job(options, c.mpi, c.program, faults, options.seconds)
    if hangs(result):	# machines are noisy
        result = run_job(options, c.mpi, c.program, faults, options.seconds * 4)
    for _ in range(3):	# a launcher may lose the last words of an abort
        if (result.code or 0) > 0 and not re.search(r"random: |rank \d+: tests/|MPI_ERR|llocate memory|signal", result.text):
            result = run_job(options, c.mpi, c.program, faults, options.seconds * 4)
    c.seconds = time.monotonic() - began
    c.outcome = judge(result, reference.digests)
    c.fired, text = result.fired, result.text
    if c.outcome in BAD or options.verbose:
        words = [line for line in text.splitlines() if options.verbose or not re.search(r"fault\[.*: point |^vmonecopy:   ", line)]
        c.words = words[-25:] + ([f"left in the registry's directory: {result.left}"] if result.left else [])
    return c


def make_combinations(options):
    listed = points()
    names = [name for name, _ in listed]
    for name in list(PROGRAM_OF) + list(QUICK):
        if name not in names:
            sys.exit(f"faults.def has no point {name}")
    chosen = [(name, error) for name, error in listed if re.fullmatch(options.only or ".*", name)]
    if options.quick:
        chosen = [(name, error) for name, error in chosen if name in QUICK]
    if not chosen:
        sys.exit(f"no point {options.only}; there are: {', '.join(names)}")
    made = []
    for k, (name, error) in enumerate(chosen):
        for i, n in enumerate(options.n):
            mpis = [options.mpi[(k + i) % len(options.mpi)]] if options.quick else options.mpi
            made += [Combination(name, error, n, mpi, k + i) for mpi in mpis]
    for mpi, program in dict.fromkeys((c.mpi, c.program) for c in made):
        if options.lacks(mpi, program):
            sys.exit(f"not built: {PROGRAMS[program][1]} for {mpi}")
    return made


def print_table(options, done):
    cell = {(c.point, c.mpi, c.n): "-" if c.outcome == "not reached" else c.outcome for c in done}
    print(f"\n{'point':<17} {'MPI':<8} {'program':<12} " + " ".join(f"{'n=' + n:<6}" for n in options.n) + "  (-: not reached)")
    for point, mpi, program in dict.fromkeys((c.point, c.mpi, c.program) for c in done):
        print(f"{point:<17} {mpi:<8} {program:<12} " +
              " ".join(f"{cell.get((point, mpi, n), ''):<6}" for n in options.n), flush=True)


def summary(done):
    counts = {outcome: sum(c.outcome == outcome for c in done) for outcome in OUTCOMES}
    never = sorted({c.point for c in done} - {c.point for c in done if c.outcome != "not reached"})
    if never:
        print(f"never reached: {', '.join(never)}")
    print(f"{len(done)} combinations: {counts['right']} right, {counts['not reached']} not reached, "
          f"{counts['error']} MPI's own error, {counts['WRONG']} wrong, {counts['HANG']} hangs, {counts['CRASH']} crashes, "
          f"{counts['LEAK']} leaks")
    return counts, never


def write_json(path, options, done, counts, never, seconds):
    with open(path, "w", encoding="utf-8") as out:
        json.dump({"combinations": [vars(c) for c in done], "counts": counts, "never_reached": never, "n": options.n,
                   "mpi": options.mpi, "seconds": round(seconds, 1), "xen": "EMULATED"}, out, indent=1)
        out.write("\n")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="regular expression on the points' names")
    parser.add_argument("--n", default="1,2,3,5,8,1+", help="visits that fail (default 1,2,3,5,8,1+)")
    parser.add_argument("--mpi", default=",".join(random_programs.MPIS))
    parser.add_argument("--jobs", type=int, default=1, help="so many at a time")
    parser.add_argument("--seconds", type=int, default=30, help="a job that takes longer hangs, if it does so twice")
    parser.add_argument("--json", default="", metavar="FILE")
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--quick", action="store_true", help="a few points, the MPIs in turn")
    parser.add_argument("--break", default="", dest="break_seed", help="a seed to spoil, to see that it is noticed")
    parser.add_argument("--verbose", action="store_true", help="print all output")
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    options.n = options.n.split(",")
    options.mpi = [mpi for mpi in options.mpi.split(",")
                   if shutil.which(random_programs.launcher(mpi, 1, {})[0]) and
                   os.path.exists(os.path.join(options.build, "tests", mpi, "random"))]
    options.lacks = lambda mpi, program: not os.path.exists(
        os.path.join(options.build, "tests", mpi, PROGRAMS[program][1] or "random"))
    if not options.mpi or not os.path.exists(os.path.join(options.build, "faults", "libvmonecopy.so")):
        print("skipped: no MPI, or not built: make faults-build test-programs")
        sys.exit(77)
    return options


def main():
    options = parse()
    began = time.monotonic()
    combinations = make_combinations(options)
    references = {key: Reference(options, *key) for key in dict.fromkeys((c.mpi, c.program) for c in combinations)}
    done = []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        waiting = [pool.submit(execute, options, c, references[c.mpi, c.program]) for c in combinations]
        for future in concurrent.futures.as_completed(waiting):
            c = future.result()
            done.append(c)
            if c.words:
                print(f"{c.outcome}: {c.name()}\n    | " + "\n    | ".join(c.words), flush=True)
            if len(done) % 100 == 0:
                print(f"{len(done)} of {len(combinations)} combinations done", flush=True)
    done.sort(key=combinations.index)
    print_table(options, done)
    counts, never = summary(done)
    if options.json:
        write_json(options.json, options, done, counts, never, time.monotonic() - began)
    return 1 if any(counts[outcome] for outcome in BAD) else 0


if __name__ == "__main__":
    sys.exit(main())
