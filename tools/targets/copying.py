# SPDX-License-Identifier: LGPL-2.1-or-later
"""7: the copy kernel: glibc's memcpy against prefetching and non-temporal copies (tools/bench/vmocopy.c).

The library copies by memcpy. The target is kept while no other way is quicker, beyond the noise, by copy and use together.
"""
from ab import jobs, measure, report

from .jobs import parse
from .target import Target

SIZES = "65536,262144,1048576,4194304,16777216,67108864"
OTHERS = ("prefetch", "non_temporal")


def ways(bench):
    """One target; the table of all sizes."""
    program = bench.program(bench.mpis[0], "vmocopy")
    done = jobs.run([program, "--sizes", "65536,1048576" if bench.tiny else SIZES, "--batches", "5" if bench.tiny else "15"],
                    measure.Runner(bench, bench.path).base_environment(), 120, lambda out, err: False)
    rows = [line for line in map(parse, done.stdout.splitlines()) if line]
    if done.status or not rows:
        raise measure.WrongResult(f"vmocopy: exit status {done.status}: {measure.shorten(done.stderr)}")
    gains = [(row["memcpy"]["copy_and_use_us"] / row[other]["copy_and_use_us"] / max(1.0, row["noise"]), other, row["bytes"])
             for row in rows for other in OTHERS if other in row]
    if not gains:
        return [], rows
    gain, other, size = max(gains)
    return [Target("7", "best other copy against memcpy, copy and use, less the noise", "<=", 1.05, gain, " times as quick",
                   f"{other} at {report.size_text(size)}; least times are in the JSON")], rows
