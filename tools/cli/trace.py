# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs an MPI program with the library and its detailed report, and prints who sent how much to whom and how.

    vmonecopy trace -- mpirun -n 4 ./app arguments
    vmonecopy trace --json kept.json -- mpirun -n 4 ./app
    vmonecopy trace --read kept.json

The launcher gets LD_PRELOAD, unless the library is in it, and VMONECOPY_REPORT=json:FILE. Ranks on this host inherit
both; to those of other hosts the launcher must hand them on (Open MPI: -x LD_PRELOAD -x VMONECOPY_REPORT). Rank 0 writes
the report and must be on this host, or see its files.

Times are sums over all ranks. Measuring costs two clock readings for each piece that is copied, staged or mapped: the
run is a little slower than without. Exit status: the program's; 1 where it is 0 but no report came.
"""
import json
import os
import subprocess
import sys
import tempfile

SUMMARY = "who sent how much to whom, and how: the detailed report of one run"
SCHEMA = 1
WAYS = ("onecopy", "staged", "fell_through")
GRID_MOST = 8       # VMs; more are listed by pairs
BAR = 30


def add_options(parser):
    """The options of `vmonecopy trace`."""
    import argparse
    parser.add_argument("--json", metavar="FILE", help="keep the report there")
    parser.add_argument("--read", metavar="FILE", help="print this report of an earlier run; no program is run")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="how the program is started")


def human(count):
    """Bytes for people."""
    value, units = float(count), ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
    while value >= 1024 and len(units) > 1:
        value, _ = value / 1024, units.pop(0)
    return f"{value:.0f} {units[0]}" if units[0] == "B" else f"{value:.1f} {units[0]}"


def seconds(nanoseconds):
    """Times for people."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.1f} {unit}"
    return f"{nanoseconds} ns"


def sent(row):
    """All bytes of a row of the matrix, or of a size."""
    return sum(row[way]["bytes"] for way in WAYS)


def percent(part, whole):
    """A whole number, "-" of nothing; 100 only if it is all."""
    return f"{part * 100 // whole}%" if whole else "-"


