# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks a report of report_pairs.c: report_json.py FILE MODE. See report_json.sh."""
import json
import sys

WAYS = ("onecopy", "staged", "fell_through")
MIB, KIB64 = 1 << 20, 64 << 10


def check(condition, text):
    if not condition:
        sys.exit(f"{sys.argv[2]}: {text}")


def total(rows, way, what):
    return sum(row[way][what] for row in rows)


with open(sys.argv[1], encoding="utf-8") as text:
    report = json.load(text)
check(report["schema"] == 1 and report["ranks"] == 4 and report["emulated"] is True, "head")
if sys.argv[2] == "inactive":
    check(report["active"] is False and "one VM" in report["why"], f"why: {report['why']}")
    check(not report["matrix"] and not report["sizes"], "it says that something was sent")
    sys.exit(0)
check(report["active"] is True and report["why"] is None and report["complete"] is True, "active")
pairs = {(row["from"], row["to"]): row for row in report["matrix"]}
check(sorted(pairs) == [(0, 0), (0, 1), (1, 0), (1, 1)], f"pairs of VMs: {sorted(pairs)}")
check([(vm["vm"], vm["domid"]) for vm in report["vms"]] == [(0, 1), (1, 2)], f"VMs: {report['vms']}")
for (start, to), row in pairs.items():
    check(row["to_domid"] == to + 1, f"{start} to {to}: domain {row['to_domid']}")
    messages, sent = sum(row[w]["messages"] for w in WAYS), sum(row[w]["bytes"] for w in WAYS)
    if start == to:
        check(messages == 10 and sent == row["fell_through"]["bytes"] == 10 * MIB, f"within VM {start}: {row}")
    else:
        check(messages == 26 and sent == 20 * MIB + 6 * KIB64, f"{start} to {to}: {row}")
        check(row["onecopy"]["bytes"] > 0 and row["fell_through"]["bytes"] == 0, f"{start} to {to}: {row}")
sizes = {row["least"]: row for row in report["sizes"]}
check(sum(sizes[MIB][w]["messages"] for w in WAYS) == 60, f"messages of 1 MiB: {sizes[MIB]}")
check(sizes[MIB]["most"] == 2 * MIB - 1, "the range of 1 MiB")
check(sum(sizes[KIB64][w]["messages"] for w in WAYS) >= 12, f"messages of 64 KiB: {sizes[KIB64]}")
rows = report["matrix"] + [report["unpaired"]]
for way in WAYS:
    check(total(rows, way, "bytes") == report["bytes"][way],
          f"{way}: the pairs have {total(rows, way, 'bytes')} bytes, the job {report['bytes'][way]}")
    check(total(rows, way, "messages") == total(report["sizes"], way, "messages"), f"{way}: messages of pairs and sizes")
    # what a receiver copied once more moves from one-copy to staged in the pairs; its size nobody knows
    if not report["counters"]["bounced_bytes"]:
        check(total(report["sizes"], way, "bytes") == report["bytes"][way], f"{way}: bytes of sizes")
check(report["unpaired"]["fell_through"]["bytes"] == report["reasons"]["nonblocking_collective"]["bytes"] > 0, "unpaired")
check(report["reasons"]["same_vm"]["bytes"] == 20 * MIB and report["calls"]["MPI_Sendrecv"] == 72, "reasons and calls")
times = report["times"]
check(min(times["copy"], times["stage"], times["clock_reads"]) > 0, f"times: {times}")
check(0 < report["rates"]["pool"]["hits"] < report["rates"]["pool"]["lookups"], f"rates: {report['rates']}")
if sys.argv[2] == "unmapped":
    check(report["counters"]["bounced_bytes"] == 12 * KIB64, f"bounced: {report['counters']['bounced_bytes']}")
    check(report["counters"]["grant_copy_bytes"] > 0 and report["rates"]["map"]["lookups"] == 0, "it was mapped")
else:
    check(times["map"] > 0 and report["rates"]["map"]["hits"] > 0, f"map: {times}, {report['rates']}")
