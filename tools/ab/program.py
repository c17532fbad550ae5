# SPDX-License-Identifier: LGPL-2.1-or-later
"""Any program, without the library and with it: pairs of runs, each pair in random order.

A pair is one run of each side right after the other, so that what else the machine does falls on both; the ratio is
taken within the pair. Half of the pairs begin with one side, half with the other, shuffled. Warm-up pairs come first
and are judged like the others (exit status, output, bytes carried), but not counted.

"Without" means that the library is not in LD_PRELOAD; with --inert it is there and switched off (VMONECOPY=0).
"""
import contextlib
import os
import shlex
import shutil
import tempfile
import time
from dataclasses import dataclass

from . import CannotRun, WrongResult, carried, jobs, launcher, machine, measure, outputs, plans, verdict

SIDES = ("without", "with")
LEAST_LIMIT_SECONDS = 60.0
LIMIT_FACTOR = 10           # a run may take so many times the longest one without the library
FIRST_LIMIT_SECONDS = 86400.0
EMULATED = {"VMONECOPY_XEN": "emulated", "XENEMU_LIMIT": "32768"}
# Both ranks on one host, but as far from each other as two VMs: no shared memory.
OVER_TCP = {"MPIR_CVAR_NOLOCAL": "1", "UCX_TLS": "tcp,self", "UCX_NET_DEVICES": "lo", "OMPI_MCA_pml": "ob1",
            "OMPI_MCA_btl": "tcp,self", "OMPI_MCA_btl_tcp_if_include": "lo"}


@dataclass(frozen=True)
class Run:
    """One run of one side."""
    seconds: float
    output: "outputs.Output | None"
    carried: carried.Carried


class Sides:
    """Command line and environment of each side."""

    def __init__(self, options, scratch):
        self.command = options.program
        self.launcher = launcher.find(self.command)
        self.tcp = OVER_TCP if options.over_tcp else {}
        plain = {**launcher.without_ours(os.environ), **self.tcp}
        own = {name: value for name, value in os.environ.items() if name.startswith(("VMONECOPY", "XENEMU_"))}
        emulated = {**EMULATED, "XENEMU_DIR": scratch} if options.emulated else {}
        self.preloads = launcher.appended(plain.get("LD_PRELOAD"), options.library)
        library = {**emulated, **own, "LD_PRELOAD": self.preloads, "VMONECOPY_REPORT": "line"}
        self.shown = {name: value for name, value in library.items() if name != "XENEMU_DIR"}
        inert = {**library, "VMONECOPY": "0"} if options.inert else {}
        self.of = {"without": self._side(plain, inert), "with": self._side(plain, library)}

    def hand_on_here_only(self):
        """A launcher inside a script has -x of its own, and refuses our parameter beside it. -> was ours set?"""
        before = self.of
        own = {name: os.environ[name] for name in (launcher.ENV_LIST,) if name in os.environ}
        self.of = {side: (command, {**{name: value for name, value in environment.items() if name != launcher.ENV_LIST}, **own})
                   for side, (command, environment) in before.items()}
        return self.of != before

    def _side(self, plain, extra):
        if not extra:
            return self.command, plain
        return launcher.forward(self.launcher, self.command, {**plain, **extra}, list(extra))


def last_words(text):
    """The end of a job's stderr, in one line."""
    lines = [line for line in text.splitlines() if line.strip() and set(line.strip()) != {"-"}]
    return measure.shorten("\n".join(lines[-12:])) or "it said nothing on stderr"


