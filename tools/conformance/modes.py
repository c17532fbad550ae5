# SPDX-License-Identifier: LGPL-2.1-or-later
"""MPIs and modes: the command line of one run.

    plain     the MPI alone
    onecopy   the library, all messages of at least 64 bytes its own, buffers substituted from the first send on
    detach    the same with no patience: who waits for a receiver detaches its buffer at once and goes on

Each rank is a VM of its own on emulated Xen. More ranks than cores is the rule here, so waiting must yield: MPICH's
by a preload of ten lines (yield.c), Open MPI's by its own setting, and all get short slices of the scheduler's
(slices.py); on both sides alike.
"""
import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass

from . import CannotRun

_LIBRARY = {"VMONECOPY_XEN": "emulated", "VMONECOPY_REPORT": "full", "XENEMU_LIMIT": "32768",
            "VMONECOPY_THRESHOLD": "64", "VMONECOPY_ADMISSION": "1"}
MODES = {"plain": None, "onecopy": _LIBRARY, "detach": {**_LIBRARY, "VMONECOPY_PATIENCE_US": "0"}}
WITH_LIBRARY = tuple(mode for mode, settings in MODES.items() if settings)
YIELD_NOTE = "on both sides waiting yields (MPICH by a preload, Open MPI by its setting) and slices are short"


@dataclass(frozen=True)
class Mpi:
    """An installed MPI."""
    name: str
    launcher: str
    options: tuple = ()
    strict: bool = False        # only what the standard has is asked of it
    yields: bool = False        # by itself, when told so
    flags: str = ""             # for the suite's compiler


KNOWN = (
    Mpi("mpich", "mpiexec.mpich"),
    Mpi("openmpi", "mpirun.openmpi", strict=True, yields=True,
        flags="-DOMPI_OMIT_MPI1_COMPAT_DECLS=0",     # the suite's helpers use what MPI 3 took out; the library has it
        options=("--oversubscribe", "--bind-to", "none", "--mca", "pml", "ob1", "--mca", "btl", "self,vader,tcp")),
)


def find_mpis(wanted):
    """Those of the wanted names (all, if none is named) that are installed."""
    names = wanted or [mpi.name for mpi in KNOWN]
    unknown = set(names) - {mpi.name for mpi in KNOWN}
    if unknown:
        raise CannotRun(f"--mpi: {', '.join(sorted(unknown))}: there are {', '.join(mpi.name for mpi in KNOWN)}")
    found = [mpi for mpi in KNOWN if mpi.name in names and shutil.which(mpi.launcher)]
    missing = set(wanted or ()) - {mpi.name for mpi in found}
    if missing or not found:
        raise CannotRun(f"not installed: {', '.join(sorted(missing or names))}: run `make setup`")
    return found


def version(mpi):
    """A short name for what is installed: results of another version count no more."""
    text = subprocess.run([mpi.launcher, "--version"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60,
                          check=False).stdout
    return hashlib.sha256(text).hexdigest()[:12]


def digest(build):
    """A short name for the library as it is built now: results of another build count no more."""
    total = hashlib.sha256()
    for name in ("libvmonecopy.so", *(f"libvmonecopy-{mpi.name}.so" for mpi in KNOWN), "libxenemu.so"):
        path = os.path.join(build, name)
        if not os.path.exists(path):
            raise CannotRun(f"{path} is missing: run `make`, or give --build")
        with open(path, "rb") as file:
            total.update(file.read())
    return total.hexdigest()[:12]


def environment(mpi, test, limit, scratch):
    """For the launcher: nothing of the caller's that the library, the emulation or an outer job would heed."""
    env = {name: value for name, value in os.environ.items()
           if not name.startswith(("VMONECOPY", "XENEMU", "PMI", "OMPI_COMM", "LD_PRELOAD"))}
    env.update(XENEMU_DIR=scratch, TMPDIR=scratch, OPENBLAS_NUM_THREADS="1")
    if mpi.yields:
        env.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_mpi_yield_when_idle="1")
    if test.result:
        env["MPIEXEC_TIMEOUT"] = str(limit)  # such tests may want to be ended by their launcher
    env.update(variable.split("=", 1) for variable in test.variables)
    return env


def command(mpi, mode, test, program, library, yielding):
    """The launcher's line. The ranks' variables travel by env(1), alike under both launchers."""
    preload = ([] if mpi.yields else [yielding]) + ([library] if MODES[mode] else [])
    rank = dict(MODES[mode] or {})
    if preload:
        rank["LD_PRELOAD"] = ":".join(preload)
    return [mpi.launcher, *mpi.options, *test.launcher_args, "-n", str(test.ranks),
            "env", *(f"{name}={value}" for name, value in rank.items()), program, *test.args]
