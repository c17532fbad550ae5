# SPDX-License-Identifier: LGPL-2.1-or-later
"""Medians over the repetitions, the table, the JSON."""
import json
import os
from statistics import median

from .measure import ALL_MPIS, Samples

WITH_LIBRARY = ("onecopy", "within")
NOISY = 1.5  # repetitions' medians further apart than this factor are marked


class Row:
    """One MPI and size: all modes."""

    def __init__(self, mpi, size, samples, threshold):
        self.mpi, self.size, self.below = mpi, size, size < threshold
        self.modes = {}
        for mode in ("tcp", "onecopy", "within", "shm", "memcpy"):
            found = samples.get((mode, mpi, size)) or samples.get((mode, ALL_MPIS, size))
            if found:
                self.modes[mode] = found

    @property
    def carried(self):
        """Did the library carry bytes wherever it was? Below its threshold it need not."""
        return self.below or all(self.share("onecopy_bytes", mode) > 0 for mode in WITH_LIBRARY if mode in self.modes)

    def share(self, counter, mode="onecopy"):
        """Share of the payload, of what is at or above the threshold."""
        return 0.0 if self.below else self.modes.get(mode, Samples()).share(counter)

    def latency(self, mode):
        """Median over repetitions, microseconds; None where there is nothing to show."""
        return self._value(mode, lambda samples: median(samples.latency_us))

    def latency_min(self, mode):
        """Least of all batches of all repetitions."""
        return self._value(mode, lambda samples: min(samples.latency_min_us))

    def mbps(self, mode):
        """Median over repetitions, 10^6 bytes per second."""
        return self._value(mode, lambda samples: median(samples.mbps))

    def mbps_max(self, mode):
        """Best of all batches of all repetitions."""
        return self._value(mode, lambda samples: max(samples.mbps_max))

    def noisy(self, mode):
        """Repetitions disagree."""
        return self._value(mode, lambda samples: max(samples.latency_us) > NOISY * min(samples.latency_us))

    def speed_up(self, over):
        """How many times the latency of one-copy the other mode takes."""
        return quotient(self.latency(over), self.latency("onecopy"))

    def speed_up_min(self, over):
        """The same of the least latencies: less disturbed by what else the machine does."""
        return quotient(self.latency_min(over), self.latency_min("onecopy"))

    def _value(self, mode, function):
        if mode not in self.modes or mode in WITH_LIBRARY and not self.carried:
            return None
        return function(self.modes[mode])


def quotient(over, under):
    """None where one is missing."""
    return over / under if over and under else None


def make_rows(options, mpis, samples, threshold):
    """In the order of the table."""
    return [Row(mpi.name, size, samples, threshold) for mpi in mpis for size in options.sizes]


def crossover(rows):
    """Least measured size from which on one-copy is quicker than TCP, by median and by least; None if there is none."""
    found = None
    for row in sorted(rows, key=lambda row: -row.size):
        if row.below or min(row.speed_up("tcp") or 0, row.speed_up_min("tcp") or 0) <= 1:
            break
        found = row.size
    return found


def size_text(size):
    """4096 -> 4 KiB."""
    for unit, shift in (("MiB", 20), ("KiB", 10)):
        if size >= 1 << shift and size % (1 << shift) == 0:
            return f"{size >> shift} {unit}"
    return f"{size} B"


def bytes_text(count):
    """1288490189 -> 1.2 GiB."""
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if count < 1024 or unit == "TiB":
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return ""


def _number(value):
    if value is None:
        return "-"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _latency_cell(row, mode):
    mark = "~" if row.noisy(mode) else ""
    return f"{mark}{_number(row.latency(mode))} ({_number(row.latency_min(mode))})" if row.latency(mode) else "-"


def _ratio(value):
    return f"{value:.2f}" if value else "-"


def _speed_up_cell(row, over):
    gain = row.speed_up(over)
    return f"{gain:.2f} ({row.speed_up_min(over):.2f})" if gain else "-"


def _share(row):
    if "onecopy" not in row.modes:
        return "-"
    return "below" if row.below else f"{100 * row.share('onecopy_bytes'):.1f} %"


