# SPDX-License-Identifier: LGPL-2.1-or-later
"""A program without the library and with it, measured side by side.

    vmonecopy ab [options] -- mpirun -n 2 ./app args     any MPI program, any launcher
    vmonecopy ab [options]                               built-in measurements, in OSU's column layout
    vmonecopy ab --table [options]                       ping-pong and streaming, four ways, in one table
    vmonecopy ab --collectives [options]                 collectives and kernels at 2 and 4 ranks

A program: pairs of runs, one without and one with the library, in random order; medians and confidence intervals of the
wall time and of its ratio; exit statuses and output compared. Leave the library out of the command: ab puts it into
LD_PRELOAD on one side, and it reaches all ranks. VMONECOPY_* settings of yours are used there. Where the library carried
no bytes one-copy, or the interval holds 1, no speed-up is claimed. On a machine without Xen add --emulated.

Built-in: without the library over TCP, as two virtual machines talk, against the same with it; between two of your hosts
(--hosts), or on this machine with emulated Xen. Latency and bandwidth
with buffers that are warm, cold (flushed from the caches), rotating (32 MiB of them each way, in turn) and fresh (malloc,
fill, send, free), for warm ping-pong alone flatters; both directions; several pairs; collectives. 10 minutes for each MPI
on a quiet machine, --quick 2; the first two columns are OSU's, without the library.

--table, modes:
    tcp      over TCP, as two virtual machines talk without the library
    onecopy  the same with the library preloaded
    shm      over the MPI's own shared memory on one kernel, for reference
    memcpy   the limit: memcpy between two processes through a kept shared mapping

Exit status: 0 measured; 1 measured, but with the library bytes, output or exit status were wrong, or none went one-copy;
2 cannot run. The caller's VMONECOPY_* and XENEMU_* settings reach the ranks with the library, and no other.
"""
import contextlib
import json
import os
import random
import sys
import time

from cli import where

from . import (CannotRun, WrongResult, collectives, files, guests, jobs, machine, measure, modes, osu, paths, plot_pairs,
               plot_sizes, program, report)

SUMMARY = "measure a program with and without the library, side by side"
DEFAULT_SIZES = "4K,16K,64K,256K,1M,4M,16M"
QUICK = {"sizes": "64K,1M", "reps": 2, "ms": 20}
USUAL = {"sizes": DEFAULT_SIZES, "reps": 3, "ms": 50, "limit": 60, "warm": 20, "window": 16}
XEN = {"sizes": "4K,16K,64K,256K,1M,4M", "reps": 3, "ms": 20, "limit": 60, "warm": 4, "window": 16}
ABOUT_PROGRAM = ("pairs", "warmup", "compare", "status", "stdin", "emulated", "over_tcp", "inert", "anyway", "seed")


def program_options(group):
    """Of `ab -- COMMAND`."""
    add = group.add_argument
    add("--pairs", type=int, metavar="N", help="pairs of runs that count (10)")
    add("--warmup", type=int, metavar="N", help="pairs before them, 1 at least (1)")
    add("--compare", metavar="WHAT", help="what must be the same in all runs: stdout (the default), none, file:PATH which the "
        "program writes, or a shell command that gets stdout, as 'grep -v seconds'")
    add("--status", type=int, metavar="N", help="the exit status of a good run (0)")
    add("--stdin", metavar="FILE", help="the command's stdin (empty)")
    add("--emulated", action="store_const", const=True, help="emulated Xen on this machine, each rank a VM of its own")
    add("--over-tcp", action="store_const", const=True, help="both sides over TCP on loopback, as between two VMs, not over "
        "the MPI's shared memory")
    add("--inert", action="store_const", const=True, help="without = preloaded, but switched off by VMONECOPY=0; else: not "
        "preloaded")
    add("--anyway", action="store_const", const=True, help="go on where the library carried no bytes: what does its "
        "presence cost?")
    add("--seed", type=int, metavar="N", help="of the random order (another one each time)")


