# SPDX-License-Identifier: LGPL-2.1-or-later
"""7: the copy kernel: glibc's memcpy against prefetching and non-temporal copies; 6: both sides copying together, which an
idle sender would make possible, against the receiver alone (tools/bench/vmocopy.c).

The library copies by memcpy, in the receiver. 7 is kept while no other way is quicker, beyond the noise, by copy and use
together. 6 is measured on plain shared memory, which both processes may write: the most that grants could give. The library
grants payload read-only, so that its sender cannot write into the receiver's buffer.
"""
from ab import jobs, measure, report

from .jobs import parse
from .target import Target

SIZES = "65536,262144,1048576,4194304,16777216,67108864"
OTHERS = ("prefetch", "non_temporal")
COOPERATIVE = 1 << 20       # from which size on 6 is asked for


def _of_kernels(rows):
    gains = [(row["memcpy"]["copy_and_use_us"] / row[other]["copy_and_use_us"] / max(1.0, row["noise"]), other, row["bytes"])
             for row in rows for other in OTHERS if other in row]
    if not gains:
        return []
    gain, other, size = max(gains)
    return [Target("7", "best other copy against memcpy, copy and use, less the noise", "<=", 1.05, gain, " times as quick",
                   f"{other} at {report.size_text(size)}; least times are in the JSON")]


def _of_both(rows):
    def times(row, what, way):
        return row["memcpy"][what] / row[way][what]

    large = [row for row in rows if row["bytes"] >= COOPERATIVE]
    row = min(large, key=lambda row: times(row, "copy_us", "both"))
    alone = max(rows, key=lambda row: 1 / times(row, "copy_us", "chunks") / max(1.0, row["noise"]))
    return [Target("6", "both sides copy : the receiver alone, from 1 MiB, not in the library", ">=", 1.5,
                   times(row, "copy_us", "both"), " times as quick",
                   f"worst at {report.size_text(row['bytes'])}; copy and use there "
                   f"{times(row, 'copy_and_use_us', 'both'):.2f}; the sender copied {100 * row['writers_share']:.0f} %"),
            Target("6", "the same while the sender is elsewhere, time : one side's, less the noise", "<=", 1.0,
                   1 / times(alone, "copy_us", "chunks") / max(1.0, alone["noise"]), "",
                   f"worst at {report.size_text(alone['bytes'])}")]


def ways(bench):
    """Three targets; the table of all sizes."""
    program = bench.program(bench.mpis[0], "vmocopy")
    done = jobs.run([program, "--sizes", "65536,1048576" if bench.tiny else SIZES, "--batches", "5" if bench.tiny else "15"],
                    measure.Runner(bench, bench.path).base_environment(), 120, lambda out, err: False)
    rows = [line for line in map(parse, done.stdout.splitlines()) if line]
    if done.status or not rows:
        raise measure.WrongResult(f"vmocopy: exit status {done.status}: {measure.shorten(done.stderr)}")
    return _of_both(rows) + _of_kernels(rows), rows
