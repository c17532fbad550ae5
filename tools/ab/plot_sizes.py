# SPDX-License-Identifier: LGPL-2.1-or-later
"""The picture of the built-in measurements: by size, each side, and their ratio beside it.

For each MPI a row of two panels for each group of tests: left the figures of the group's first test, both sides; right
the ratio of all the group's tests and kinds of buffers, with intervals, above 1 where the library is the better.
"""
from . import svg

GROUPS = (("latency", ("latency", "multi_lat"), "Latency, one way, microseconds (lower is better)"),
          ("bandwidth", ("bw", "bibw", "mbw_mr"), "Bandwidth, MB/s (higher is better)"),
          ("collectives", None, "microseconds a call (lower is better)"))
WIDTH, PANEL_HEIGHT, LABELS = 1080, 240, 128
LEFT, GAP, AXIS = 24, 26, 52


def size_text(size):
    """4 Ki, 1 Mi."""
    return f"{size >> 20} MiB" if size >= 1 << 20 and size % (1 << 20) == 0 else \
        f"{size >> 10} KiB" if size >= 1024 and size % 1024 == 0 else f"{size} B"


class Panel:
    """Axes by size, and a column for labels right of them."""

    def __init__(self, drawing, x, y, sizes, values, one=False):
        width = (WIDTH - 2 * LEFT - GAP) / 2
        self.drawing, self.top, self.bottom = drawing, y, y + PANEL_HEIGHT
        self.left, self.right = x + AXIS, x + width - LABELS
        low, high = svg.around([*values, *([1.0] if one else [])], 1.25)
        few = sizes if len(sizes) > 1 else [sizes[0] / 2, sizes[0] * 2]
        self.x = svg.Log(min(few), max(few), self.left + 14, self.right - 14)
        self.y = svg.Log(low, high, self.bottom - 4, self.top + 4)
        self._axes(sizes)
        self.labels = []

    def _axes(self, sizes):
        for tick in self.y.ticks():
            self.drawing.line([(self.left, self.y(tick)), (self.right, self.y(tick))], svg.GRID)
            self.drawing.text(self.left - 6, self.y(tick) + 4, svg.number_text(tick), 11, svg.FAINT, "end")
        shown, edge = [], -1000.0
        for size in sizes:      # those that leave room
            half = svg.text_width(size_text(size), 11) / 2
            if self.x(size) - half > edge + 4:
                shown.append(size)
                edge = self.x(size) + half
        for size in shown:
            self.drawing.line([(self.x(size), self.bottom), (self.x(size), self.bottom + 4)], svg.FAINT)
            self.drawing.text(self.x(size), self.bottom + 17, size_text(size), 11, svg.FAINT, "middle")
        self.drawing.line([(self.left, self.bottom), (self.right, self.bottom)], svg.FAINT)

    def series(self, points, colour, label, shape, dodge=0.0):
        """points: (size, value, low or None, high or None, filled)."""
        places = [(self.x(size) + dodge, self.y(value)) for size, value, *_ in points]
        self.drawing.line(places, colour, 1.8)
        for (x, y), (_, _, low, high, filled) in zip(places, points):
            if low is not None:
                self.drawing.line([(x, self.y(low)), (x, self.y(high))], colour, 1.2)
            self.drawing.mark(x, y, shape, colour, filled, 3.6)
        self.labels.append((places[-1], colour, label))

    def write_labels(self):
        """At the ends of the lines."""
        heights = svg.spread([y for (_, y), _, _ in self.labels], 15, self.top + 6, self.bottom - 2)
        for ((x, y), colour, label), height in zip(self.labels, heights):
            self.drawing.line([(x + 5, y), (self.right - 2, y), (self.right + 8, height)], colour, 0.7, "2 2")
            self.drawing.text(self.right + 11, height + 4, label, 11, colour)


def by_series(rows):
    """{(test, buffers): rows by size}."""
    found = {}
    for row in rows:
        found.setdefault((row["test"], row["buffers"]), []).append(row)
    return found