def builtin_options(group):
    """Of the built-in measurements."""
    add = group.add_argument
    add("--tests", metavar="NAMES", help="which, by comma: " + ", ".join(osu.TESTS)
        + "; with --collectives: " + ", ".join(collectives.COLLECTIVES + collectives.KERNELS))
    add("--buffers", metavar="NAMES", help=f"of {', '.join(osu.BUFFERS)}, by comma (all, for {' and '.join(osu.PATTERNED)}; "
        "else warm)")
    add("--mpi", metavar="NAMES", help="mpich, openmpi or both, by comma (those installed)")
    add("--sizes", metavar="LIST", help=f"message sizes, by comma, suffixes K and M ({osu.USUAL['sizes']}; --table: "
        f"{DEFAULT_SIZES}; --collectives: {collectives.SIZES})")
    add("--reps", type=int, metavar="N", help=f"repetitions ({osu.USUAL['reps']}; --table: {USUAL['reps']})")
    add("--ms", type=int, metavar="N", help=f"least milliseconds per measurement ({osu.USUAL['ms']}; --table: {USUAL['ms']})")
    add("--warm", type=int, metavar="N", help=f"messages before the first measured one ({USUAL['warm']})")
    add("--window", type=int, metavar="N", help=f"messages under way at once when streaming ({USUAL['window']})")
    add("--quick", action="store_true", help=f"for a quick look: sizes {QUICK['sizes']}, {QUICK['reps']} repetitions")
    add("--path", choices=("auto", "veth", "loopback", "xen"), default="auto",
        help="between the ranks: network namespaces joined by a veth pair (root), loopback, or, with --table, two guests "
             "of a real Xen on an emulated CPU (tools/xenlab; 5 to 7 minutes; has defaults of its own)")
    add("--yield", dest="yielding", action="store_true", help="ranks give up the processor while they wait, on both sides: on a "
        "busy machine (libyield.so for MPICH, mpi_yield_when_idle for Open MPI); not with --table")
    add("--hosts", metavar="A,B", help="instead: two hosts, as VMs of one Xen host, with all that is needed at the same place")
    add("--table", action="store_true", help="ping-pong and streaming in all modes, in one table")
    add("--modes", metavar="NAMES", help="with --table: of tcp, onecopy, shm, memcpy, by comma (all)")
    add("--collectives", action="store_true", help="collectives and two kernels at 2 and 4 ranks in 2 domains (10 minutes)")
    add("--stamp", choices=("words", "whole"), default="words",
        help="what the sender rewrites before each message: some words of each page range, or all of it")
    add("--stream-recv", choices=("distinct", "same"), default="distinct",
        help="with --table: receive a window into as many buffers, or into one as osu_bw does")


def one_line(parser):
    """Wrong usage costs one line, not the whole synopsis."""
    def error(message):
        parser.exit(2, f"vmonecopy: cannot run: {message}; see vmonecopy ab --help\n")
    parser.error = error


def add_options(parser):
    """Options of `ab`."""
    one_line(parser)
    parser.usage = "vmonecopy ab [options] [-- COMMAND ...]"
    program_options(parser.add_argument_group("a program"))
    builtin_options(parser.add_argument_group("built-in measurements"))
    add = parser.add_argument_group("both").add_argument
    add("--confidence", type=float, metavar="PERCENT", help="of the intervals, at least (95)")
    add("--limit", type=int, metavar="SECONDS", help="time limit of one run, tried twice (120; --table and "
        "--collectives: 60); of a program's run: once (60 at least, and ten times the longest run without)")
    add("--json", metavar="PATH", help="write the figures there; what was there is removed at the start")
    add("--csv", metavar="PATH", help="the same as a table")
    add("--svg", metavar="PATH", help="the same as a picture")
    add("--redraw", metavar="JSON", help="measure nothing: draw --svg from an earlier --json")
    add("--build", default=os.environ.get("VMO_BUILD"), metavar="DIR", help="where make built, or nothing where installed")
    add("--library", metavar="PATH", help="the library to preload (DIR/libvmonecopy.so)")
    parser.add_argument("program", nargs="*", metavar="COMMAND", help="after --: the command that starts the program")


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
    given = [name for name in ABOUT_PROGRAM if getattr(options, name) is not None]
    if given:
        raise CannotRun(f"--{given[0].replace('_', '-')} is for a program: give its command after --")
    usual = XEN if options.path == "xen" else {**USUAL, "sizes": collectives.SIZES} if options.collectives else \
        USUAL if options.table else osu.USUAL
    for name, value in ({**usual, **QUICK} if options.quick else usual).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
        elif getattr(options, name) in (0, ""):
            raise CannotRun(f"--{name}: must not be empty or 0")
    options.sizes = sorted({parse_size(text) for text in options.sizes.split(",")})


