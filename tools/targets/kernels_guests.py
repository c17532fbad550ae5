# SPDX-License-Identifier: LGPL-2.1-or-later
"""The same kernels between two guests of a real Xen: `make xen-kernels`.

All jobs run in one boot of tools/xenlab, with and without the library by turns (tools/ab/guests.py); what they printed is
judged afterwards. The CPU is emulated: the ratios count, the times do not.
"""
import os
import tempfile

from ab import CannotRun, WrongResult, guests, measure

from . import kernels
from .jobs import MODES, parse

JOBS_SECONDS = 900          # turns after the second that would pass this are left out
BOOT_SECONDS = 3000         # to the end, however busy the machine is
JOB_SECONDS = 120
LAB_OPTIONS = ("--mem", "384")
BENCH_OPTIONS = ("--ms", "100", "--batches", "3")
SETTINGS = "mpi-run --{mpi} -n 2 -ppn 1 PROGRAM (tools/xenlab/guest/mpi-run)"


def settings_of(mpis):
    """How each MPI is started in the guests, without the library."""
    return {f"{mpi.name}, tcp": SETTINGS.format(mpi=mpi.name) for mpi in mpis}


def plan_of(bench):
    """(turn, MPI, kernel, language, mode) of each job, in order."""
    return [(turn, mpi, kernel, language, mode) for turn in range(1 if bench.tiny else kernels.TURNS) for mpi in bench.mpis
            for kernel, language in kernels.cells() for mode in kernels.order(turn)]


def _run_of(bench, job):
    """The job's line of the plan."""
    turn, mpi, kernel, language, mode = job
    program, *options = kernels.words(kernel, language, bench.tiny, BENCH_OPTIONS)
    return (turn, mpi.name, JOB_SECONDS, guests.rank_words(bench.library, MODES[mode]), [f"./{program}.{mpi.name}", *options])


def _files(bench):
    """All programs, and the library."""
    names = dict.fromkeys(kernels.program_of(*cell) for cell in kernels.cells())
    programs = [f"{bench.program(mpi, name)}:/job/{name}.{mpi.name}" for mpi in bench.mpis for name in names]
    return programs + guests.library_files(bench.library, bench.mpis)


def _take(folder, number, job, cell, notes):
    """One job's line and counters, into its cell."""
    done, failed = guests.result(folder, number)
    what = f"{cell.what}, {job[-1]}"
    found = [line for line in map(parse, done.stdout.splitlines()) if line]
    if done.status or len(found) != 1:
        fault = "no end in time" if done.timed_out else f"exit status {done.status}"
        raise (CannotRun if job[-1] == "tcp" else WrongResult)(f"{what}: failed twice: {fault}: {measure.shorten(done.stderr)}")
    if failed:
        notes.append(f"retried: {what}: the first try did not end well (TCP between guests can stall on a busy machine)")
    cell.add(job[-1], found[0], measure.honest({name: int(value) for name, value in measure.COUNTER.findall(done.stderr)}))


def _row(bench, folder, numbered, where):
    """Of one kernel in one language under one MPI."""
    cell = kernels.Cell(*where)
    for number, job in numbered:
        _take(folder, number, job, cell, bench.notes)
    return cell.row()


def rows_of(bench, folder, jobs):
    """One for each cell of which all turns are whole; the others are faults, which are named."""
    complete = guests.completed(folder, [job[0] for job in jobs], jobs[-1][0] + 1, bench.notes)
    rows = []
    for mpi in bench.mpis:
        for kernel, language in kernels.cells():
            mine = [(number, job) for number, job in enumerate(jobs) if job[0] < complete and job[1:4] == (mpi, kernel, language)]
            rows.append(bench.attempt("kernels", _row, bench, folder, mine, (mpi.name, kernel, language)))
    return list(filter(None, rows))


def end_to_end(bench):
    """Boots, runs all jobs, judges them. Rows alone."""
    jobs = plan_of(bench)
    with tempfile.TemporaryDirectory(prefix="vmo-kernels-xen-") as folder:
        guests.write_plan(os.path.join(folder, "plan"), [_run_of(bench, job) for job in jobs], JOBS_SECONDS)
        guests.boot(folder, _files(bench), BOOT_SECONDS, LAB_OPTIONS)
        bench.notes.append("guests: " + ", ".join(f"{name} {value}" for name, value in guests.guest(folder).items()))
        return [], rows_of(bench, folder, jobs)
