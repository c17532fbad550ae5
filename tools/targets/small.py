# SPDX-License-Identifier: LGPL-2.1-or-later
"""4: what the library adds to messages below its threshold (tools/bench/vmocost.c).

Time: the entry and the MPI's own functions by turns in one process; the noise is the same of the MPI's own against
itself. Instructions: callgrind, which is repeatable, beside what the MPI itself takes for the call.
"""
import os
import re
import shutil
import tempfile

from .target import Target

SIZES = "8,1024"
INERT_NS = 2
QUIET = 0.1     # where the MPI differs more from itself, nothing can be said
TRIGGER = re.compile(r"Client Request: (\S+) (\d+) (entry|beneath) (\d+)")
LESS_THAN_NOTHING = 1 << 63     # callgrind's counters, set to zero within a call, now and then end there
TOTAL = re.compile(r"^(?:totals|summary): (\d+)", re.MULTILINE)


def latency(bench):
    """Median ratio of latencies, within 1 % or the noise."""
    targets, lines = [], []
    words = ["vmocost", "latency", "--sizes", "8" if bench.tiny else SIZES, "--ms", "60" if bench.tiny else "1500",
             "--rounds", "4" if bench.tiny else "60"]
    for mpi in bench.mpis:
        found, _ = bench.run(mpi, "onecopy", words, wanted=5 if bench.tiny else 10)
        lines += [{"mpi": mpi.name, **line} for line in found]
        for line in found:
            noise = line["a_to_a_typical"] - 1
            said = f"{line['beneath_us']:.2f} us without; A against A differs by {100 * noise:.1f} %"
            quiet = noise <= QUIET
            targets.append(Target("4", f"{mpi.name}: {line['kind']}, {line['bytes']} B, latency with : without", "<=",
                                  round(1 + max(0.01, noise), 4) if quiet else 1.01, line["ratio"] if quiet else None, "",
                                  said if quiet else said + ": too much to tell"))
    return targets, lines


def inert(bench):
    """VMONECOPY=0: the entry is a jump."""
    targets, lines = [], []
    for mpi in bench.mpis:
        found, _ = bench.run(mpi, "onecopy", ["vmocost", "entry", "--ms", "50" if bench.tiny else "1000"], VMONECOPY="0")
        line = found[0]
        lines.append({"mpi": mpi.name, **line})
        quiet = line["a_to_a_ns"] <= INERT_NS
        targets.append(Target("4", f"{mpi.name}: inert entry, VMONECOPY=0", "<=", INERT_NS, line["added_ns"] if quiet else None,
                              " ns", f"A against A differs by {line['a_to_a_ns']:.2f} ns" + ("" if quiet else ": too much to tell")))
    return targets, lines


def _sections(directory):
    """{(kind, bytes): {by: instructions a call}}."""
    found = {}
    for name in os.listdir(directory):
        if not name.endswith("-01"):    # of the main thread: the emulated Xen has one of its own
            continue
        with open(os.path.join(directory, name), encoding="utf-8", errors="replace") as file:
            text = file.read()
        what, total = TRIGGER.search(text), TOTAL.search(text)
        if what and total and 0 < int(total[1]) < LESS_THAN_NOTHING:
            by = found.setdefault((what[1], int(what[2])), {})
            by[what[3]] = int(total[1]) / int(what[4])
    return found


def instructions(bench):
    """No target of the issue, but repeatable on any machine: a table."""
    if not shutil.which("valgrind"):
        bench.notes.append("no instructions counted: valgrind is not installed")
        return [], []
    lines = []
    for mpi in bench.mpis:
        with tempfile.TemporaryDirectory() as directory:
            wrap = ["sh", "-c", 'rank=${PMI_RANK:-$OMPI_COMM_WORLD_RANK}; [ "$rank" = 0 ] || exec "$@"; '
                    f'exec valgrind -q --tool=callgrind --instr-atstart=no --separate-threads=yes --callgrind-out-file={directory}/cg "$@"', "sh"]
            bench.run(mpi, "onecopy", ["vmocost", "sections", "--sizes", "8" if bench.tiny else SIZES], wrap=wrap,
                      limit=240, wanted=0)
            for (kind, size), by in sorted(_sections(directory).items(), key=lambda pair: (pair[0][1], pair[0][0])):
                if {"entry", "beneath"} <= set(by):
                    lines.append({"mpi": mpi.name, "kind": kind, "bytes": size, "beneath": round(by["beneath"], 1),
                                  "added": round(by["entry"] - by["beneath"], 1)})
    return [], lines