def settle_places(options):
    """Where the library and the programs are."""
    options.build = os.path.abspath(options.build) if options.build else None
    options.library = os.path.abspath(options.library or (os.path.join(options.build, "libvmonecopy.so") if options.build
                                                          else where.library()))
    options.confidence = 95.0 if options.confidence is None else options.confidence
    if not 50 <= options.confidence < 100:
        raise CannotRun(f"--confidence {options.confidence:g}: from 50 to below 100")


def settle_program(options):
    """Defaults of `ab -- COMMAND`."""
    usual = {"pairs": 10, "warmup": 1, "compare": "stdout", "status": 0, "seed": random.SystemRandom().randrange(1 << 30)}
    for name, value in usual.items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    if options.pairs < 1 or options.warmup < 1:
        raise CannotRun("--pairs and --warmup: 1 or more")
    if options.limit is not None and options.limit < 1:
        raise CannotRun("--limit: 1 or more seconds")
    for name in ("tests", "buffers", "mpi", "sizes", "reps", "ms", "warm", "window", "modes", "hosts", "yielding", "table", "collectives",
                 "quick"):
        if getattr(options, name):
            raise CannotRun(f"--{name.replace('yielding', 'yield')} is for the built-in measurements, not for a program")


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


def redraw(options):
    """--svg from the JSON of an earlier run."""
    if not options.svg or options.program or options.json or options.csv:
        raise CannotRun("--redraw JSON wants --svg PATH and nothing else")
    try:
        with open(options.redraw, encoding="utf-8") as file:
            document = json.load(file)
        picture = {"osu": plot_sizes.picture, "program": plot_pairs.picture}[document["kind"]](document)
    except (OSError, ValueError, KeyError, TypeError) as reason:
        raise CannotRun(f"--redraw {options.redraw}: {reason!r}: give a file that ab --json wrote, not with --table or "
                        "--collectives") from reason
    files.write(options.svg, picture)


def run_builtin(options, mpis, threshold, proof_size, chosen):
    """On the path that was asked for."""
    with contextlib.ExitStack() as stack:
        path, remark = paths.choose(options.path, options.hosts)
        stack.push(path)
        if remark:
            print(f"vmonecopy: {remark}", file=sys.stderr)
        if options.collectives:
            collectives.compare(options, path, mpis, chosen, threshold)
        elif options.table:
            compare(options, path, mpis, chosen, threshold, proof_size)
        else:
            osu.compare(options, path, mpis, threshold)


def refuse_mixed(options):
    """Options that belong to another kind of run."""
    if options.collectives and (options.path == "xen" or options.modes or options.table):
        raise CannotRun("--collectives: not with --path xen or --table, and always in both its modes")
    if not options.table and (options.path == "xen" or options.modes):
        raise CannotRun("--path xen and --modes are for --table: add it")
    if (options.table or options.collectives) and (options.csv or options.svg or options.buffers):
        raise CannotRun("--csv, --svg and --buffers: not with --table or --collectives")
    if options.hosts and (options.table or options.collectives or options.path != "auto"):
        raise CannotRun("--hosts: not with --table, --collectives or --path")
    if options.table and (options.tests or options.yielding):
        raise CannotRun("--tests and --yield: not with --table")


def run(options):
    """All of `ab`."""
    settle_places(options)
    if options.redraw:
        redraw(options)
        return
    if options.program:
        settle_program(options)
        files.remove_old(options)
        jobs.catch_signals()
        program.compare(options)
        return
    settle(options)
    refuse_mixed(options)
    files.remove_old(options)
    chosen = chosen_modes(options)
    threshold = measure.threshold_bytes(os.environ)
    proof_size = need_library(options, chosen, threshold)
    mpis = modes.find_mpis(options.mpi.split(",") if options.mpi else ())
    for mpi in mpis:
        modes.bench_command(options.build, mpi.name, ())
    jobs.catch_signals()
    if options.path == "xen":
        compare_on_xen(options, mpis, chosen, threshold, proof_size)
    else:
        run_builtin(options, mpis, threshold, proof_size, chosen)


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
