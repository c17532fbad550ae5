# SPDX-License-Identifier: LGPL-2.1-or-later
"""What may be said of the pairs: estimates, the verdict and its words, the table, JSON and CSV."""
from collections import Counter
from dataclasses import dataclass

from . import WrongResult, files, intervals, plot_pairs, report

METHOD = intervals.METHOD
EMULATED_NOTE = "EMULATED Xen: one kernel; the ratio shows the protocol, not a hypervisor"


@dataclass(frozen=True)
class Pair:
    """One run of each side (program.Run)."""
    first: str
    without: object
    with_: object

    @property
    def ratio(self):
        """How many times as long it took without."""
        return self.without.seconds / self.with_.seconds


class Result:
    """All pairs, and what follows from them."""

    def __init__(self, pairs, confidence, conditions, notes):
        self.pairs, self.conditions, self.notes, self.wanted = pairs, conditions, notes, confidence
        self.without = intervals.estimate([pair.without.seconds for pair in pairs], confidence)
        self.with_ = intervals.estimate([pair.with_.seconds for pair in pairs], confidence)
        self.ratio = intervals.estimate([pair.ratio for pair in pairs], confidence)
        sums = Counter()
        for pair in pairs:
            for name in ("onecopy_bytes", "staged_bytes", "fell_through_bytes"):
                sums[name] += getattr(pair.with_.carried, name)
        self.bytes = dict(sums)
        self.emulated = any(pair.with_.carried.emulated for pair in pairs)

    @property
    def carried(self):
        """Did the library carry bytes in each run? Where it did not, no speed-up is its doing."""
        return all(pair.with_.carried.onecopy_bytes for pair in self.pairs)

    @property
    def verdict(self):
        """One of: no interval, no difference shown, slower, no bytes one-copy, quicker."""
        if self.ratio.low is None:
            return "no interval"
        if not self.ratio.excludes(1.0):
            return "no difference shown"
        if self.ratio.high < 1:
            return "slower"
        return "quicker" if self.carried else "no bytes one-copy"

    @property
    def ratio_shown(self):
        """Not where it would look like a speed-up that is none."""
        return self.carried or self.verdict == "slower"


def head_lines(conditions):
    """Above the table."""
    width = max(map(len, conditions))
    return [f"  {name.ljust(width)}  {text}" for name, text in conditions.items()]


def seconds_text(value):
    """Milliseconds are the last that matter, below a tenth of a second a tenth of them."""
    return f"{value:.3f}" if value >= 0.1 else f"{value:.4f}"


def interval_text(estimate, text):
    """Low to high."""
    return "-" if estimate.low is None else f"{text(estimate.low)} to {text(estimate.high)}"


def share_text(result):
    """Where the bytes of large messages went."""
    total = sum(result.bytes.values())
    if not total:
        return "no large messages from VM to VM"
    shares = ", ".join(f"{100 * result.bytes[name] / total:.1f} % {said}" for name, said in
                       (("onecopy_bytes", "one-copy"), ("staged_bytes", "staged"), ("fell_through_bytes", "fell through")))
    return f"{report.bytes_text(total / len(result.pairs))} in large messages each run: {shares}"


def sentence(result):
    """The verdict in words."""
    ratio, number = result.ratio, len(result.pairs)
    between = f"{100 * ratio.confidence:.1f} % confidence interval {interval_text(ratio, _two)}"
    if result.verdict == "no interval":
        return (f"no difference shown: {number} pairs give no {100 * result.wanted:g} % interval: "
                f"use --pairs {intervals.samples_needed(result.wanted)} or more")
    if result.verdict == "no bytes one-copy":
        return "no speed-up to show: the library carried no bytes one-copy"
    if result.verdict == "quicker":
        return f"{ratio.median:.2f} times as quick with the library ({between})"
    if result.verdict == "slower":
        return f"SLOWER with the library: {1 / ratio.median:.2f} times the time (without / with: {between})"
    return f"no difference shown ({between} of without / with, which holds 1)" if result.ratio_shown else \
        "no difference shown, and no bytes went one-copy"


def _two(value):
    return f"{value:.2f}"


def table_lines(result):
    """Medians, intervals, extremes."""
    confidence = f"{100 * result.ratio.confidence:.1f} % interval" if result.ratio.confidence else "interval"
    table = [["wall time, s", "median", confidence, "least", "greatest"]]
    for name, estimate, values in (("without", result.without, [pair.without.seconds for pair in result.pairs]),
                                   ("with", result.with_, [pair.with_.seconds for pair in result.pairs])):
        table.append([name, seconds_text(estimate.median), interval_text(estimate, seconds_text),
                      seconds_text(min(values)), seconds_text(max(values))])
    ratios = [pair.ratio for pair in result.pairs]
    table.append(["without / with", *([_two(result.ratio.median), interval_text(result.ratio, _two), _two(min(ratios)),
                                       _two(max(ratios))] if result.ratio_shown else ["-"] * 4)])
    return report.align(table)


def output_text(result):
    """What was the same."""
    output = result.pairs[0].without.output
    if output is None:
        return "output not compared"
    return f"output the same in all runs: {output.bytes} bytes, SHA-256 {output.sha256[:16]}..."


def lines(result):
    """Below the head."""
    return ["", *table_lines(result), "", sentence(result), share_text(result), output_text(result),
            *([EMULATED_NOTE] if result.emulated else []), *result.notes]


def _estimate_json(estimate, unit):
    return {"median" + unit: round(estimate.median, 6), "confidence": round(estimate.confidence, 4),
            "low" + unit: estimate.low and round(estimate.low, 6), "high" + unit: estimate.high and round(estimate.high, 6)}


def rows(result):
    """One for each pair, as JSON and CSV have them."""
    for number, pair in enumerate(result.pairs, 1):
        yield {"pair": number, "first": pair.first, "without_s": round(pair.without.seconds, 6),
               "with_s": round(pair.with_.seconds, 6),
               "ratio": round(pair.ratio, 6) if result.ratio_shown else None,
               "onecopy_bytes": pair.with_.carried.onecopy_bytes, "staged_bytes": pair.with_.carried.staged_bytes,
               "fell_through_bytes": pair.with_.carried.fell_through_bytes, "emulated": int(result.emulated)}


def document(result):
    """The JSON."""
    output = result.pairs[0].without.output
    return {"schema": 1, "kind": "program", "emulated": result.emulated, "verdict": result.verdict,
            "sentence": sentence(result), "carried": share_text(result), "method": METHOD,
            "without": _estimate_json(result.without, "_s"), "with": _estimate_json(result.with_, "_s"),
            "ratio": _estimate_json(result.ratio, "") if result.ratio_shown else None, "bytes": result.bytes,
            "output": output and {"sha256": output.sha256, "bytes": output.bytes}, "pairs": list(rows(result)),
            "conditions": result.conditions, "notes": result.notes}


def present(options, result):
    """Print, write files; WrongResult where nothing went one-copy, after all that was measured is said."""
    print("\n".join(lines(result)), flush=True)
    made = document(result)
    if options.json:
        files.write(options.json, files.json_text(made))
    if options.csv:
        files.write(options.csv, files.csv_text(list(rows(result))))
    if options.svg:
        files.write(options.svg, plot_pairs.picture(made))
    if not result.carried:
        raise WrongResult("no speed-up to show: the library carried no bytes one-copy: "
                          + result.pairs[0].with_.carried.why_nothing())
