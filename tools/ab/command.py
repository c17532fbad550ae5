# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measure the same ping-pong and streaming program, modes interleaved:

    tcp      over TCP, as two virtual machines talk without the library
    onecopy  the same with the library preloaded
    shm      over the MPI's own shared memory on one kernel, for reference
    memcpy   the limit: memcpy between two processes through a kept shared mapping

Every message is checked. No speed-up is printed unless the library carried the bytes.

Exit status: 0 measured; 1 measured, but bytes were wrong or none went one-copy; 2 cannot run.
The caller's VMONECOPY_* and XENEMU_* settings reach the ranks of mode onecopy, and no other.
"""
import contextlib
import os
import sys
import time

from . import CannotRun, WrongResult, collectives, guests, jobs, machine, measure, modes, paths, report

SUMMARY = "measure a program with and without the library, side by side"
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
DEFAULT_SIZES = "4K,16K,64K,256K,1M,4M,16M"
QUICK = {"sizes": "64K,1M", "reps": 2, "ms": 20, "limit": 60}
USUAL = {"sizes": DEFAULT_SIZES, "reps": 3, "ms": 50, "limit": 60, "warm": 20, "window": 16}
XEN = {"sizes": "4K,16K,64K,256K,1M,4M", "reps": 3, "ms": 20, "limit": 60, "warm": 4, "window": 16}


def add_options(parser):
    """Options of `ab`."""
    add = parser.add_argument
    add("--mpi", metavar="NAMES", help="mpich, openmpi or both, by comma (those installed)")
    add("--sizes", metavar="LIST", help=f"message sizes, by comma, suffixes K and M ({DEFAULT_SIZES})")
    add("--reps", type=int, metavar="N", help=f"repetitions ({USUAL['reps']})")
    add("--ms", type=int, metavar="N", help=f"least milliseconds per measurement ({USUAL['ms']})")
    add("--warm", type=int, metavar="N", help=f"messages before the first measured one ({USUAL['warm']})")
    add("--window", type=int, metavar="N", help=f"messages under way at once when streaming ({USUAL['window']})")
    add("--limit", type=int, metavar="SECONDS", help=f"time limit of one job ({USUAL['limit']}); it is tried twice")
    add("--quick", action="store_true", help=f"for a quick look: sizes {QUICK['sizes']}, {QUICK['reps']} repetitions")
    add("--modes", metavar="NAMES", help="of tcp, onecopy, shm, memcpy, by comma (all)")
    add("--path", choices=("auto", "veth", "loopback", "xen"), default="auto",
        help="between the ranks: network namespaces joined by a veth pair (root), loopback, or two guests of a real "
             "Xen on an emulated CPU (tools/xenlab; 5 to 7 minutes; has defaults of its own)")
    add("--collectives", action="store_true",
        help=f"collectives and two kernels at 2 and 4 ranks in 2 domains instead, modes tcp and onecopy "
             f"(sizes {collectives.SIZES}; about 10 minutes)")
    add("--tests", metavar="NAMES", help="with --collectives: which, by comma: "
        + ", ".join(collectives.COLLECTIVES + collectives.KERNELS))
    add("--stamp", choices=("words", "whole"), default="words",
        help="what the sender rewrites before each message: some words of each page range, or all of it")
    add("--stream-recv", choices=("distinct", "same"), default="distinct",
        help="receive a window into as many buffers, or into one as osu_bw does")
    add("--json", metavar="PATH", help="write the figures there; what was there is removed at the start")
    add("--build", default=os.environ.get("VMO_BUILD", os.path.join(ROOT, "build")), metavar="DIR",
        help="where make built (%(default)s)")
    add("--library", metavar="PATH", help="the library to preload (DIR/libvmonecopy.so)")


def parse_size(text):
    """16K -> 16384."""
    digits, unit = text.rstrip("KkMm"), text.lstrip("0123456789").upper()
    if not digits.isdigit() or unit not in ("", "K", "M"):
        raise CannotRun(f"--sizes: {text}: not a size: write 4096, 16K or 1M")
    size = int(digits) << {"": 0, "K": 10, "M": 20}[unit]
    if not 8 <= size <= 1 << 30:
        raise CannotRun(f"--sizes: {text}: must be from 8 bytes to 1 GiB")
    return size


def settle(options):
    """Fill in defaults, which --quick changes, and look at what was given."""
    usual = XEN if options.path == "xen" else {**USUAL, "sizes": collectives.SIZES} if options.collectives else USUAL
    for name, value in ({**usual, **QUICK} if options.quick else usual).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
        elif getattr(options, name) in (0, ""):
            raise CannotRun(f"--{name}: must not be empty or 0")
    options.sizes = sorted({parse_size(text) for text in options.sizes.split(",")})
    options.build = os.path.abspath(options.build)
    options.library = os.path.abspath(options.library or os.path.join(options.build, "libvmonecopy.so"))


def chosen_modes(options):
    """Mode objects, in the order of modes.MODES. Guests share no memory but by grants: no mode shm there."""
    there = [mode for mode in modes.MODES if options.path != "xen" or mode.apart or not mode.mpi]
    if options.collectives:
        there = [mode for mode in there if mode.name in collectives.MODES]
    names = options.modes.split(",") if options.modes else [mode.name for mode in there]
    unknown = set(names) - {mode.name for mode in there}
    if unknown:
        raise CannotRun(f"--modes: {', '.join(sorted(unknown))}: there are {', '.join(mode.name for mode in there)}")
    if options.json and len(set(names)) != len(there):
        raise CannotRun("--json wants all modes: leave --modes away")
    return [mode for mode in there if mode.name in names]


def need_library(options, chosen, threshold):
    """Where mode onecopy is asked for. Returns a size that must go one-copy, None where the mode is not asked for."""
    if not any(mode.shim for mode in chosen):
        return None
    if not os.path.exists(options.library):
        raise CannotRun(f"{options.library} is missing: run `make`, or give --build or --library")
    large = [size for size in options.sizes if size >= threshold]
    if not large:
        raise CannotRun(f"all sizes are below the library's threshold of {threshold} bytes: give larger --sizes, "
                        f"or set VMONECOPY_THRESHOLD")
    return large[0]


def remove_old(path):
    """A file of an earlier run must not pass for this one's."""
    if path:
        if not os.path.isdir(os.path.dirname(os.path.abspath(path))):
            raise CannotRun(f"--json {path}: no such directory: make it first")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def present(options, path, mpis, chosen, found):
    """Table, JSON. Raises WrongResult where no ratio may be shown for a size that should have one."""
    rows = report.make_rows(options, mpis, found["samples"], found["threshold"])
    print("\n".join(report.table_lines(rows, mpis, chosen, found["notes"])), flush=True)
    empty = [row for row in rows if found["proof_size"] and not row.carried]
    if empty:
        raise WrongResult("no speed-up to show where the library carried no bytes: "
                          + ", ".join(f"{row.mpi} {report.size_text(row.size)}" for row in empty))
    if options.json:
        extra = {"conditions": found["conditions"], "notes": list(path.notes) + found["notes"], "path": path.name,
                 "threshold_bytes": found["threshold"], "repetitions": found["repetitions"]}
        report.write_json(options.json, rows, extra, path.emulated)


