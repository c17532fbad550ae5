# SPDX-License-Identifier: LGPL-2.1-or-later
"""The conditions without which a figure means nothing."""
import os
import platform


def _read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def cpu_model():
    """As the kernel names it."""
    for line in _read("/proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Model"):
            return value.strip()
    return platform.machine()


def load():
    """Load of the last minute."""
    return os.getloadavg()[0]


def busy_note():
    """A line where other work disturbs the figures, or none. Two spinning ranks alone make a load of 2."""
    cores = len(os.sched_getaffinity(0))
    return [f"BUSY MACHINE: load {load():.1f} on {cores} cores; ratios from a busy machine mean little"] \
        if load() > cores + 1.5 else []


def pinning():
    """Where vmobench puts rank 0 and rank 1: the r-th allowed core, modulo their number."""
    cores = sorted(os.sched_getaffinity(0))
    first, second = cores[0], cores[1 % len(cores)]
    if first == second:
        return f"both ranks on core {first} (the only one allowed)"
    siblings = _read(f"/sys/devices/system/cpu/cpu{first}/topology/thread_siblings_list").strip()
    shared = " (threads of one core)" if str(second) in siblings.replace("-", ",").split(",") else ""
    return f"rank 0 on core {first}, rank 1 on core {second}{shared}, the same in all modes"


def host():
    """Machine and kernel: ordered pairs (name, text)."""
    return {
        "machine": f"{cpu_model()}, {len(os.sched_getaffinity(0))} of {os.cpu_count()} cores, load {load():.2f} at start",
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def conditions(mpis, path, options):
    """Ordered pairs (name, text) for the head of the table and the JSON."""
    touch = "the whole message" if options.stamp == "whole" else "head, tail and up to 64 page-strided words"
    return {
        **host(),
        "mpi": "; ".join(mpi.version for mpi in mpis),
        "path": path.meaning,
        "pinning": pinning(),
        "cache": f"warm: pages touched, mappings kept; the sender rewrites {touch} before each message, in the measured time",
        "repetitions": f"{options.reps}, modes interleaved; at least {options.ms} ms and 20 messages each, in batches",
        "checked": "each message at head, tail and page-strided words; whole buffers before and after each batch",
        "streaming": f"windows of {options.window} MPI_Isend (64 MiB at most) from one buffer into " +
                     ("one buffer" if options.stream_recv == "same" else "as many buffers") + ", each acknowledged",
    }
