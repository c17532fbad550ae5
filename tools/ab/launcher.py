# SPDX-License-Identifier: LGPL-2.1-or-later
"""What starts the ranks in a command line that is not ours, and how the library gets to them.

The launcher says itself what it is (`--version`). The library and its options are put into the launcher's own
environment; nothing of the program's words is read or changed.

    hydra (MPICH, MVAPICH, Intel MPI), Slurm   hand their environment on to all ranks, on other hosts too
    Open MPI                                   hands it on to ranks on this host; to other hosts only variables that
                                               are named: in the parameter mca_base_env_list, or, where the command
                                               line has an -x of its own (Open MPI refuses both), in further -x
    a script, or what is unknown               the environment, and that parameter for an Open MPI in it
"""
import os
import re
import shutil
import subprocess
from dataclasses import dataclass

NAMES = re.compile(r"(mpirun|mpiexec|orterun|prterun|srun)\b.*")
ENV_LIST = "OMPI_MCA_mca_base_env_list"


@dataclass(frozen=True)
class Launcher:
    """kind: hydra, openmpi, slurm or unknown; at: its place in the command line, None where none was found."""
    kind: str
    version: str
    at: "int | None" = None


def _answer(program):
    """What `program --version` says; nothing where it does not."""
    try:
        return subprocess.run([program, "--version"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=30, check=False).stdout.decode(errors="replace")
    except (OSError, subprocess.TimeoutExpired):
        return ""


def identify(answer):
    """(kind, version) from what a launcher says."""
    first = answer.strip().splitlines()[0] if answer.strip() else ""
    if "HYDRA" in answer:
        number = re.search(r"Version:\s*(\S+)", answer)
        return "hydra", f"MPICH's hydra {number[1] if number else ''}".strip()
    if "Intel(R) MPI" in answer:
        return "hydra", first
    if re.search(r"Open ?MPI|OpenRTE|PRRTE", answer, re.IGNORECASE):
        return "openmpi", f"Open MPI {first.split()[-1]}"
    if first.lower().startswith("slurm"):
        return "slurm", first
    return "unknown", "not a launcher that is known here"


def find(command):
    """The launcher in a command line. Only words that are named like a launcher are started and asked."""
    for at, word in enumerate(command):
        program = shutil.which(word)
        if program and NAMES.fullmatch(os.path.basename(word)):
            return Launcher(*identify(_answer(program)), at)
    return Launcher("unknown", "none found in the command line; it must hand its environment on to the ranks")


def is_ours(preload):
    """Does an entry of LD_PRELOAD name this library?"""
    return os.path.basename(preload).startswith("libvmonecopy")


def appended(preloads, library):
    """LD_PRELOAD with the library as its last entry, and once."""
    return ":".join([entry for entry in re.split(r"[: ]+", preloads or "") if entry and not is_ours(entry)] + [library])


def without_ours(environment):
    """The environment without the library and its settings."""
    clean = {name: value for name, value in environment.items() if not name.startswith(("VMONECOPY", "XENEMU_"))}
    others = ":".join(entry for entry in re.split(r"[: ]+", clean.pop("LD_PRELOAD", "")) if entry and not is_ours(entry))
    return {**clean, "LD_PRELOAD": others} if others else clean


def forward(launcher, command, environment, names):
    """(command, environment) with which these variables of the environment reach ranks on other hosts too."""
    if launcher.kind not in ("openmpi", "unknown"):
        return command, environment
    if launcher.at is not None and {"-x", "--x"} & set(command):
        words = [word for name in names for word in ("-x", name)]
        return command[:launcher.at + 1] + words + command[launcher.at + 1:], environment
    listed = [entry for entry in environment.get(ENV_LIST, "").split(";") if entry]
    if any("mca_base_env_list" in word for word in command):
        return command, environment     # theirs replaces ours: ranks on other hosts are the caller's matter
    return command, {**environment, ENV_LIST: ";".join(listed + [name for name in names if name not in listed])}