def align(table):
    """Rows of cells -> lines, all but the first column right-aligned."""
    widths = [max(map(len, column)) for column in zip(*table)]
    return ["  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                      for i, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in table]


def _rivals(modes):
    """What one-copy is compared with."""
    return [mode for mode in ("tcp", "shm") if mode in modes]


def latency_table(rows, modes):
    """Cells of the latency table of one MPI."""
    head = ["latency, us"] + modes + [f"{rival}/onecopy" for rival in _rivals(modes)] + ["one-copy bytes"]
    return [head] + [[size_text(row.size)] + [_latency_cell(row, mode) for mode in modes]
                     + [_speed_up_cell(row, rival) for rival in _rivals(modes)] + [_share(row)] for row in rows]


def bandwidth_table(rows, modes):
    """Cells of the bandwidth table of one MPI."""
    def ratio(row, over):
        return _ratio(quotient(row.mbps("onecopy"), row.mbps(over)))

    head = ["bandwidth, MB/s"] + modes + [f"onecopy/{rival}" for rival in _rivals(modes)]
    return [head] + [[size_text(row.size)] + [_number(row.mbps(mode)) for mode in modes]
                     + [ratio(row, rival) for rival in _rivals(modes)] for row in rows]


def share_notes(rows):
    """Where the rest of the bytes went, if that is worth a line."""
    for row in rows:
        staged, fell = row.share("staged_bytes"), row.share("fell_through_bytes")
        if not row.below and staged + fell > 0.02:
            yield (f"{row.mpi}, {size_text(row.size)}: {100 * staged:.1f} % staged (two copies), "
                   f"{100 * fell:.1f} % left to the MPI")


def head_lines(conditions, modes, notes):
    """Conditions and meanings, above the table."""
    width = max(map(len, conditions))
    return ([f"  {name.ljust(width)}  {text}" for name, text in conditions.items()]
            + [f"  {'mode ' + mode.name}: {mode.meaning}" for mode in modes] + [f"  {note}" for note in notes])


def table_lines(rows, mpis, modes, notes):
    """The whole table. Notes are printed as they are."""
    names = [mode.name for mode in modes]
    lines = []
    for mpi in mpis:
        mine = [row for row in rows if row.mpi == mpi.name]
        lines += ["", f"{mpi.version}:  median of repetitions (least of all batches), ratios likewise; ~ repetitions differ by "
                      f"more than {NOISY} times", *align(latency_table(mine, names)), "", *align(bandwidth_table(mine, names)), ""]
        lines += share_notes(mine)
        if "onecopy" in names and "tcp" in names:
            size = crossover(mine)
            lines.append(f"{mpi.name}: one-copy is quicker than TCP from {size_text(size)} on, of the sizes measured" if size
                         else f"{mpi.name}: one-copy is not quicker than TCP at the largest size measured")
    return lines + notes


def json_row(row):
    """The row as other tools read it."""
    def table(function, modes):
        return {mode: round(function(mode), 4) for mode in modes if function(mode) is not None}

    mpi_modes, all_modes = ("tcp", "shm", "onecopy"), ("tcp", "shm", "onecopy", "memcpy")
    return {
        "mpi": row.mpi, "bytes": row.size,
        "latency_us": table(row.latency, mpi_modes), "mbps": table(row.mbps, all_modes),
        "onecopy_share": round(row.share("onecopy_bytes"), 6),
        "below_threshold": row.below, "staged_share": round(row.share("staged_bytes"), 6),
        "fell_through_share": round(row.share("fell_through_bytes"), 6),
        "latency_min_us": table(row.latency_min, mpi_modes), "mbps_max": table(row.mbps_max, all_modes),
        "memcpy_latency_us": table(row.latency, ("memcpy",)).get("memcpy"),
    }


def write_json(path, rows, extra, emulated):
    """Whole or not at all."""
    document = {"schema": 1, "emulated": emulated, "rows": [json_row(row) for row in rows], **extra}
    partial = f"{path}.{os.getpid()}.part"
    with open(partial, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
        file.write("\n")
    os.replace(partial, path)