def print_head(conditions, chosen, path):
    """Above the table."""
    print("\n".join(["vmonecopy ab", *report.head_lines(conditions, chosen, path.notes)]), flush=True)


def time_note(start):
    """How long it took, under which load."""
    return f"took {time.monotonic() - start:.0f} s, load {machine.load():.2f} at the end"


def compare(options, path, mpis, chosen, threshold, proof_size):
    """On one kernel: measure, print, write."""
    conditions = machine.conditions(mpis, path, options)
    runner = measure.Runner(options, path)
    start = time.monotonic()
    measure.prove_one_copy(runner, mpis, chosen, proof_size)
    print_head(conditions, chosen, path)
    samples = measure.measure(runner, mpis, chosen)
    present(options, path, mpis, chosen, {
        "samples": samples, "conditions": conditions, "threshold": threshold, "proof_size": proof_size,
        "repetitions": options.reps, "notes": [time_note(start), *runner.incidents()]})


def compare_on_xen(options, mpis, chosen, threshold, proof_size):
    """In two guests: the same, but all is measured in one boot before the first line is printed."""
    path = guests.Guests()
    common = machine.conditions(mpis, path, options)
    start = time.monotonic()
    samples, notes = guests.measured(options, path, mpis, chosen)
    conditions = guests.conditions(common, path, options)
    print_head(conditions, chosen, path)
    present(options, path, mpis, chosen, {
        "samples": samples, "conditions": conditions, "threshold": threshold, "proof_size": proof_size,
        "repetitions": path.repetitions, "notes": [time_note(start), *notes]})


def run(options):
    """All of `ab`."""
    settle(options)
    remove_old(options.json)
    chosen = chosen_modes(options)
    threshold = measure.threshold_bytes(os.environ)
    proof_size = need_library(options, chosen, threshold)
    mpis = modes.find_mpis(options.mpi.split(",") if options.mpi else ())
    for mpi in mpis:
        modes.bench_command(options.build, mpi.name, ())
    if options.collectives and (options.path == "xen" or options.modes):
        raise CannotRun("--collectives: not with --path xen, and always in both its modes")
    jobs.catch_signals()
    if options.path == "xen":
        compare_on_xen(options, mpis, chosen, threshold, proof_size)
        return
    with contextlib.ExitStack() as stack:
        path, remark = paths.choose(options.path)
        stack.push(path)
        if remark:
            print(f"vmonecopy: {remark}", file=sys.stderr)
        if options.collectives:
            collectives.compare(options, path, mpis, chosen, threshold)
        else:
            compare(options, path, mpis, chosen, threshold, proof_size)


def main(options):
    """Returns the exit status."""
    try:
        run(options)
        return 0
    except WrongResult as reason:
        print(f"vmonecopy: ERROR: {reason}", file=sys.stderr)
        return 1
    except CannotRun as reason:
        print(f"vmonecopy: cannot run: {reason}", file=sys.stderr)
        return 2
    except jobs.Interrupted as signal:
        print(f"vmonecopy: ended by {signal}; all that was made is removed", file=sys.stderr)
        return 128 + signal.signum
