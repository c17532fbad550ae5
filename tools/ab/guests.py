# SPDX-License-Identifier: LGPL-2.1-or-later
"""Path "xen": the two ranks are in two real Xen guests, which tools/xenlab boots for this comparison.

All jobs run in one boot, interleaved as on the other paths; what they printed is judged here afterwards. The CPU is
emulated, so that any machine can do it: the ratios count, the times do not.
"""
import os
import subprocess
import sys
import tempfile

from . import CannotRun, WrongResult, measure
from .jobs import Finished
from .modes import bench_command

XENLAB = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "xenlab", "xenlab")
JOB = os.path.join(os.path.dirname(os.path.realpath(__file__)), "guests.sh")
LEAST_REPETITIONS = 2
JOBS_SECONDS = 380          # repetitions that would pass this are left out
BOOT_SECONDS = 1200         # to the end, however busy the machine is
LIMIT_PAGES = 16384         # gntalloc's default of 1024 pages holds no window of large messages
# Fewer and shorter than on a real CPU; substitution at the second send, so that warming up is short too; and patience
# to the measure of a CPU on which one small message takes as long as the default allows for a large one.
BENCH_OPTIONS = ("--batches", "3", "--min-iterations", "8")
WINDOW_BYTES = 16 << 20
SHIM_ENVIRONMENT = {"VMONECOPY_ADMISSION": "2", "VMONECOPY_PATIENCE_US": "1000000"}


class Guests:
    """Describes the path; the machine is booted by `measured`."""

    name = "xen"
    meaning = "two PV guests of one Xen, one rank in each; TCP over netfront, dom0's bridge and netfront"
    emulated = False
    notes = ("Xen 4.17 on an emulated CPU: ratios, not times",
             f"gntalloc's limit is {LIMIT_PAGES} pages; one-copy runs with "
             + " ".join(f"{name}={value}" for name, value in SHIM_ENVIRONMENT.items()))
    directory = None
    guest = {}
    repetitions = 0


def conditions(common, path, options):
    """Those of the other paths, but for what the guests have of their own."""
    own = {"machine": f"QEMU TCG on {common['machine']}",
           "kernel": f"guests: {path.guest.get('kernel', '?')}; Xen {path.guest.get('xen', '?')}",
           "repetitions": f"{path.repetitions}, modes interleaved in one boot; at least {options.ms} ms and 8 messages each",
           "pinning": "one virtual CPU a guest, guest 1 on emulated CPU 0, guest 2 on CPU 1; dom0 on either"}
    return {**common, **own, "streaming": common["streaming"].replace("(64 MiB at most)",
                                                                      "(16 MiB at most, but not fewer than 4)")}


def _rank_words(options, mode):
    """Environment of the ranks, as mpi-run wants it."""
    if not mode.shim:
        return []
    caller = {name: value for name, value in os.environ.items() if name.startswith("VMONECOPY")}
    library = f"/job/{os.path.basename(options.library)}"
    words = {"LD_PRELOAD": library, "VMONECOPY_REPORT": "full", **SHIM_ENVIRONMENT, **caller}
    return [f"{name}={value}" for name, value in words.items()]


