# SPDX-License-Identifier: LGPL-2.1-or-later
"""The picture of `ab -- COMMAND`: each run's wall time, each pair's ratio; medians and intervals over them."""
from . import svg

WIDTH, LEFT, NAMES, ROW = 900, 24, 150, 76


def _strip(drawing, y, scale, values, estimate, colour, shape):
    """One row of dots, its median and interval below them."""
    for number, value in enumerate(values):
        drawing.mark(scale(value), y + (-12, -6, 0)[number % 3], shape, colour, False, 3.6)
    below = y + 16
    if estimate["low"] is not None:
        drawing.line([(scale(estimate["low"]), below), (scale(estimate["high"]), below)], colour, 4)
    drawing.line([(scale(estimate["median"]), below - 8), (scale(estimate["median"]), below + 8)], colour, 2.5)


def _axis(drawing, scale, top, bottom, unit):
    ticks = scale.ticks()
    for tick in ticks:
        drawing.line([(scale(tick), top), (scale(tick), bottom)], svg.GRID)
        drawing.text(scale(tick), bottom + 16, svg.number_text(tick), 11, svg.FAINT, "middle")
    drawing.text(scale.end, bottom + 32, unit, 11, svg.FAINT, "end")


def _plain(estimate, unit):
    return {name: estimate[name + unit] for name in ("median", "low", "high")}


def _times(drawing, y, document):
    """-> y below."""
    pairs = document["pairs"]
    longest = max(pair[side] for pair in pairs for side in ("without_s", "with_s"))
    scale = svg.Linear(0.0, longest * 1.05, LEFT + NAMES, WIDTH - 40)
    _axis(drawing, scale, y, y + 2 * ROW, "wall time of the command, seconds")
    for number, (side, colour, shape) in enumerate((("without", svg.WITHOUT, "square"), ("with", svg.WITH, "circle"))):
        middle = y + ROW * (number + 0.5)
        estimate = _plain(document[side], "_s")
        drawing.text(LEFT, middle + 2, f"{side} the library", 13, colour, weight="bold")
        drawing.text(LEFT, middle + 19, f"median {estimate['median']:.3g} s", 11, svg.FAINT)
        _strip(drawing, middle, scale, [pair[f"{side}_s"] for pair in pairs], estimate, colour, shape)
    return y + 2 * ROW + 46


def _ratio(drawing, y, document):
    """-> y below."""
    if document["ratio"] is None:
        drawing.text(LEFT, y + 14, "No ratio: the library carried no bytes one-copy.", 12, weight="bold")
        return y + 30
    ratios = [pair["ratio"] for pair in document["pairs"]]
    low, high = svg.around([*ratios, 0.8, 1.25], 1.1)
    scale = svg.Log(low, high, LEFT + NAMES, WIDTH - 40)
    _axis(drawing, scale, y, y + ROW, "without / with, of each pair (above 1: quicker with the library)")
    drawing.line([(scale(1), y), (scale(1), y + ROW)], svg.INK, 1.6)
    drawing.text(LEFT, y + ROW / 2 + 2, "ratio", 13, weight="bold")
    drawing.text(LEFT, y + ROW / 2 + 19, f"median {document['ratio']['median']:.2f}", 11, svg.FAINT)
    _strip(drawing, y + ROW / 2, scale, ratios, document["ratio"], svg.SERIES[0], "diamond")
    return y + ROW + 46


def picture(document):
    """SVG text of what --json writes."""
    said = document["conditions"]
    drawing = svg.Drawing(WIDTH, "vmonecopy ab: " + said["command"])
    y = svg.head(drawing, said["command"] if len(said["command"]) < 150 else said["command"][:150] + "...",
                 document["emulated"], [document["sentence"], document["carried"]])
    y = _ratio(drawing, _times(drawing, y + 12, document), document)
    interval = document["ratio"] and document["ratio"]["confidence"]
    legend = ("Each mark is a run, or a pair of them. Upright stroke: median"
              + (f"; thick line: its {100 * interval:.1f} % interval by order statistics." if interval else "."))
    kept = [f"{name}: {said[name]}" for name in ("launcher", "machine", "kernel", "without", "with", "transport", "runs")
            if name in said]
    drawing.height = svg.conditions(drawing, [legend, *kept, *document["notes"]], y + 4) + 10
    return drawing.whole()
