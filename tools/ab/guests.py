# SPDX-License-Identifier: LGPL-2.1-or-later
"""Path "xen": the two ranks are in two real Xen guests, which tools/xenlab boots for this comparison.

All jobs run in one boot, interleaved as on the other paths; what they printed is judged here afterwards. The CPU is
emulated, so that any machine can do it: the ratios count, the times do not. A plan, the boot and what each job left are
also for other programs than those of --table (tools/targets/kernels_guests.py).
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
PINNING = "one virtual CPU a guest, guest 1 on emulated CPU 0, guest 2 on CPU 1; dom0 on either"


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
           "pinning": PINNING}
    return {**common, **own, "streaming": common["streaming"].replace("(64 MiB at most)",
                                                                      "(16 MiB at most, but not fewer than 4)")}


def rank_words(library, mode):
    """Environment of the ranks, as mpi-run wants it."""
    if not mode.shim:
        return []
    caller = {name: value for name, value in os.environ.items() if name.startswith("VMONECOPY")}
    words = {"LD_PRELOAD": f"/job/{os.path.basename(library)}", "VMONECOPY_REPORT": "full", **SHIM_ENVIRONMENT, **caller}
    return [f"{name}={value}" for name, value in words.items()]


def _command(options, mode, mpi, size):
    arguments = measure.bench_arguments(options, mode, size)
    window = max(4, min(options.window, WINDOW_BYTES // size))
    return [f"./vmobench.{mpi.name}", *arguments, *BENCH_OPTIONS, "--window", str(window)]


def write_plan(path, runs, seconds=JOBS_SECONDS):
    """guests.sh says what the lines mean. runs: (repetition, MPI's name or "none", time limit, environment, command)."""
    last = None
    with open(path, "w", encoding="utf-8") as file:
        print(f"time {LEAST_REPETITIONS} {seconds}", file=file)
        for number, (repetition, mpi_name, limit, environment, command) in enumerate(runs):
            if repetition != last:
                print(f"repetition {repetition + 1}", file=file)
            last = repetition
            print(" ".join(["run", str(number), mpi_name, str(limit), *environment, "--", *command]), file=file)


def library_files(library, mpis):
    """The file to preload, and what it loads for these MPIs."""
    return [library] + [os.path.join(os.path.dirname(library), f"libvmonecopy-{mpi.name}.so") for mpi in mpis]


def boot(folder, files, seconds=BOOT_SECONDS, lab_options=()):
    """One run of xenlab by the plan in folder; its console goes to stderr if that is a terminal. Results are in folder/g1.

    files: what the guests need, as HOSTPATH or HOSTPATH:GUESTPATH."""
    command = [XENLAB, "run", "--guests", "2", "--gntalloc-limit", str(LIMIT_PAGES), "--timeout", str(seconds), "--out", folder,
               *lab_options, *[word for name in [f"{folder}/plan:/job/plan", *files] for word in ("--file", name)], JOB]
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


def guest(folder):
    """What guest 1 is: {"kernel": ..., "xen": ...}."""
    return dict(line.split(" ", 1) for line in _read(folder, "guest").splitlines())


def result(folder, number):
    """(how the job with this number ended, how many tries of it had failed before)."""
    code, failed = map(int, _read(folder, f"{number}.end").split())
    return Finished(code, _read(folder, f"{number}.out"), _read(folder, f"{number}.err"), code == 124, False), failed


def completed(folder, repetitions, wanted, notes):
    """How many repetitions came to their end; repetitions: of each job, in the plan's order."""
    complete = wanted
    for number, repetition in enumerate(repetitions):
        if not os.path.exists(os.path.join(folder, "g1", f"{number}.end")):
            complete = min(complete, repetition)
    if complete < wanted:
        notes.append(f"{complete} of {wanted} repetitions: the time was used up")
    if not complete:
        raise CannotRun("the guests did not complete one repetition: give a quieter machine, or less to measure")
    return complete


def _judge(folder, number, options, what, mode, notes):
    """({test: line}, counters) of one job."""
    done, failed = result(folder, number)
    lines, fault = measure.judge(done, what[2], options.limit)
    text = f"{what[0]}, {what[1]}, {what[2]} bytes"
    if fault:
        raise (WrongResult if mode.shim else CannotRun)(f"{text}: failed twice: {fault}")
    if failed:
        notes.append(f"retried: {text}: the first try did not end well (TCP between guests can stall on a busy machine)")
    return lines, {name: int(value) for name, value in measure.COUNTER.findall(done.stderr)}


def _take(folder, options, jobs, notes):
    """Samples of all repetitions that were completed."""
    samples, complete = {}, completed(folder, [job[0] for job in jobs], options.reps, notes)
    for number, (repetition, mode, mpi, size) in enumerate(jobs):
        if repetition < complete:
            lines, counters = _judge(folder, number, options, (mpi.name, mode.name, size), mode, notes)
            key = (mode.name, mpi.name if mode.mpi else measure.ALL_MPIS, size)
            samples.setdefault(key, measure.Samples()).add(lines, counters)
    return samples, complete


def measured(options, path, mpis, chosen):
    """Boots, runs all jobs, judges them. Returns (samples, notes); sets path.guest and path.repetitions."""
    jobs, notes = list(measure.plan_of_repetitions(options, mpis, chosen)), []
    runs = [(repetition, mpi.name if mode.mpi else "none", options.limit, rank_words(options.library, mode),
             _command(options, mode, mpi, size)) for repetition, mode, mpi, size in jobs]
    files = [f"{bench_command(options.build, mpi.name, ())[0]}:/job/vmobench.{mpi.name}" for mpi in mpis]
    with tempfile.TemporaryDirectory(prefix="vmo-ab-xen-") as folder:
        write_plan(os.path.join(folder, "plan"), runs)
        boot(folder, files + library_files(options.library, mpis))
        path.guest = guest(folder)
        samples, path.repetitions = _take(folder, options, jobs, notes)
    return samples, notes
