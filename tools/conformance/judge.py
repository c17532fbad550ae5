# SPDX-License-Identifier: LGPL-2.1-or-later
"""One test through the modes, and what its runs mean.

    plain       pass; fail; unbuilt; flaky (some of its runs failed)
    with the library
                pass
                fail        it failed in most of its runs and plain passed: the library's fault, until shown otherwise
                unsteady    it failed once, then passed in most of its runs; or a tester's own verdicts were not those
                            that plain got first, but plain gets them too, now and then: said, counted as passed
                plain_fails plain failed too, or before, so that this was not run: nothing is learnt of the library

What fails is run twice more, alone on the machine, and so is plain before a failure is put to the library's account.
What the list says is flaky fails by chance, and by chance more often with the library: plain gets more runs then.
"""
from . import build as suite_build
from .pool import Run

MOST_SECONDS = 60           # of a plain run; one that takes longer is run only once more
HANG_SECONDS = 15           # of a plain run that is known to hang
LEAST_SECONDS = 30          # of a run with the library; or more, so many times what plain took
TIMES_PLAIN = 8
LONGEST_SECONDS = 200
RETRIES = 2
VARIED = 9                  # runs of plain at most, to see whether it varies by itself: a tester's verdicts, what is flaky


class Judge:
    """For one MPI."""

    def __init__(self, mpi, build, library, yielding, known_failures, results):
        self._mpi, self._build, self._library, self._yielding = mpi, build, library, yielding
        self._known, self._results = known_failures, results

    def examination(self, test, chosen):
        """A generator for pool.Pool: yields Runs, gets Outcomes, remembers verdicts. Plain is always known first."""
        if not self._results.get("plain", test.name):
            yield from self._plain(test)
        for mode in chosen:
            if mode != "plain" and not self._results.get(mode, test.name):
                yield from self._with_library(mode, test)

    def _run(self, mode, test, limit, alone=False):
        program = suite_build.program(self._build, test)
        return Run(self._mpi, mode, test, limit, alone, program, self._library, self._yielding)

    def _plain(self, test):
        """Runs, unless one is enough: it passed, or fails as listed. Else once or twice more, alone."""
        how = self._known.get(test.name)
        if not suite_build.is_built(self._build, test):
            self._results.put("plain", test.name, _record("unbuilt", []))
            return
        limit = HANG_SECONDS if how == "hangs" else min(test.seconds, MOST_SECONDS)
        outcomes = [(yield self._run("plain", test, limit))]
        listed = how in ("fails", "hangs")
        while bool(outcomes[-1].reason) != listed and len(outcomes) <= RETRIES - outcomes[0].timed_out:
            outcomes.append((yield self._run("plain", test, limit, alone=True)))
        failed = sum(bool(outcome.reason) for outcome in outcomes)
        verdict = "pass" if not failed else "fail" if failed == len(outcomes) else "flaky"
        self._results.put("plain", test.name, _record(verdict, outcomes))

    def _with_library(self, mode, test):
        plain = self._results.get("plain", test.name)
        if plain["verdict"] in ("fail", "unbuilt"):
            self._results.put(mode, test.name, _record("plain_fails", []))
            return
        limit = int(max(LEAST_SECONDS, min(TIMES_PLAIN * plain["seconds"], LONGEST_SECONDS)))
        seen, outcomes = [plain["fingerprint"]], [(yield self._run(mode, test, limit))]
        while _compared(outcomes[0], seen).reason and len(outcomes) <= RETRIES:
            outcomes.append((yield self._run(mode, test, 2 * limit, alone=True)))
        verdict = _verdict(outcomes, seen)
        if verdict == "fail" and _varied(outcomes, seen):
            verdict = yield from self._plain_varies(test, outcomes, seen, limit)
        elif verdict == "fail" and (yield from self._plain_fails_now(test, plain, outcomes, limit)):
            verdict = "plain_fails"
        self._results.put(mode, test.name, _record(verdict, [_compared(outcome, seen[:1]) for outcome in outcomes]))

    def _plain_fails_now(self, test, plain, outcomes, limit):
        """
        Does plain fail in most of its runs, with two more of them, alone? Of what is known to be flaky: half as often as with
        the library, in nine more. Where both fail in 4 of 10 runs, this blames the library once in over 100.
        """
        failed = int(plain["verdict"] == "flaky")
        if self._known.get(test.name) == "flaky":
            enough, runs = (sum(bool(outcome.reason) for outcome in outcomes) + 1) // 2, VARIED
        else:
            enough, runs = RETRIES // 2 + 1, RETRIES
        for _ in range(runs):
            if failed >= enough:
                break
            failed += bool((yield self._run("plain", test, limit, alone=True)).reason)
        return failed >= enough

    def _plain_varies(self, test, outcomes, seen, limit):
        """Does plain get these verdicts of a tester too, in further runs, alone? What it gets is added to seen."""
        for _ in range(VARIED):
            outcome = yield self._run("plain", test, limit, alone=True)
            if not outcome.reason:
                seen.append(outcome.fingerprint)
            if _verdict(outcomes, seen) != "fail":
                return "unsteady"
        return "fail"


def _compared(outcome, seen):
    """A tester's own verdicts must be such as plain got."""
    if outcome.reason or outcome.fingerprint in seen:
        return outcome
    ours = [line for line in outcome.fingerprint if line not in seen[0]]
    return outcome._replace(reason=f"other verdicts than plain: {' | '.join(ours)[:300] or 'fewer'}")


def _verdict(outcomes, seen):
    failed = sum(bool(_compared(outcome, seen).reason) for outcome in outcomes)
    return "pass" if not failed else "unsteady" if failed <= RETRIES / 2 else "fail"


def _varied(outcomes, seen):
    """Would it not fail but for a tester's verdicts?"""
    return _verdict(outcomes, seen + [outcome.fingerprint for outcome in outcomes]) != "fail"


def _record(verdict, outcomes):
    failed = [outcome for outcome in outcomes if outcome.reason]
    passed = [outcome for outcome in outcomes if not outcome.reason]
    sums = {}
    for outcome in outcomes:
        for name, value in outcome.counters.items():
            sums[name] = sums.get(name, 0) + value
    return {"verdict": verdict, "reasons": [outcome.reason for outcome in outcomes],
            "seconds": round(max([outcome.seconds for outcome in outcomes], default=0), 2), "counters": sums,
            "fingerprint": (passed or outcomes or [None])[0].fingerprint if outcomes else [],
            "tail": failed[0].tail if failed else ""}
