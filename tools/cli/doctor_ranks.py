# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks beneath a launcher (mpirun -n 4 vmonecopy doctor): what differs between the ranks, and who is where.

Only MPI itself reaches all ranks, so every rank hands one line of facts to doctor_ranks, a small MPI program built for
each flavour, which gives all of them to rank 0. It runs without the library, whatever LD_PRELOAD says: what is wrong
with that, on which ranks, is what rank 0 then finds.
"""
import hashlib
import json
import os

from . import options as table, run, where
from .checks import FAIL, PASS, SKIP, WARN, outcome, pairs

MOST_BYTES = 60000  # of one rank's line; doctor_ranks takes 64 KiB


def flavour(environ):
    """Whose launcher started this process: its variables tell; None: none did."""
    if "OMPI_COMM_WORLD_RANK" in environ:
        return "openmpi"
    if "PMI_RANK" in environ:
        return "mpich"
    return "openmpi" if "PMIX_RANK" in environ else None


def preloaded(environ):
    """LD_PRELOAD's files: it has colons or spaces between them."""
    return environ.get("LD_PRELOAD", "").replace(":", " ").split()


def build_mark():
    """Tells builds of the libraries apart."""
    mark = hashlib.sha256()
    for path in (where.library(), where.beside("libvmonecopy-mpich.so"), where.beside("libvmonecopy-openmpi.so")):
        try:
            with open(path, "rb") as file:
                mark.update(file.read())
        except OSError:
            mark.update(b"none")
    return mark.hexdigest()[:16]


def vm(emulated):
    """What is the same for two ranks exactly if they are in one VM."""
    if emulated:
        status, out, _ = outcome([where.helper("probe"), "domain", where.beside("libxenemu.so")], seconds=30)
        if status == 0:
            return "emulated domain " + pairs(out)["domid"]
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return os.uname().nodename


def facts(emulated, local):
    """This rank's line. local: checks of this machine that its first rank made, else []."""
    environ = os.environ
    mine = {"rank": table.rank(environ), "host": os.uname().nodename, "vm": vm(emulated), "build": build_mark(),
            "preload": any(map(run.is_ours, preloaded(environ))), "checks": local,
            "options": {name: value for name, value in environ.items() if name.startswith(table.PREFIX)}}
    if len(json.dumps(mine)) > MOST_BYTES:
        mine["checks"] = []
    return mine


def gather(mpi, mine):
    """-> facts of all ranks at rank 0, [] at others, and why there are none."""
    environ = dict(os.environ)
    environ["LD_PRELOAD"] = ":".join(file for file in preloaded(environ) if not run.is_ours(file))
    status, out, err = outcome([where.program(mpi, "doctor_ranks")], environ, 100, json.dumps(mine) + "\n")
    if status != 0:
        return [], (err.strip().splitlines() or [f"exit status {status}"])[-1]
    everyone = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    started = environ.get("OMPI_COMM_WORLD_SIZE") or environ.get("PMI_SIZE") or ""
    if started.isdigit() and table.rank(environ) == 0 and len(everyone) != int(started):
        return [], f"{len(everyone)} of {started} met: is the launcher of another MPI than {mpi}?"
    return everyone, ""


def ranks_text(ranks):
    """'rank 3', 'ranks 0, 1, 5 and 9 more'"""
    shown = ", ".join(str(rank) for rank in ranks[:4])
    more = f" and {len(ranks) - 4} more" if len(ranks) > 4 else ""
    return f"rank{'s' if len(ranks) > 1 else ''} {shown}{more}"


def by_value(everyone, value):
    """value -> ranks that have it, in the order of the first rank."""
    groups = {}
    for one in everyone:
        groups.setdefault(value(one), []).append(one["rank"])
    return groups


def settings(checks, everyone, known):
    """options.ranks"""
    differing, status = [], PASS
    for option in known:
        groups = by_value(everyone, lambda one: option.value(one["options"].get(option.env, ""))[0])
        if len(groups) > 1:
            differing.append(option.env + ": " + "; ".join(f"{value} on {ranks_text(ranks)}" for value, ranks in groups.items()))
            if option.agree:
                differing[-1] += " (such pairs stay off)"
            status = FAIL if option.agree or status == FAIL else WARN
    if differing:
        checks.add("options.ranks", status, " | ".join(differing), "give every rank the same: vmonecopy run --NAME VALUE, "
                   "mpiexec -genv NAME VALUE (MPICH), mpirun -x NAME=VALUE (Open MPI)")
    else:
        checks.add("options.ranks", PASS, f"the same on all {len(everyone)} ranks")


def preload(checks, everyone):
    """ranks.preload"""
    groups = by_value(everyone, lambda one: one["preload"])
    if len(groups) == 2:
        checks.add("ranks.preload", FAIL, f"LD_PRELOAD has the library on {ranks_text(groups[True])}, not on "
                   f"{ranks_text(groups[False])}: then no rank uses it, or the job waits in MPI_Init",
                   "mpirun ... vmonecopy run ./app; or mpiexec -genv LD_PRELOAD FILE (MPICH), mpirun -x LD_PRELOAD=FILE (Open MPI)")
    elif True in groups:
        checks.add("ranks.preload", PASS, "LD_PRELOAD has the library on every rank")
    else:
        checks.add("ranks.preload", PASS, "LD_PRELOAD has the library on no rank: vmonecopy run puts it there")


def library(checks, everyone):
    """ranks.library"""
    groups = by_value(everyone, lambda one: one["build"])
    if len(groups) > 1:
        text = "; ".join(f"{mark} on {ranks_text(ranks)}" for mark, ranks in groups.items())
        checks.add("ranks.library", FAIL, f"the libraries differ: {text}", "install the same build on every machine")
    else:
        checks.add("ranks.library", PASS, "the same build on every rank")


def places(checks, everyone):
    """ranks.vms"""
    groups = by_value(everyone, lambda one: one["vm"])
    if len(everyone) > 1 and len(groups) == 1:
        checks.add("ranks.vms", WARN, f"all {len(everyone)} ranks are in one VM ({everyone[0]['host']}): nothing goes one-copy",
                   "name VMs of one Xen host: mpiexec -hosts vm1,vm2 (MPICH), mpirun -host vm1,vm2 (Open MPI)")
    elif len(everyone) == 1:
        checks.add("ranks.vms", WARN, "one rank: nobody to talk to", "mpirun -n 2 or more")
    else:
        checks.add("ranks.vms", PASS, f"{len(everyone)} ranks in {len(groups)} VMs; whether these share a host, "
                   "a job's start proves")


def elsewhere(checks, everyone):
    """What the first rank of each other machine found there."""
    for one in everyone:
        if one["rank"] != 0:
            for check in one["checks"]:
                if check["status"] in (WARN, FAIL):
                    checks.add(check["name"], check["status"], f"on {one['host']}: {check['what']}", check["fix"])


def check(checks, mpi, emulated, known):
    """Rank 0's part, and the others': collective. All that was found before is this machine's."""
    first = table.local_rank(os.environ) == 0
    everyone, why = gather(mpi, facts(emulated, checks.list if first else []))
    if table.rank(os.environ) != 0:
        return
    if not everyone:
        for name in ("options.ranks", "ranks.preload", "ranks.library", "ranks.vms"):
            checks.add(name, SKIP, f"the ranks could not be asked: {why}")
        return
    elsewhere(checks, everyone)
    settings(checks, everyone, known)
    preload(checks, everyone)
    library(checks, everyone)
    places(checks, everyone)
