# SPDX-License-Identifier: LGPL-2.1-or-later
"""Feeds the conformance tool's rules with made-up runs. Exit status 0 or, with a traceback, 1."""
import os
import sys
import tempfile

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))

from ab import jobs  # noqa: E402 (needs the path above)
from conformance import judge, lists, modes, pool, report, results, testlist, verdict  # noqa: E402

REPORT = "vmonecopy: 2 ranks, 64 bytes sent in large messages: 100.0 % one-copy [EMULATED Xen]\n" \
         "vmonecopy:   onecopy_messages 3\nvmonecopy:   fell_through.no_slot 2 messages 200 bytes\n"


def same(found, wanted):
    """Equal, or the test fails here."""
    assert found == wanted, f"{found!r} is not {wanted!r}"


def verdicts_of_a_run():
    """By the rules of the suite's own runner."""
    def why(rule, status, stdout, stderr="", timed_out=False):
        return verdict.reason(rule, jobs.Finished(status, stdout, stderr, timed_out, False), 60)

    same(why("", 0, " No Errors\n", REPORT), None)
    for failed in (why("", 1, " No Errors\n"), why("", 0, ""), why("", 0, " No Errors\nFound 1 errors\n"),
                   why("", 0, " No Errors\n", "vmonecopy[1]: something is wrong\n"),
                   why("", 0, " No Errors\n", timed_out=True), why("TestStatus", 0, ""), why("own", 0, "nothing"),
                   why("own", 1, "1 tests PASSED")):
        assert failed, "a failed run passed"
    same(why("TestStatus", 1, "", "MPI_Abort was called"), None)
    same(why("own", 0, "  3 tests completed and passed residual checks.\n"), None)
    counted = verdict.counters(REPORT)
    same((counted["onecopy_messages"], counted["fell_through_messages"]), (3, 2))


def lines_of_the_lists():
    """A testlist's line, and that this folder's lists are understood."""
    same(testlist.parse("# nothing", "pt2pt", "pt2pt"), None)
    same(testlist.parse("!util:all", "pt2pt", "pt2pt"), None)
    test = testlist.parse("timeout 4 arg=-a arg=7 env=X=1 timeLimit=10 resultTest=TestErrFatal strict=false", "i", "i/b")
    same((test.name, test.ranks, test.seconds, test.result, test.strict),
         ("i/b/timeout 4 -a 7 X=1", 4, 10, "TestErrFatal", False))
    same(testlist.parse("sendself", "pt2pt", "pt2pt").ranks, 2)
    for mpi in modes.KNOWN:
        assert lists.plain_failures(mpi) and lists.left_out(mpi)("comm/ic2 33")
    assert lists.quick()("pt2pt/sendrecv2 2")


def judged(plain, onecopy, known="", fingerprints=("", "")):
    """The verdicts (plain, onecopy) of a test whose runs end as these letters say: p passed, f failed, t timed out,
    o passed with the other one's own verdicts."""
    test = testlist.parse("echo", "pt2pt", "pt2pt")
    with tempfile.TemporaryDirectory() as folder:
        os.makedirs(os.path.join(folder, "pt2pt"))
        program = os.path.join(folder, "pt2pt", "echo")
        with open(program, "w", encoding="utf-8"):
            os.chmod(program, 0o755)
        kept = results.Results(folder, modes.KNOWN[0], "1", "2")
        one = judge.Judge(modes.KNOWN[0], folder, "lib", "yield", {test.name: known} if known else {}, kept)
        letters = {"plain": list(plain), "onecopy": list(onecopy)}
        examination, outcome = one.examination(test, ["plain", "onecopy"]), None
        try:
            while True:
                run = examination.send(outcome)
                letter = letters[run.mode].pop(0)
                outcome = pool.Outcome(None if letter in "po" else "bad", 1.0, {"onecopy_messages": 1},
                                       [fingerprints[(run.mode != "plain") ^ (letter == "o")]], "", letter == "t")
        except StopIteration:
            pass
        same(letters, {"plain": [], "onecopy": []})
        again = results.Results(folder, modes.KNOWN[0], "1", "2")   # as the next run would find them
        other = results.Results(folder, modes.KNOWN[0], "1", "3")   # and after a change of the library
        assert other.get("plain", test.name) and not other.get("onecopy", test.name)
        return again.get("plain", test.name)["verdict"], again.get("onecopy", test.name)["verdict"]


