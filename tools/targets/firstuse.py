# SPDX-License-Identifier: LGPL-2.1-or-later
"""5: first use: the library's own choice against always staged and always substituted (tools/bench/vmofirst.c)."""
from statistics import median

from ab import WrongResult, report

from .target import Target

TURNS = 6     # each setting comes first twice
SETTINGS = {"default": {}, "staged": {"VMONECOPY_SUBSTITUTE": "0"}, "substituted": {"VMONECOPY_ADMISSION": "1"}}


def _curves(bench, mpi, repetitions, sizes):
    """{setting: {(bytes, repeats): us}}, shares of one-copy bytes. Settings by turns; another one first each time."""
    found, counted = {name: {} for name in SETTINGS}, {}
    names = list(SETTINGS)
    for turn in range(repetitions):
        for name in names[turn % 3:] + names[:turn % 3]:
            lines, counters = bench.run(mpi, "onecopy", ["vmofirst", "--sizes", sizes, "--batches", "1" if bench.tiny else "3"],
                                        limit=180, wanted=7 if bench.tiny else 14, **SETTINGS[name])
            counted[name] = counters
            for line in lines:
                found[name].setdefault((line["bytes"], line["repeats"]), []).append(line["us"]["median"])
    if not counted["substituted"].get("onecopy_bytes"):
        raise WrongResult(f"{mpi.name}: nothing went one-copy where all should be substituted")
    return {name: {key: median(us) for key, us in curve.items()} for name, curve in found.items()}, counted


def _share(counters):
    whole = counters.get("onecopy_bytes", 0) + counters.get("staged_bytes", 0) + counters.get("fell_through_bytes", 0)
    return f"{100 * counters.get('onecopy_bytes', 0) / whole:.0f} %" if whole else "nothing"


def curves(bench):
    """Two targets for each MPI, and the whole curve."""
    targets, rows = [], []
    for mpi in bench.mpis:
        found, counted = _curves(bench, mpi, 1 if bench.tiny else TURNS, "65536" if bench.tiny else "65536,1048576")
        keys = sorted(found["default"])
        rows += [{"mpi": mpi.name, "bytes": size, "repeats": repeats,
                  **{f"{name}_us": round(found[name][size, repeats], 2) for name in SETTINGS}} for size, repeats in keys]
        for text, at, against, bound in (("each buffer sent once : always staged", 1, "staged", 1.1),
                                         ("each buffer sent 100 times : always substituted", 100, "substituted", 1.05)):
            ratio, size = max((found["default"][key] / found[against][key], key[0]) for key in keys if key[1] == at)
            targets.append(Target("5", f"{mpi.name}: {text}", "<=", bound, ratio, "",
                                  f"worst at {report.size_text(size)}; one-copy over all repeats {_share(counted['default'])}, "
                                  f"where substituted {_share(counted['substituted'])}"))
    return targets, rows
