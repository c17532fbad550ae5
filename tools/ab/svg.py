# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a plot needs of SVG: a drawing, scales with legible ticks, labels that keep off each other. Knows no figures.

Colours can be told apart by colour-blind readers and are dark enough for text on white; nothing is said by colour alone.
"""
import math
from xml.sax.saxutils import escape

INK, FAINT, GRID = "#222222", "#666666", "#dddddd"
WITHOUT, WITH = "#D55E00", "#0072B2"
SERIES = ("#007A5A", "#AA3377", "#444444", "#8A6D00", "#332288", "#0F7FA8", "#B0304A", "#6A4C00", "#117733")
MARKS = ("circle", "square", "diamond", "triangle")
FONT = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif"
EM = 0.62       # width of a letter, of the font size; rather too wide


def text_width(text, size):
    """About, in pixels."""
    return len(text) * size * EM


def wrapped(text, width, size):
    """The text in lines of at most so many pixels."""
    lines, line = [], ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and text_width(longer, size) > width:
            lines.append(line)
            longer = word
        line = longer
    return lines + [line] if line else lines


class Drawing:
    """Elements in order of painting; height grows as the caller says."""

    def __init__(self, width, title):
        self.width, self.height, self.title, self.parts = width, 0, title, []

    def text(self, x, y, words, size=12, colour=INK, anchor="start", weight="normal", turn=0):
        """One line of text."""
        rotate = f' transform="rotate({turn} {x:.1f} {y:.1f})"' if turn else ""
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}" '
                          f'font-weight="{weight}"{rotate}>{escape(words)}</text>')

    def line(self, points, colour=INK, width=1.0, dash=""):
        """Straight or broken line through points."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"{dashes} '
                          'stroke-linejoin="round"/>')

    def box(self, x, y, width, height, fill, opacity=1.0):
        """A filled rectangle."""
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}" '
                          f'fill-opacity="{opacity}"/>')

    def mark(self, x, y, shape, colour, filled=True, size=4.0):
        """A point of a series."""
        fill = colour if filled else "#ffffff"
        style = f'fill="{fill}" stroke="{colour}" stroke-width="1.5"'
        corners = {"square": ((-1, -1), (1, -1), (1, 1), (-1, 1)), "diamond": ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)),
                   "triangle": ((0, -1.3), (1.2, 1), (-1.2, 1))}.get(shape)
        if corners:
            path = " ".join(f"{x + size * 0.9 * a:.1f},{y + size * 0.9 * b:.1f}" for a, b in corners)
            self.parts.append(f'<polygon points="{path}" {style}/>')
        else:
            self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size}" {style}/>')

    def whole(self):
        """The SVG."""
        return "\n".join([
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width:.0f}" height="{self.height:.0f}" '
            f'viewBox="0 0 {self.width:.0f} {self.height:.0f}" font-family="{FONT}">',
            f"<title>{escape(self.title)}</title>",
            f'<rect width="{self.width:.0f}" height="{self.height:.0f}" fill="#ffffff"/>', *self.parts, "</svg>", ""])


class Log:
    """A logarithmic axis from low to high, drawn from begin to end (pixels)."""

    def __init__(self, low, high, begin, end):
        self.low, self.high, self.begin, self.end = low, high, begin, end

    def __call__(self, value):
        share = math.log(min(max(value, self.low), self.high) / self.low) / math.log(self.high / self.low)
        return self.begin + share * (self.end - self.begin)

    def ticks(self, most=7):
        """1, 2, 5 by decade; 1 alone where that would be more than fits; round steps where it would be too few."""
        for steps in ((1, 2, 5), (1, 3), (1,)):
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            found = [step * 10.0 ** decade for decade in decades for step in steps
                     if self.low * 0.999 <= step * 10.0 ** decade <= self.high * 1.001]
            if len(found) <= most:
                break
        return found if len(found) > 2 else round_steps(self.low, self.high, most)


def round_steps(low, high, most):
    """Multiples of a round number from low to high."""
    raw = (high - low) / most
    decade = 10.0 ** math.floor(math.log10(raw))
    step = next(step * decade for step in (1, 2, 5, 10) if step * decade >= raw * 0.999)
    return [round(number * step, 12) for number in range(math.ceil(low / step - 1e-9), int(high / step + 1e-9) + 1)]


class Linear(Log):
    """The same, linear."""

    def __call__(self, value):
        return self.begin + (min(max(value, self.low), self.high) - self.low) / (self.high - self.low) * (self.end - self.begin)

    def ticks(self, most=6):
        """At round steps."""
        return round_steps(self.low, self.high, most)


def around(values, room=1.15):
    """(low, high) of a logarithmic axis that holds these, with some room."""
    return min(values) / room, max(values) * room


def number_text(value):
    """20000 -> 20,000; 0.5."""
    return f"{value:,.0f}" if value >= 1 and value == int(value) else f"{value:g}"


def spread(places, gap, low, high):
    """Heights of labels, as near to the wanted ones as a gap between any two allows. In the order given."""
    order = sorted(range(len(places)), key=lambda number: places[number])
    heights = [places[number] for number in order]
    for number in range(1, len(heights)):
        heights[number] = max(heights[number], heights[number - 1] + gap)
    if heights:
        heights[-1] = min(heights[-1], high)
    for number in range(len(heights) - 2, -1, -1):
        heights[number] = min(heights[number], heights[number + 1] - gap)
    shift = max(0.0, low - heights[0]) if heights else 0.0
    result = [0.0] * len(places)
    for number, height in zip(order, heights):
        result[number] = height + shift
    return result


def conditions(drawing, lines, y, size=10):
    """Wrapped lines of small print. -> y below them."""
    for text in lines:
        for line in wrapped(text, drawing.width - 48, size):
            drawing.text(24, y, line, size, FAINT)
            y += size + 4
    return y


def head(drawing, title, emulated, said=()):
    """Title, what the picture says, and EMULATED where it is. -> y below."""
    y = 34
    for line in wrapped(title, drawing.width - 48, 17):
        drawing.text(24, y, line, 17, weight="bold")
        y += 22
    for text in said:
        for line in wrapped(text, drawing.width - 48, 12):
            drawing.text(24, y, line, 12)
            y += 17
    if emulated:
        drawing.text(24, y + 2, "EMULATED Xen: one kernel. The ratios show the protocol, not a hypervisor.", 12, WITHOUT,
                     weight="bold")
        y += 20
    return y
