# SPDX-License-Identifier: LGPL-2.1-or-later
"""Run the MPICH test suite and ScaLAPACK's testers without the library and with it, and print what differs.

Fetches and builds the suite first (build/conformance). What is known is kept there, so an interrupted run goes
on where it was; results with the library count as long as the library is the same.

Modes: plain, onecopy, detach (modes.py). Exit status: 0 no test fails only with the library, and the plain MPI
fails what lists/plain.txt says; 1 otherwise; 2 cannot run.
"""
import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import time

from ab import jobs, machine

from . import CannotRun, fetch, lists, modes, report, scalapack, testlist
from . import build as suite_build
from .judge import Judge
from .pool import Pool
from .results import Results

TOOLS = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
SUITES = (*testlist.SUITES, scalapack.SUITE)
SAY_SECONDS = 60


def parser():
    """Its options."""
    found = argparse.ArgumentParser(prog="conformance", description=__doc__,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    add = found.add_argument
    add("--mpi", metavar="NAMES", default="", help="mpich, openmpi or both, by comma (those installed)")
    add("--suite", metavar="NAMES", default="", help=f"of {', '.join(SUITES)}, by comma (all)")
    add("--mode", metavar="NAMES", default="", help=f"of {', '.join(modes.MODES)}, by comma (all); plain comes first "
        "wherever it is not known yet")
    add("--only", metavar="REGEX", default="", help="tests whose name matches")
    add("--quick", action="store_true", help="the tests of lists/quick.txt")
    add("--jobs", type=int, metavar="N", default=2, help="runs at a time (%(default)s)")
    add("--fresh", action="store_true", help="forget what is known of the chosen tests in the chosen modes")
    add("--json", metavar="PATH", help="where to write the results (DIR/conformance.json for a run of everything)")
    add("--build", metavar="DIR", default=os.environ.get("VMO_BUILD", os.path.join(os.path.dirname(TOOLS), "build")),
        help="where make built (%(default)s)")
    return found


def chosen_names(text, there, option):
    """Names by comma, all by default."""
    names = [name for name in text.split(",") if name] or list(there)
    unknown = set(names) - set(there)
    if unknown:
        raise CannotRun(f"{option}: {', '.join(sorted(unknown))}: there are {', '.join(there)}")
    return [name for name in there if name in names]


class Campaign:
    """One MPI's tests, all suites."""

    def __init__(self, mpi, options, source, folder, library):
        self.mpi, self.known = mpi, lists.plain_failures(mpi)
        self.build = suite_build.configured(mpi, source, folder) if source else folder
        self.results = Results(os.path.join(folder, "results"), mpi, modes.version(mpi), library.digest)
        self.suites = {suite: self._tests(suite, source, options) for suite in options.suites}
        self.judge = Judge(mpi, self.build, library.path, library.yielding, self.known, self.results)

    def _tests(self, suite, source, options):
        """Those chosen by name."""
        found = scalapack.tests_of(self.mpi) if suite == scalapack.SUITE else \
            testlist.tests_of(suite, source, self.build, self.mpi)
        out, quick = lists.left_out(self.mpi), lists.quick()
        return [test for test in found if re.search(options.only, test.name) and not out(test.name)
                and (not options.quick or quick(test.name))]

    def tests(self):
        """All of them, in order."""
        return [test for tests in self.suites.values() for test in tests]

    def pending(self, chosen):
        """What is not known yet."""
        return [test for test in self.tests() if not self.results.get("plain", test.name)
                or any(not self.results.get(mode, test.name) for mode in chosen)]

    def build_what_is_missing(self):
        """Programs of tests that plain has not run. Some did not build before: perhaps they do now."""
        records = {test: self.results.get("plain", test.name) for test in self.tests() if test.suite != scalapack.SUITE}
        unbuilt = [test for test, record in records.items() if record and record["verdict"] == "unbuilt"]
        suite_build.make(self.mpi, self.build, [test for test, record in records.items() if not record] + unbuilt,
                         os.cpu_count() or 1)
        for test in unbuilt:
            if suite_build.is_built(self.build, test):
                for mode in modes.MODES:
                    self.results.forget(mode, test.name)

    def passes(self, chosen):
        """What came out."""
        return [report.make_pass(self.mpi, suite, mode, tests, self.results, "plain")
                for suite, tests in self.suites.items() if tests for mode in chosen]


class Library:
    """What is preloaded."""

    def __init__(self, build, folder):
        self.path = os.path.join(build, "libvmonecopy.so")
        self.digest = modes.digest(build)
        self.yielding = os.path.join(folder, "yield.so")
        source = os.path.join(os.path.dirname(os.path.realpath(__file__)), "yield.c")
        subprocess.run(["gcc", "-O2", "-fPIC", "-shared", "-o", self.yielding, source], check=True, timeout=60)


def with_progress(campaign, chosen, pending):
    """Examinations, one after the other; now and then a line says how far it is."""
    said = time.monotonic()
    for number, test in enumerate(pending):
        if time.monotonic() - said > SAY_SECONDS:
            said = time.monotonic()
            print(f"{campaign.mpi.name}: {number} of {len(pending)} tests begun", flush=True)
        yield campaign.judge.examination(test, chosen)


def work(campaigns, chosen, options):
    """Build and run what is pending."""
    for campaign in campaigns:
        if options.fresh:
            for test in campaign.tests():
                for mode in chosen:
                    campaign.results.forget(mode, test.name)
        campaign.build_what_is_missing()
        pending = campaign.pending(chosen)
        if not pending:
            continue
        print(f"{campaign.mpi.name}: {len(pending)} of {len(campaign.tests())} tests are to be run", flush=True)
        Pool(options.jobs).work_off(with_progress(campaign, chosen, pending))


def present(campaigns, chosen, options, library, began):
    """Differences, table, file, counts; the exit status."""
    passes = [one for campaign in campaigns for one in campaign.passes(chosen)]
    errors, words, wrong_lists = [], [], 0
    for campaign in campaigns:
        wrong, more = report.list_errors(campaign.mpi, campaign.passes(["plain"]), campaign.known)
        errors, words, wrong_lists = errors + wrong, words + more, wrong_lists + bool(wrong)
    print("\n".join([*report.table(passes), f"emulated Xen, each rank its own VM; {modes.YIELD_NOTE}",
                     f"took {time.monotonic() - began:.0f} s, load {machine.load():.2f} at the end", *words, *errors,
                     *report.differences(passes)]))
    passed, failed, skipped = report.closing(passes, len(campaigns), wrong_lists)
    if options.json:
        report.write_json(options.json, passes, {
            "emulated": True, "quick": options.quick, "library": library.digest, "kernel": platform.release(),
            "cores": os.cpu_count(), "yield": modes.YIELD_NOTE, "list_errors": errors, "passed": passed,
            "failed": failed, "skipped": skipped})
        print(f"written: {options.json}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


def run(options):
    """All of it."""
    began = time.monotonic()
    options.build = os.path.abspath(options.build)
    options.suites = chosen_names(options.suite, SUITES, "--suite")
    chosen = chosen_names(options.mode, modes.MODES, "--mode")
    everything = not (options.suite or options.mode or options.mpi or options.only or options.quick)
    if everything and not options.json:
        options.json = os.path.join(options.build, "conformance.json")
    if not shutil.which("apt-get"):
        raise CannotRun("no apt-get: the suite comes from Debian's source package")
    folder = os.path.join(options.build, "conformance")
    os.makedirs(folder, exist_ok=True)
    library = Library(options.build, folder)
    mpis = modes.find_mpis([name for name in options.mpi.split(",") if name])
    source = fetch.suite_source(folder) if set(options.suites) - {scalapack.SUITE} else None
    campaigns = [Campaign(mpi, options, source, folder, library) for mpi in mpis]
    work(campaigns, chosen, options)
    return present(campaigns, chosen, options, library, began)


def main():
    """Returns the exit status."""
    options = parser().parse_args()
    jobs.catch_signals()
    try:
        return run(options)
    except CannotRun as reason:
        print(f"conformance: cannot run: {reason}", file=sys.stderr)
        return 2
    except jobs.Interrupted as signal:
        print(f"conformance: ended by {signal}; what is known is kept, the next run goes on from here", file=sys.stderr)
        return 128 + signal.signum
