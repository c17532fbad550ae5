# SPDX-License-Identifier: LGPL-2.1-or-later
"""9: kernels in the NAS pattern, end to end, over TCP and with the library, by turns (tools/bench/vmokernel.c,
vmonas.c, vmonasf.f90).

No target in the issue but that they are measured; a wrong result is an error. What went one-copy is said.
"""
from statistics import median

from ab import WrongResult

PROGRAMS = {"vmokernel": ("transpose", "bucketsort"), "vmonas": ("halo", "wavefront", "cg"),
            "vmonasf": ("halo", "wavefront", "cg")}


def _one(bench, mpi, mode, program, kernel, size):
    lines, counters = bench.run(mpi, mode, [program, "--tests", kernel, "--sizes", size, "--ms", "40" if bench.tiny else "300"])
    if any(line.get("errors") for line in lines):
        raise WrongResult(f"{mpi.name}, {mode}, {kernel}: wrong result")
    return lines[0]["latency_us"]["median"], counters


def end_to_end(bench):
    """Rows alone."""
    rows = []
    for mpi in bench.mpis:
        for program, names in PROGRAMS.items():
            for kernel in names:
                spent, counters = {"tcp": [], "onecopy": []}, {}
                for turn in range(1 if bench.tiny else 3):
                    for mode in ("tcp", "onecopy") if turn % 2 else ("onecopy", "tcp"):
                        us, seen = _one(bench, mpi, mode, program, kernel, "65536" if bench.tiny else "1048576")
                        spent[mode].append(us)
                        counters = seen if mode == "onecopy" else counters
                if not counters.get("onecopy_bytes"):
                    raise WrongResult(f"{mpi.name}, {kernel}: nothing went one-copy, so there is no speed-up")
                rows.append({"mpi": mpi.name, "program": program, "kernel": kernel, "tcp_us": median(spent["tcp"]),
                             "onecopy_us": median(spent["onecopy"]), "onecopy_bytes": counters["onecopy_bytes"],
                             "staged_bytes": counters.get("staged_bytes", 0),
                             "times_as_quick": round(median(spent["tcp"]) / median(spent["onecopy"]), 3)})
    return [], rows