def _command(options, mode, mpi, size):
    arguments = measure.bench_arguments(options, mode, size)
    window = max(4, min(options.window, WINDOW_BYTES // size))
    return [f"./vmobench.{mpi.name}", *arguments, *BENCH_OPTIONS, "--window", str(window)]


def write_plan(file, options, jobs):
    """guests.sh says what the lines mean."""
    print(f"time {LEAST_REPETITIONS} {JOBS_SECONDS}", file=file)
    for number, (repetition, mode, mpi, size) in enumerate(jobs):
        if number == 0 or jobs[number - 1][0] != repetition:
            print(f"repetition {repetition + 1}", file=file)
        words = ["run", str(number), mpi.name if mode.mpi else "none", str(options.limit), *_rank_words(options, mode), "--",
                 *_command(options, mode, mpi, size)]
        print(" ".join(words), file=file)


def _files(options, mpis):
    """Options of xenlab that bring the programs and the library."""
    names = [f"{bench_command(options.build, mpi.name, ())[0]}:/job/vmobench.{mpi.name}" for mpi in mpis]
    names += [options.library] + [os.path.join(os.path.dirname(options.library), f"libvmonecopy-{mpi.name}.so")
                                  for mpi in mpis]
    return [word for name in names for word in ("--file", name)]


def boot(folder, options, mpis, plan):
    """One run of xenlab; its console goes to stderr if that is a terminal. Results are in folder/g1."""
    command = [XENLAB, "run", "--guests", "2", "--gntalloc-limit", str(LIMIT_PAGES), "--timeout", str(BOOT_SECONDS),
               "--out", folder, "--file", f"{plan}:/job/plan", *_files(options, mpis), JOB]
    with open(os.path.join(folder, "xenlab.log"), "w+", encoding="utf-8") as log:
        to = sys.stderr if sys.stderr.isatty() else log
        status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=to, stderr=to, check=False).returncode
        log.seek(0)
        said = "".join(log.readlines()[-15:])
    if status == 2 or not os.path.exists(os.path.join(folder, "g1", "guest")):
        raise CannotRun(f"no measurement on Xen (status {status}): {said.strip()}")


def _read(folder, name):
    with open(os.path.join(folder, "g1", name), encoding="utf-8", errors="replace") as file:
        return file.read()


def _judge(folder, number, options, what, mode, notes):
    """({test: line}, counters) of one job."""
    code, failed = map(int, _read(folder, f"{number}.end").split())
    done = Finished(code, _read(folder, f"{number}.out"), _read(folder, f"{number}.err"), code == 124, False)
    lines, fault = measure.judge(done, what[2], options.limit)
    text = f"{what[0]}, {what[1]}, {what[2]} bytes"
    if fault:
        raise (WrongResult if mode.shim else CannotRun)(f"{text}: failed twice: {fault}")
    if failed:
        notes.append(f"retried: {text}: the first try did not end well (TCP between guests can stall on a busy machine)")
    return lines, {name: int(value) for name, value in measure.COUNTER.findall(done.stderr)}


def _take(folder, options, jobs, notes):
    """Samples of all repetitions that were completed."""
    samples, complete = {}, options.reps
    for number, (repetition, *_) in enumerate(jobs):
        if not os.path.exists(os.path.join(folder, "g1", f"{number}.end")):
            complete = min(complete, repetition)
    if complete < options.reps:
        notes.append(f"{complete} of {options.reps} repetitions: the time was used up")
    if not complete:
        raise CannotRun("the guests did not complete one repetition: give a quieter machine, or fewer --sizes")
    for number, (repetition, mode, mpi, size) in enumerate(jobs):
        if repetition < complete:
            lines, counters = _judge(folder, number, options, (mpi.name, mode.name, size), mode, notes)
            key = (mode.name, mpi.name if mode.mpi else measure.ALL_MPIS, size)
            samples.setdefault(key, measure.Samples()).add(lines, counters)
    return samples, complete


def measured(options, path, mpis, chosen):
    """Boots, runs all jobs, judges them. Returns (samples, notes); sets path.guest and path.repetitions."""
    jobs, notes = list(measure.plan_of_repetitions(options, mpis, chosen)), []
    with tempfile.TemporaryDirectory(prefix="vmo-ab-xen-") as folder:
        plan = os.path.join(folder, "plan")
        with open(plan, "w", encoding="utf-8") as file:
            write_plan(file, options, jobs)
        boot(folder, options, mpis, plan)
        path.guest = dict(line.split(" ", 1) for line in _read(folder, "guest").splitlines())
        samples, path.repetitions = _take(folder, options, jobs, notes)
    return samples, notes
