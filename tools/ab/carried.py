# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the library says at the end of a job that it carried: never a guess, and never more than it says.

The report comes from rank 0 on stderr, where other ranks' words may stand before it on the same line. Its one line says the
bytes to three digits, which is what runs that are timed are asked for: more of a report costs time in each message.
"""
import re
from collections import Counter
from dataclasses import dataclass

COUNTER = re.compile(r"vmonecopy: +(onecopy_bytes|staged_bytes|fell_through_bytes|edge_bytes|bounced_bytes) (\d+)\b")
LINE = re.compile(r"vmonecopy: (\d+) ranks, ([\d.]+) (\w+) sent in large messages"
                  r"(?:: ([\d.]+) % one-copy, ([\d.]+) % staged, ([\d.]+) % fell through[^\n]*)?")
INACTIVE = re.compile(r"vmonecopy: INACTIVE: ([^\n]*)")
UNITS = {"bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40, "PiB": 1 << 50}


@dataclass(frozen=True)
class Carried:
    """Bytes of large messages of one run, all its jobs and ranks together."""
    reports: int            # jobs that reported; 0: the library was not there, or came to no end
    inactive: tuple         # why it did nothing, its own words
    onecopy_bytes: int
    staged_bytes: int       # copied twice
    fell_through_bytes: int
    emulated: bool
    line: str = ""          # the last report, its own words

    @property
    def large_bytes(self):
        """All that the library could have carried."""
        return self.onecopy_bytes + self.staged_bytes + self.fell_through_bytes

    def why_nothing(self):
        """Why no byte went one-copy, for a line that says so."""
        if self.inactive:
            return self.inactive[0]
        if not self.reports:
            return ("it printed no report: it did not reach the ranks (a static program, a launcher that keeps its "
                    "environment to itself), or stderr does not come here; VMONECOPY_LOG=info tells more")
        if not self.large_bytes:
            return "the program sent no message as large as VMONECOPY_THRESHOLD from VM to VM"
        return f"it says: {self.line}"


def honest(counters):
    """Bytes that were copied twice within one-copy messages (partial pages, bounces) count as staged."""
    one = counters.get("onecopy_bytes", 0)
    twice = min(one, counters.get("edge_bytes", 0) + counters.get("bounced_bytes", 0))
    return {**counters, "onecopy_bytes": one - twice, "staged_bytes": counters.get("staged_bytes", 0) + twice}


def _from_lines(lines):
    """Bytes from the one-line reports, to their three digits, where there are no counters."""
    sums = Counter()
    for _, number, unit, *shares in lines:
        for name, share in zip(("onecopy_bytes", "staged_bytes", "fell_through_bytes"), shares):
            sums[name] += int(float(number) * UNITS.get(unit, 0) * float(share or 0) / 100)
    return sums


def from_text(text):
    """Of a run's stderr."""
    counters = Counter()
    for name, value in COUNTER.findall(text):
        counters[name] += int(value)
    found = list(LINE.finditer(text))
    sums = honest(counters) if counters else _from_lines(match.groups() for match in found)
    inactive = tuple(INACTIVE.findall(text))
    return Carried(len(found) + len(inactive), inactive, sums.get("onecopy_bytes", 0), sums.get("staged_bytes", 0),
                   sums.get("fell_through_bytes", 0), "[EMULATED Xen]" in text,
                   found[-1][0].removeprefix("vmonecopy: ") if found else "")