def table(rows):
    """Lines of columns: the first to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                      for i, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in rows]


def split(row):
    """The three cells of a row, each its bytes."""
    return [human(row[way]["bytes"]) for way in WAYS]


def names(report):
    """A name for each VM: its domain, and where domains repeat or ranks differ its lowest rank."""
    domids = {vm["vm"]: vm["domid"] for vm in report["vms"]}
    for row in report["matrix"]:
        if row["to"] is not None:
            domids.setdefault(row["to"], row["to_domid"])
    return {vm: f"dom {domid} (rank {vm})" for vm, domid in sorted(domids.items())}


def matrix(report):
    """The matrix: a grid of few VMs, else a list of pairs."""
    vms, rows = names(report), report["matrix"]
    if not rows:
        return ["no large message was sent between VMs of this job"]
    columns = sorted({row["to"] for row in rows if row["to"] is not None}) + [None] * any(r["to"] is None for r in rows)
    label = lambda vm: "other hosts" if vm is None else vms[vm]
    if len(columns) > GRID_MOST:
        lines = [["from -> to", "sent", "one-copy", "staged", "fell through"]]
        lines += [[f"{vms[row['from']]} -> {label(row['to'])}", human(sent(row))] + split(row) for row in rows]
        return table(lines)
    cells = {(row["from"], row["to"]): f"{human(sent(row))} {percent(row['onecopy']['bytes'], sent(row)):>4}"
             for row in rows}
    lines = [["from \\ to"] + [label(to) for to in columns]]
    for start in sorted({row["from"] for row in rows}):
        lines.append([vms[start]] + [cells.get((start, to), ".") for to in columns])
    return ["bytes sent, and how many percent of them by one copy", ""] + table(lines)


def sizes(report):
    """The histogram, a bar for the bytes of each size."""
    rows = report["sizes"]
    most = max((sent(row) for row in rows), default=0)
    lines = [["message size", "messages", "one-copy", "staged", "fell through", ""]]
    for row in rows:
        count = sum(row[way]["messages"] for way in WAYS)
        bar = "#" * (sent(row) * BAR // most if most else 0)
        lines.append([f"{human(row['least'])} and more", str(count)] + split(row) + [bar.ljust(BAR)])
    return table(lines) if rows else []


def rest(report):
    """Reasons, hit rates and times."""
    lines = []
    for reason in report["reasons"].values():
        lines.append(f"fell through: {reason['text']}: {reason['messages']} messages, {human(reason['bytes'])}")
    for name, text in (("pool", "messages in place whose pages were granted already"),
                       ("map", "runs of peers that were mapped already")):
        rate = report["rates"][name]
        if rate["lookups"]:
            lines.append(f"{text}: {percent(rate['hits'], rate['lookups'])} of {rate['lookups']}")
    times = report["times"]
    lines.append("time, all ranks: " + ", ".join(f"{name} {seconds(times[name])}" for name in ("copy", "stage", "substitute", "map"))
                 + f" ({times['clock_reads']} clock readings)")
    return lines


def show(report):
    """The whole report as text."""
    emulated = " on EMULATED Xen" if report["emulated"] else ""
    head = [f"{report['ranks']} ranks{emulated}, libvmonecopy {report['library']}"]
    if not report["active"]:
        return "\n".join(head + [f"INACTIVE: {report['why']}"])
    if not report["complete"]:
        head.append("some pairs of VMs are missing, for want of memory")
    parts = [head, matrix(report), sizes(report), rest(report)]
    unpaired = sent(report["unpaired"])
    if unpaired:
        parts[1] = parts[1] + [f"of no pair of VMs: {human(unpaired)}"]
    return "\n\n".join("\n".join(part) for part in parts if part)


def load(path):
    """The report of a file; None and one line of why."""
    try:
        with open(path, encoding="utf-8") as text:
            report = json.load(text)
        if report["schema"] != SCHEMA:
            raise ValueError(f"its schema is {report['schema']}, this tool knows {SCHEMA}")
        show(report)
        return report
    except OSError as error:
        print(f"vmonecopy trace: {path}: {error.strerror}", file=sys.stderr)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        print(f"vmonecopy trace: {path} is not a report of the library: {error}", file=sys.stderr)
    return None


def run(command, path):
    """Runs the program with its report to that file. -> exit status; None: it cannot be started."""
    from cli import where
    preload = [name for name in os.environ.get("LD_PRELOAD", "").replace(":", " ").split() if name]
    if not any(os.path.basename(name) == "libvmonecopy.so" for name in preload):
        preload.append(where.library())
    environment = dict(os.environ, LD_PRELOAD=":".join(preload), VMONECOPY_REPORT="json:" + path)
    try:
        status = subprocess.run(command, env=environment, check=False).returncode
    except OSError as error:
        print(f"vmonecopy trace: {command[0]}: {error.strerror}", file=sys.stderr)
        return None
    return 128 - status if status < 0 else status


def main(options):
    """-> exit status."""
    if options.read:
        report = load(options.read)
        if report:
            print(show(report))
        return 0 if report else 1
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        print("vmonecopy trace: which program? vmonecopy trace -- mpirun -n 4 ./app", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="vmonecopy-trace-") as folder:
        path = os.path.abspath(options.json) if options.json else os.path.join(folder, "report.json")
        if options.json and os.path.exists(path):
            os.unlink(path)     # an old report must not pass for this run's
        status = run(command, path)
        if status is None:
            return 127
        if not os.path.exists(path):
            print("vmonecopy trace: no report: rank 0 did not get to MPI_Finalize with the library, or is on another host",
                  file=sys.stderr)
            return status or 1
        report = load(path)
        if report:
            print(show(report))
        return status or (0 if report else 1)
