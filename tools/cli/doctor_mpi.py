# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks of the MPI: which launchers there are, whose they are, whether the program fits, and a job of two ranks."""
import os
import shutil
import tempfile

from . import elf, run, where
from .checks import FAIL, PASS, SKIP, WARN, outcome, pairs

LAUNCHERS = ("mpirun", "mpiexec", "mpiexec.mpich", "mpirun.openmpi", "mpiexec.hydra", "mpirun.mpich", "mpiexec.openmpi")
NAMES = {"mpich": "MPICH's", "openmpi": "Open MPI's", None: "of an unknown MPI"}
_SAYS = (("Open MPI", "openmpi"), ("OpenRTE", "openmpi"), ("PRRTE", "openmpi"), ("HYDRA", "mpich"), ("Intel(R) MPI", "mpich"),
         ("MVAPICH", "mpich"))
PROGRAM_LIBRARIES = (("libmpi.so.40", "openmpi"), ("libmpich.so.12", "mpich"), ("libmpi.so.12", "mpich"))


def flavour_of(launcher):
    """By what its --version says: mpich (and those of its ABI), openmpi, or None."""
    said = "".join(outcome([launcher, "--version"], seconds=20)[1:])
    return next((mpi for text, mpi in _SAYS if text in said), None)


def launchers():
    """name -> flavour, of those in PATH. Many names are of one file, which is asked once."""
    files = {name: os.path.realpath(shutil.which(name)) for name in LAUNCHERS if shutil.which(name)}
    flavours = {}
    for name, file in files.items():
        if file not in flavours:
            flavours[file] = flavour_of(name)
    return {name: flavours[file] for name, file in files.items()}


def found(checks, there):
    """mpi.found, mpi.flavour"""
    if not there:
        checks.add("mpi.found", FAIL, "no mpirun or mpiexec in PATH", "apt-get install mpich, or openmpi-bin")
        return
    checks.add("mpi.found", PASS, ", ".join(there))
    default = next(iter(there))
    if there[default] is None:
        checks.add("mpi.flavour", WARN, f"{default} is of an unknown MPI: the library knows Open MPI 4 and 5, and those of "
                   "MPICH's ABI", "use one of these")
        return
    others = [f"{name} {NAMES[mpi]}" for name, mpi in there.items() if mpi not in (None, there[default])]
    checks.add("mpi.flavour", PASS, f"{default} is {NAMES[there[default]]}" + (f"; {', '.join(others)}" if others else ""))


def libraries(path):
    """What the loader would load with it; '' if it says nothing."""
    return outcome(["ldd", path], dict(os.environ, LC_ALL="C"), 20)[1]


def program(checks, name, there):
    """app.preload, app.flavour: does the program fit the library and the launcher?"""
    path = elf.find(name, os.environ)
    if not path:
        checks.add("app.preload", FAIL, f"{name}: not found", "give the program as you give it to mpirun")
        return
    trouble = run.unusable(path, where.library())
    if trouble:
        checks.add("app.preload", FAIL, trouble[0], "see lib.files" if trouble[1] else
                   "rebuild the program, or run it without the library")
        return
    checks.add("app.preload", PASS, f"{path} takes LD_PRELOAD")
    if elf.read(path) is None:
        checks.add("app.flavour", SKIP, f"{path} is a script: its MPI shows only when it runs")
        return
    loads = libraries(path)
    missing = [line.split()[0] for line in loads.splitlines() if "not found" in line]
    flavour = next((mpi for soname, mpi in PROGRAM_LIBRARIES if soname in loads), None)
    if missing:
        checks.add("app.flavour", FAIL, f"{path} needs what is not installed: {', '.join(missing)}",
                   "install the MPI it was built with")
    elif flavour is None:
        checks.add("app.flavour", WARN, f"{path} is linked with no MPI that the library knows",
                   "build it with Open MPI 4 or 5, or an MPI of MPICH's ABI; a program that loads its MPI later is right as it is")
    else:
        fits(checks, path, flavour, there)


def fits(checks, path, flavour, there):
    """The wrong launcher starts every process as a job of one rank."""
    default = next(iter(there), None)
    own = [name for name, mpi in there.items() if mpi == flavour]
    if own and own[0] == default:
        checks.add("app.flavour", PASS, f"{path} and {default} are {NAMES[flavour]}")
    elif own:
        checks.add("app.flavour", WARN, f"{path} is {NAMES[flavour]}, {default} is {NAMES[there[default]]}: each process would "
                   "be a job of one rank", f"start it with {own[0]}")
    else:
        checks.add("app.flavour", FAIL, f"{path} is {NAMES[flavour]}, and no launcher of that MPI is in PATH",
                   "apt-get install " + {"mpich": "mpich", "openmpi": "openmpi-bin"}[flavour])


