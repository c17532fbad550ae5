# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks whether the library can work here, by doing it, and says how to mend what is wrong:

    vmonecopy doctor                    this machine: MPI, Xen, limits, the library, a job of two ranks
    vmonecopy doctor ./app              and whether this program fits the MPI and the library
    mpirun -n 4 vmonecopy doctor        as the job will run: what differs between ranks, who is in which VM

One line a check: PASS, WARN, FAIL, or SKIP where something could not be looked at; then the fix. VMONECOPY_* variables
count as they will for a job: with VMONECOPY_XEN=emulated the emulation is checked. Beneath a launcher rank 0 speaks, and
no job is started.

Exit status: 0 all is well; 1 a WARN: it works, but for less than it could; 2 a FAIL.
"""
import json
import os
import sys

from . import doctor_lib, doctor_mpi, doctor_ranks, doctor_xen, options as table, where
from .checks import SCHEMA, SKIP, Checks

SUMMARY = "check the MPI, Xen and the settings, and say how to mend what is wrong"


def add_options(parser):
    """Options of `doctor`."""
    parser.add_argument("--json", action="store_true", help='{"schema": 1, "checks": [{"name", "status", "what", "fix"}]}')
    parser.add_argument("--no-job", action="store_true", help="do not start jobs of two ranks (they take a few seconds)")
    parser.add_argument("app", nargs="?", help="a program: does it fit?")


def machine(checks, options, mpi, known, emulated):
    """All that is checked without other ranks. mpi: of the launcher that started us, or None."""
    there = {} if mpi else doctor_mpi.launchers()
    if mpi:
        checks.add("mpi.found", "PASS", "started by a launcher")
        checks.add("mpi.flavour", "PASS", f"it is {doctor_mpi.NAMES[mpi]}")
        there = {"the launcher": mpi}
    else:
        doctor_mpi.found(checks, there)
    if options.app:
        doctor_mpi.program(checks, options.app, there)
    doctor_lib.files(checks, sorted({one for one in there.values() if one}), emulated)
    doctor_lib.options_values(checks, known)
    if checks.status("lib.files") == "PASS":
        doctor_lib.preload_order(checks)
        doctor_lib.memory_hooks(checks)
    doctor_xen.check(checks, emulated, {option.env: option.value(os.environ.get(option.env, ""))[0] for option in known})
    if mpi or options.no_job or checks.status("lib.files") != "PASS":
        why = "beneath a launcher" if mpi else "see lib.files" if not options.no_job else "--no-job"
        checks.add("lib.abi", SKIP, f"no job is started: {why}")
    else:
        doctor_mpi.jobs(checks, there)


def show(checks, options, emulated):
    """-> exit status."""
    worst = checks.worst()
    if options.json:
        print(json.dumps({"schema": SCHEMA, "version": where.version(), "emulated": emulated, "exit": worst,
                          "checks": checks.list}, indent=1))
    else:
        print("\n".join(checks.lines()))
        count = lambda status: sum(check["status"] == status for check in checks.list)
        print(f"{count('PASS')} passed, {count('WARN')} to look at, {count('FAIL')} failed, {count('SKIP')} not looked at"
              + (" [EMULATED Xen]" if emulated else ""))
    return worst


def main(options):
    """-> exit status."""
    known = table.read(where.options_def())
    emulated = os.environ.get("VMONECOPY_XEN") == "emulated"
    mpi = doctor_ranks.flavour(os.environ)
    checks = Checks()
    if not mpi or table.local_rank(os.environ) == 0:
        machine(checks, options, mpi, known, emulated)
    if mpi:
        doctor_ranks.check(checks, mpi, emulated, known)
        if table.rank(os.environ) != 0:
            return 0
    else:
        checks.add("options.ranks", SKIP, "beneath the launcher they are compared: mpirun -n 4 vmonecopy doctor")
    sys.stderr.flush()
    return show(checks, options, emulated)