class Runner:
    """Runs, judges each at once, and keeps what is needed to judge the next."""

    def __init__(self, options, sides, scratch):
        self.options, self.sides, self.scratch = options, sides, scratch
        self.compare = outputs.chosen(options.compare)
        self.longest = {side: 0.0 for side in SIDES}
        self.plain_outputs = []     # the first two
        self.notes = []     # what a reader must know

    def limit(self):
        """Seconds that the next run may take."""
        if self.options.limit:
            return self.options.limit
        longest = self.longest["without"]
        return max(LEAST_LIMIT_SECONDS, LIMIT_FACTOR * longest) if longest else FIRST_LIMIT_SECONDS

    def run(self, side):
        """One run, judged. -> Run. CannotRun or WrongResult where no comparison is to be had."""
        command, environment = self.sides.of[side]
        paths = [os.path.join(self.scratch, name) for name in ("stdout", "stderr")]
        limit = self.limit()
        self.compare.before()
        with contextlib.ExitStack() as stack:
            files = [stack.enter_context(open(name, mode)) for name, mode in
                     zip([self.options.stdin or os.devnull, *paths], ("rb", "wb", "wb"))]
            try:
                status, timed_out, _, seconds = jobs.run_into(command, environment, limit, files)
            except OSError as reason:
                raise CannotRun(f"{command[0]}: {reason.strerror}: give a command that runs without ab") from reason
        with open(paths[1], encoding="utf-8", errors="replace") as file:
            stderr = file.read()
        if status != self.options.status and "mca_base_env_list" in stderr and self.sides.hand_on_here_only():
            self.notes.append("the command's own launcher has -x: ranks on other hosts have the library only if it names it")
            return self.run(side)
        self._judge_end(side, status, timed_out and limit, stderr)
        report = carried.from_text(stderr)
        self._judge_report(side, report)
        self.longest[side] = max(self.longest[side], seconds)
        return Run(seconds, self._judge_output(side, self.compare.after(paths[0])), report)

    def _judge_end(self, side, status, timed_out_at, stderr):
        wanted = self.options.status
        if not timed_out_at and status == wanted:
            return
        how = f"no end within {timed_out_at:.0f} s" if timed_out_at else f"exit status {status}, not {wanted}"
        if side == "without":
            raise CannotRun(f"the command fails without the library: {how}: {last_words(stderr)}")
        raise WrongResult(f"{how} with the library, but {wanted} without, in {self.longest['without']:.1f} s: "
                          f"{last_words(stderr)}")

    def _judge_report(self, side, report):
        if side == "without" and report.reports and not self.options.inert:
            raise CannotRun("the library is there in the run without it: leave it out of the command, ab puts it in")
        if side == "with" and not report.onecopy_bytes and not self.options.anyway:
            raise WrongResult(f"no speed-up to show: the library carried no bytes one-copy: {report.why_nothing()} "
                              "(--anyway measures what its presence costs)")

    def _judge_output(self, side, output):
        if output is None:
            return None
        if side == "without" and len(self.plain_outputs) < 2:
            output = outputs.keep(output, os.path.join(self.scratch, f"plain{len(self.plain_outputs)}"))
            self.plain_outputs.append(output)
        first = self.plain_outputs[0]
        if output.sha256 == first.sha256:
            return output
        parts = outputs.difference(first, output)
        if side == "without":
            raise CannotRun(f"the output differs from run to run without the library, so it cannot be compared: {parts}: "
                            "use --compare with a command that leaves out times and sorts, or with file:PATH, or none")
        if len(self.plain_outputs) < 2:     # is it the library, or does it always differ?
            kept = outputs.keep(output, os.path.join(self.scratch, "differing"))
            self.run("without")
            parts = outputs.difference(first, kept)
        raise WrongResult(f"the output differs with the library: {parts}; two runs without it gave the same")


def measured(options, runner):
    """All pairs. -> [verdict.Pair], without the warm-up ones."""
    # The very first run is one without the library: a command that fails by itself is found out at once.
    order = ["without"] * options.warmup + plans.first_sides(options.pairs, SIDES, options.seed)
    progress, pairs = measure.Progress(2 * len(order)), []
    try:
        for number, first in enumerate(order):
            runs = {}
            for side in plans.pair(first, SIDES):
                warm = number < options.warmup
                progress.show(f"{'warm-up' if warm else f'pair {number - options.warmup + 1} of {options.pairs}'}, "
                              f"{side} the library")
                runs[side] = runner.run(side)
            if not warm:
                pairs.append(verdict.Pair(first, runs["without"], runs["with"]))
    finally:
        progress.clear()
    return pairs


def conditions(options, sides, runner):
    """Ordered pairs (name, text)."""
    by = sides.launcher
    without = "the library preloaded, but switched off (VMONECOPY=0)" if options.inert else "the library not preloaded"
    return {
        "command": shlex.join(options.program),
        "launcher": by.version,
        **machine.host(),
        "without": without,
        "with": " ".join(f"{name}={shlex.quote(value)}" for name, value in sides.shown.items()),
        **({"transport": "TCP over loopback on both sides: " + " ".join(f"{n}={v}" for n, v in OVER_TCP.items())}
           if options.over_tcp else {}),
        "runs": f"{options.pairs} pairs in random order (seed {options.seed}) after {options.warmup} for warming up; wall "
                "time of the whole command",
        "output": runner.compare.meaning,
        "intervals": verdict.METHOD,
    }


def refuse(options):
    """Commands that would not be measured as asked."""
    words = " ".join(options.program)
    if "libvmonecopy" in words or any(os.path.basename(word) == "vmonecopy" for word in options.program):
        raise CannotRun("the command brings the library itself: leave it out, ab puts it into one side of each pair")
    if not shutil.which(options.program[0]):
        raise CannotRun(f"{options.program[0]}: no such command")
    if options.stdin and not os.path.isfile(options.stdin):
        raise CannotRun(f"--stdin {options.stdin}: no such file")
    if not os.path.exists(options.library):
        raise CannotRun(f"{options.library} is missing: run `make`, or give --library")


def compare(options):
    """Measure, print, write. WrongResult where nothing went one-copy."""
    refuse(options)
    parent = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"vmo-ab-{os.getpid()}-") as scratch, \
            tempfile.TemporaryDirectory(prefix=f"vmo-ab-{os.getpid()}-", dir=parent) as domains:
        sides = Sides(options, domains)
        runner = Runner(options, sides, scratch)
        head = conditions(options, sides, runner)
        print("\n".join(["vmonecopy ab", *verdict.head_lines(head)]), flush=True)
        pairs = measured(options, runner)
    notes = [*runner.notes, *machine.busy_note(), f"took {time.monotonic() - start:.0f} s, load {machine.load():.2f} at the end"]
    verdict.present(options, verdict.Result(pairs, options.confidence / 100, head, notes))