def job_environment(directory):
    """The caller's, but for the settings that the job needs: what is checked is the software, on any machine."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("VMONECOPY", "XENEMU"))}
    environ.update(
        VMONECOPY_XEN="emulated", VMONECOPY_REPORT="full", VMONECOPY_ADMISSION="1", VMONECOPY_PATIENCE_US="30000000",
        XENEMU_DIR=directory, XENEMU_LIMIT="32768", OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
        OMPI_MCA_mpi_yield_when_idle="1", OMPI_MCA_rmaps_base_oversubscribe="1",
        LD_PRELOAD=run.with_library(os.environ.get("LD_PRELOAD", ""), where.library()))
    return environ


def start(launcher, mpi, environ):
    """The job -> (exit status, stdout, stderr). The variables go by env, so that the launcher itself has no LD_PRELOAD."""
    given = [f"{name}={value}" for name, value in environ.items() if os.environ.get(name) != value]
    outer = {name: value for name, value in environ.items() if name != "LD_PRELOAD"}
    command = [launcher, "-n", "2", "env", *given, where.program(mpi, "doctor_sends")]
    return outcome(command, outer, 90)


def counter(report, name):
    """A counter of the full report; 0 where it is absent."""
    for line in report.splitlines():
        words = line.replace("vmonecopy:", "").split()
        if len(words) > 1 and words[0] == name and words[1].isdigit():
            return int(words[1])
    return 0


def last_words(status, err):
    """Why it failed: our own line if there is one."""
    lines = [line for line in err.splitlines() if line.strip()]
    ours = [line for line in lines if line.startswith("vmonecopy:") and "ranks," not in line]
    return (ours or lines or [f"exit status {status}"])[-1].replace("vmonecopy: ", "", 1)


def job(checks, mpi, launcher):
    """Two ranks, two emulated VMs -> (lib.abi's verdict: True, False or None if not known, buffers substituted)."""
    name = f"job.{mpi}"
    if not os.path.exists(where.program(mpi, "doctor_sends")):
        checks.add(name, SKIP, f"no {where.program(mpi, 'doctor_sends')}")
        return None, 0
    with tempfile.TemporaryDirectory(prefix="vmonecopy-doctor-") as directory:
        status, out, err = start(launcher, mpi, job_environment(directory))
    result = pairs(out)
    if status != 0 or result.get("ranks") != "2":
        checks.add(name, FAIL, f"{launcher} could not run two ranks of {NAMES[mpi]} program: {last_words(status, err)}",
                   f"does it without the library: {launcher} -n 2 {where.program(mpi, 'doctor_sends')}")
        return None, 0
    one_copy, staged = counter(err, "onecopy_bytes"), counter(err, "staged_bytes")
    if result.get("wrong_bytes") != "0":
        checks.add(name, FAIL, f"{result.get('wrong_bytes')} bytes were wrong", "report this, with the output of this command")
    elif "INACTIVE" in err or not one_copy + staged:
        checks.add(name, FAIL, f"the library carried nothing: {last_words(status, err)}", "see the cause; then run this again")
    else:
        checks.add(name, PASS, f"two ranks by {launcher}, EMULATED Xen: {(one_copy + staged) / 1e6:.3g} MB right, "
                   f"{100 * one_copy / (one_copy + staged):.0f} % of it one-copy")
    return not ("libraries of one build" in err or "INACTIVE" in err), counter(err, "substitutions")


def jobs(checks, there):
    """lib.abi, job.MPI; completes memory.hooks."""
    abi, substituted, ran = {}, 0, False
    for mpi in sorted({mpi for mpi in there.values() if mpi}):
        launcher = next(name for name, flavour in there.items() if flavour == mpi)
        abi[mpi], buffers = job(checks, mpi, launcher)
        ran, substituted = ran or abi[mpi] is True, substituted + buffers
    bad = [mpi for mpi, right in abi.items() if right is False]
    if bad:
        checks.add("lib.abi", FAIL, f"libvmonecopy.so and libvmonecopy-{bad[0]}.so did not come together: see job.{bad[0]}",
                   "use libraries of one build: make, or install again")
    elif ran:
        checks.add("lib.abi", PASS, f"libvmonecopy.so and the libraries for {', '.join(mpi for mpi in abi if abi[mpi])} are of "
                   "one build")
    else:
        checks.add("lib.abi", SKIP, "no job ran")
    if ran and not substituted and checks.status("memory.hooks") == PASS:
        checks.add("memory.in_place", WARN, "no buffer got granted pages in these jobs: all is staged", "see preload.order")
    elif ran and substituted:
        checks.add("memory.in_place", PASS, f"{substituted} buffers got granted pages, were freed, and their content was right")
