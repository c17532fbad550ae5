# SPDX-License-Identifier: LGPL-2.1-or-later
"""8: what the library adds to MPI_Init and to memory, against the number of ranks (tools/bench/vmoscale.c), and a model.

All ranks are on one kernel, in two emulated domains: half of them are co-resident peers of the other half. The model is a
straight line through the measured additions; what grows with the ranks in all and what with the peers cannot be told apart
by it, so it is an upper bound for ranks on other hosts. No target: the issue asks for figures.
"""
import os

RANKS = (2, 4, 8, 16, 32, 64)
TINY = (2, 4)


def line_through(points):
    """Least squares: (at 0, slope)."""
    n = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / n, sum(y for _, y in points) / n
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0
    return mean_y - slope * mean_x, slope


def start_up(bench):
    """Rows: with and without the library; notes: the model."""
    rows = []
    for mpi in bench.mpis:
        yields = os.path.join(bench.build, "libyield.so")
        preload = [yields] if mpi.name == "mpich" and os.path.exists(yields) else []
        for ranks in TINY if bench.tiny else RANKS:
            each = {}
            for mode in ("tcp", "onecopy"):
                found = bench.attempt(f"start of {ranks} ranks, {mpi.name}, {mode}", bench.run, mpi, mode, ["vmoscale"], ranks,
                                      60, (), preload)
                if found:
                    each[mode] = found[0][0]
            if len(each) < 2:
                break       # more of them would not start either
            rows.append({"mpi": mpi.name, "ranks": ranks, "init_ms": each["tcp"]["init_ms"],
                         "added_ms": round(each["onecopy"]["init_ms"] - each["tcp"]["init_ms"], 2),
                         "private_kib": each["tcp"]["private_kib"]["mean"],
                         "added_kib": round(each["onecopy"]["private_kib"]["mean"] - each["tcp"]["private_kib"]["mean"])})
        mine = [row for row in rows if row["mpi"] == mpi.name]
        base, slope = line_through([(row["ranks"], row["added_kib"]) for row in mine]) if len(mine) > 1 else (0, 0)
        if slope <= 0:
            bench.notes.append(f"{mpi.name}: memory that the library adds to a rank does not grow with the ranks measured")
        else:
            bench.notes.append(f"{mpi.name}: memory that the library adds to a rank: about {base:.0f} KiB and {slope:.1f} KiB for "
                               f"each rank ({mine[0]['ranks']} to {mine[-1]['ranks']} measured, half of them co-resident peers); "
                               f"by this line at most {(base + slope * 100000) / 1024:.0f} MiB at 100,000 ranks")
    return [], rows