def left_panel(drawing, x, y, rows):
    """Both sides of one test."""
    panel = Panel(drawing, x, y, [row["bytes"] for row in rows], [row[side] for row in rows for side in ("without", "with")])
    panel.series([(row["bytes"], row["without"], None, None, True) for row in rows], svg.WITHOUT, "without", "square")
    panel.series([(row["bytes"], row["with"], None, None, True) for row in rows], svg.WITH, "with the library", "circle")
    panel.write_labels()


def ratio_points(rows):
    """Points that may be shown; filled where the interval keeps off 1."""
    return [(row["bytes"], row["ratio"], row["ratio_low"], row["ratio_high"],
             row["ratio_low"] is not None and not row["ratio_low"] <= 1 <= row["ratio_high"]) for row in rows if row["ratio"]]


def right_panel(drawing, x, y, series, plain):
    """Ratios of all. plain: names without the kind of buffers."""
    points = {key: ratio_points(rows) for key, rows in series.items()}
    points = {key: found for key, found in points.items() if found}
    sizes = sorted({row["bytes"] for rows in series.values() for row in rows})
    values = [value for found in points.values() for point in found for value in point[1:4] if value is not None]
    panel = Panel(drawing, x, y, sizes, values, one=True)
    drawing.line([(panel.left, panel.y(1)), (panel.right, panel.y(1))], svg.INK, 1.6)
    for number, ((test, buffers), found) in enumerate(points.items()):
        dodge = 4.0 * (number - (len(points) - 1) / 2)
        panel.series(found, svg.SERIES[number % len(svg.SERIES)], test if plain else f"{test}, {buffers}",
                     svg.MARKS[number % len(svg.MARKS)], dodge)
    panel.write_labels()


def group_rows(drawing, y, rows, group):
    """The two panels of a group. -> y below them."""
    _, tests, title = group
    others = {name for _, names, _ in GROUPS for name in names or ()}
    series = by_series([row for row in rows if (row["test"] in tests if tests else row["test"] not in others)])
    if not series:
        return y
    (test, buffers), first = next(iter(series.items()))
    right = LEFT + (WIDTH - 2 * LEFT + GAP) / 2
    drawing.text(LEFT, y + 14, f"{title}: {test}{f', {buffers} buffers' if tests else ''}" if tests else
                 f"{test}, {title}", 12, weight="bold")
    drawing.text(right, y + 14, "How many times as good with the library (1: no difference)", 12, weight="bold")
    left_panel(drawing, LEFT, y + 28, first)
    right_panel(drawing, right, y + 28, series, not tests)
    return y + 28 + PANEL_HEIGHT + 44


def picture(document):
    """SVG text of what --json writes."""
    rows, said = document["rows"], document["conditions"]
    names = list(dict.fromkeys(row["mpi"] for row in rows))
    drawing = svg.Drawing(WIDTH, "vmonecopy ab: MPI without and with libvmonecopy")
    busy = [note for note in document["notes"] if note.startswith("BUSY")]
    y = svg.head(drawing, "MPI between two virtual machines: without libvmonecopy, and with it", document["emulated"],
                 busy) + 6
    versions = dict(zip(names, said["mpi"].split("; ")))
    for name in names:
        drawing.text(LEFT, y + 14, versions.get(name, name), 14, weight="bold")
        y += 24
        for group in GROUPS:
            y = group_rows(drawing, y, [row for row in rows if row["mpi"] == name], group)
    confidence = max(row["confidence"] for row in rows)
    legend = (f"Ratios: medians of pairs; bars are {100 * confidence:.1f} % intervals by order statistics. Hollow: the interval "
              "holds 1, no difference shown. No point: no bytes went one-copy." if confidence else
              "Ratios: medians of pairs, too few of them for intervals: nothing is shown to differ.")
    kept = [f"{name}: {said[name]}" for name in ("machine", "kernel", "path", "without", "with", "buffers", "waiting", "runs")
            if name in said]
    drawing.height = svg.conditions(drawing, [legend, *kept, *[note for note in document["notes"] if note not in busy][:3]], y + 4) + 10
    return drawing.whole()