def verdicts_of_a_test():
    """Who is to blame."""
    same(judged("p", "p"), ("pass", "pass"))
    same(judged("ppp", "fff"), ("pass", "fail"))
    same(judged("ppf", "fff"), ("pass", "fail"))
    same(judged("pff", "fff"), ("pass", "plain_fails"))
    same(judged("ppp", "fpf"), ("pass", "fail"))
    same(judged("p", "fpp"), ("pass", "unsteady"))
    same(judged("fff", ""), ("fail", "plain_fails"))
    same(judged("tt", ""), ("fail", "plain_fails"))
    same(judged("f", "", known="fails"), ("fail", "plain_fails"))
    same(judged("fp", "p"), ("flaky", "pass"))
    same(judged("fppf", "fff"), ("flaky", "plain_fails"))
    same(judged("fppp", "fff"), ("flaky", "fail"))
    same(judged("pf", "p", known="fails"), ("flaky", "pass"))
    same(judged("ppp", "p", known="fails"), ("pass", "pass"))
    same(judged("p" + "ppppf", "ffp", known="flaky"), ("pass", "plain_fails"))
    same(judged("p" + "pfppf", "fff", known="flaky"), ("pass", "plain_fails"))
    same(judged("p" + "pfppppppp", "fff", known="flaky"), ("pass", "fail"))
    same(judged("p" + judge.VARIED * "p", "ffp", known="flaky"), ("pass", "fail"))
    same(judged("fp" + "pf", "fff", known="flaky"), ("flaky", "plain_fails"))
    differ = ("3 passed", "2 passed")
    same(judged("p" + judge.VARIED * "p", "ppp", fingerprints=differ), ("pass", "fail"))
    same(judged("ppfpo", "ppp", fingerprints=differ), ("pass", "unsteady"))     # plain's vary by themselves
    same(judged("p", "poo", fingerprints=differ), ("pass", "unsteady"))
    same(judged("ppp", "pff", fingerprints=differ), ("pass", "fail"))


def sums_of_a_pass():
    """A failure of the library's is printed, counted, and in the file's list; a wrong list of plain failures too."""
    def passes(mode, verdict_now):
        tests = {"pt2pt/echo 2": {"verdict": verdict_now, "reasons": ["bad"], "counters": {}, "tail": ""}}
        one = report.Pass("mpich", "pt2pt", mode, tests)
        one.plain_fails = []
        return [one]

    same(report.closing(passes("onecopy", "fail"), 1, 0), (1, 1, 0))
    same(report.closing(passes("onecopy", "plain_fails"), 1, 0), (1, 0, 1))
    same(report.differences(passes("onecopy", "fail")), ["FAILED   mpich onecopy pt2pt/echo 2: 1 of 1 runs: bad"])
    mpich = modes.KNOWN[0]
    same([bool(part) for part in report.list_errors(mpich, passes("plain", "fail"), {})], [True, False])
    same([bool(part) for part in report.list_errors(mpich, passes("plain", "fail"), {"pt2pt/echo 2": "fails"})],
         [False, False])
    same([bool(part) for part in report.list_errors(mpich, passes("plain", "pass"), {"pt2pt/echo 2": "fails"})],
         [True, False])
    same([bool(part) for part in report.list_errors(mpich, passes("plain", "pass"), {"pt2pt/echo 2": "flaky"})],
         [False, True])


for check in (verdicts_of_a_run, lines_of_the_lists, verdicts_of_a_test, sums_of_a_pass):
    check()
print("ok")
