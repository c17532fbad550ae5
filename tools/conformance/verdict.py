# SPDX-License-Identifier: LGPL-2.1-or-later
"""Did a run pass? By the rules of the suite's own runner (runtests), once the library's report is taken out.

Usual rule: the job ends with status 0, says "No Errors" at least once, and nothing else on either stream: a
warning of the library fails a test. Testers that print verdicts of their own (scalapack.py) leave a fingerprint:
all those lines, which must be the same with the library as without it.
"""
import re

REPORT = re.compile(r"^vmonecopy: (?:\d+ ranks|INACTIVE|  ).*\n?", re.MULTILINE)
COUNTER = re.compile(r"^vmonecopy:   ([a-z_]+) (\d+)$", re.MULTILINE)
FELL = re.compile(r"^vmonecopy:   fell_through\.\w+ (\d+) messages", re.MULTILINE)
KEPT_COUNTERS = ("onecopy_messages", "onecopy_bytes", "staged_messages", "staged_bytes", "late_bytes", "refusals")
OWN_VERDICT = re.compile(r"PASS|FAIL|test.*(?:pass|fail|skip)|skipped", re.IGNORECASE)
TIMES = re.compile(r"\b\d+\.\d+(?:E[+-]?\d+)?\b")
GOOD = re.compile(r"^\s*(No [Ee]rrors|Test Passed)\s*$")


def counters(stderr):
    """What the library counted in a run; all of a mode's runs are added up in the end."""
    found = {name: 0 for name in KEPT_COUNTERS}
    for name, value in COUNTER.findall(stderr):
        if name in found:
            found[name] += int(value)
    found["fell_through_messages"] = sum(map(int, FELL.findall(stderr)))
    return found


def fingerprint(stdout):
    """The testers' own verdicts, without times, in an order that does not matter."""
    return sorted(TIMES.sub("*", " ".join(line.split())) for line in stdout.splitlines() if OWN_VERDICT.search(line))


def _usual(status, output):
    lines = [line for line in output.splitlines() if "FORTRAN STOP" not in line]
    odd = [line for line in lines if not GOOD.match(line)]
    if odd:
        return "said: " + next((line for line in odd if line.strip()), "an empty line").strip()[:160]
    if not any("rrors" in line for line in lines):
        return "did not say No Errors" + (f", exit status {status}" if status else "")
    return f"exit status {status}" if status else None


def _must_fail(status, _output):
    return None if status else "exit status 0, but it must fail"


def _must_fail_well(status, output):
    return _must_fail(status, output) or (None if re.search(r"^\s*No [Ee]rrors", output, re.M) else "no No Errors")


def _own(status, output):
    if status:
        return f"exit status {status}"
    return None if re.search("PASS", output, re.IGNORECASE) else "no test of its own passed"


RULES = {"": _usual, "TestStatus": _must_fail, "TestErrFatal": _must_fail, "TestStatusNoErrors": _must_fail_well,
         "own": _own}


def reason(rule, finished, limit):
    """Why a run failed, in one line; None: it passed."""
    if finished.timed_out:
        return f"no end within {limit} s"
    output = finished.stdout + REPORT.sub("", finished.stderr)
    why = RULES[rule](finished.status, output)
    if why and rule == "" and finished.status and not why.startswith(("exit", "did")):
        why += f" (exit status {finished.status})"
    return why
