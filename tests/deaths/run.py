#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kills one of two ranks at a random moment of their large messages, many times, and judges what is left.

One death: a job of death.c (2 ranks, 2 emulated domains) runs with the library; its victim, sender or receiver, gets
SIGKILL before a random call, by a timer wherever it is then, or from outside. Clean is a death after which
  1 the job ends in time, with the exit code and the launcher's words that a plain job with such a death ends with;
  2 nothing of the dead is left in the emulated Xen's registry once a new process has come (tests/deaths/registry.c);
  3 /dev/shm holds nothing new but names that the MPI is known to leave (LEFT_BY_MPI), of these very processes;
  4 no process of the job is left;
  5 the next job, in the same XENEMU_DIR, runs right, with one-copy bytes.
The launcher ends most survivors. With survivor=test and =block it does not (MPICH -disable-auto-cleanup, where it must
not see the signal either, so a shell is between; Open MPI --enable-recovery; both with MPI_ERRORS_RETURN): then also
  6 the survivor's own memory is right (death.c) and it comes to its end; a call that the MPI never ends may block it only
    if it does so in a plain job;
  7 while it lives, the registry holds nothing of the dead, and it has no run of the dead mapped any more.

What a death does follows from its seed alone: run.py --seed S --count 1 repeats it.
Launchers now and then lose their last words: Open MPI's those of MPI_Abort in 26 of 200 plain jobs on a loaded machine.
A death that ends otherwise well but with fewer words than a plain job is therefore run again, ATTEMPTS times at most.

--end exit, _exit, return or abort: the victim ends by that, without MPI_Finalize, in place of SIGKILL.
--end offered: SIGKILL after a send whose receive comes later: the survivor gets an error, it does not wait for the dead.
--end report: SIGKILL to rank 0 in MPI_Finalize, while it writes the report: the other, which has no more to do with it,
goes on into the MPI's own MPI_Finalize.
--end stop: nobody dies; ranks are stopped (SIGSTOP) at random and go on a while later; the job must end well.
"""

import argparse
import collections
import copy
import os
import random
import re
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SKIP = 77
LIMIT_S = 60        # of one job, on a loaded machine
GONE_S = 10         # a launcher's helpers end within this time
ATTEMPTS = 4        # at a death whose launcher lost its words
CONTROL_PAGES = 16  # what a survivor may still have mapped of the dead: channel (8 pages) and catalog

# What each MPI leaves in /dev/shm when its ranks are killed, seen without the library.
LEFT_BY_MPI = {
    "mpich": [r"mpich_shar_tmp\w{6}"],
    "openmpi": [r"vader_segment\.HOST\.UID\.[0-9a-f]+\.[01]"],
}

# Ways to run the library, taken at random: all paths of a transfer should meet a death.
MODES = [
    {},
    {},
    {"VMONECOPY_ADMISSION": "1"},
    {"VMONECOPY_SUBSTITUTE": "0"},
    {"VMONECOPY_MAP_BUDGET": "0"},
    {"VMONECOPY_RUN": "64K"},
    {"VMONECOPY_PATIENCE_US": "0"},
]


class Death:
    """The plan of one death; all of it follows from its seed."""

    def __init__(self, seed, mpis, end="kill"):
        draw = random.Random(seed)
        self.end = end
        self.seed = seed
        self.mpi = mpis[seed % len(mpis)]
        self.victim = draw.randrange(2)
        self.flow = draw.choice(["sends", "receives", "both"])
        self.survivor = draw.choice(["none", "none", "none", "test", "test", "block"])
        self.finalize = int(self.survivor == "test" and draw.random() < 0.5)
        self.mode = draw.choice(MODES)
        kind = draw.choice(["call", "timer", "timer", "outside"])
        self.outside_s = draw.uniform(0, 0.4)
        self.how = {"call": f"call:{draw.randint(1, 120)}", "timer": f"timer:{draw.randint(1, 400000)}",
                    "outside": "outside"}[kind]
        if end != "kill":
            self.survivor, self.finalize = "block" if end in ("offered", "report") else "none", 0
            self.how = f"{end}:{draw.randint(1, 120)}"
        if end == "report":
            self.victim = 0

    def arguments(self):
        return [f"seed={self.seed}", f"victim={self.victim}", f"flow={self.flow}", f"how={self.how}",
                f"survivor={self.survivor}", f"finalize={self.finalize}"] + (["turns=40"] if self.end == "stop" else [])

    def kind(self):
        """Plain jobs of the same kind end alike."""
        return self.mpi, self.end, self.victim, self.survivor, self.finalize

    def __str__(self):
        mode = " ".join(f"{k[10:].lower()}={v}" for k, v in self.mode.items())
        return f"{self.seed}: {self.mpi} " + " ".join(self.arguments()[1:]) + (" " + mode if mode else "")


class Place:
    """A fresh directory for one death and what follows it; knows its processes by a mark in their environment."""

    def __init__(self, build):
        self.build = build
        self.path = tempfile.mkdtemp(prefix="vmo-death-")
        os.mkdir(self.file("xen"))
        self.mark = f"VMO_DEATH={self.path}"
        self.gone_s = GONE_S

    def file(self, name):
        return os.path.join(self.path, name)

    def log(self, rank):
        try:
            with open(self.file(f"log.{rank}"), encoding="utf-8") as text:
                return text.read().splitlines()
        except OSError:
            return []

    def environment(self):
        env = {k: v for k, v in os.environ.items() if not re.match(r"VMONECOPY|XENEMU|PMI|OMPI|LD_PRELOAD", k)}
        env.update(VMO_DEATH=self.path, TMPDIR=self.path, XENEMU_DIR=self.file("xen"), XENEMU_LIMIT="32768",
                   OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_mpi_yield_when_idle="1")
        return env

    def processes(self):
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as text:
                    if self.mark.encode() in text.read().split(b"\0"):
                        found.append(int(pid))
            except OSError:
                pass
        return found

    def remove(self):
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        shutil.rmtree(self.path, ignore_errors=True)


def launcher(mpi, survivor):
    """Survivors: without the MPI's own reading of the dead's memory (CMA), at which UCX aborts the reader."""
    if mpi == "mpich":
        lives = ["-disable-auto-cleanup", "-genv", "UCX_TLS", "posix,self"]
        return ["mpiexec.mpich", "-n", "2"] + ([] if survivor == "none" else lives)
    lives = ["--enable-recovery", "--mca", "btl_vader_single_copy_mechanism", "none"]
    return ["mpirun.openmpi", "-n", "2", "--oversubscribe", "--bind-to", "none", "--mca", "pml", "ob1",
            "--mca", "btl", "self,vader,tcp"] + ([] if survivor == "none" else lives)


def start(place, mpi, survivor, arguments, library, mode):
    env = []
    if library:
        env = ["env", "LD_PRELOAD=" + os.path.join(place.build, "libvmonecopy.so"), "VMONECOPY_XEN=emulated",
               "VMONECOPY_REPORT=full"] + [f"{k}={v}" for k, v in mode.items()]
    rank = env + [os.path.join(place.build, "tests", mpi, "death"), place.path] + arguments
    if mpi == "mpich" and survivor != "none":
        rank = ["sh", "-c", 'trap "" USR1; "$@"; exit 0', "sh"] + rank
    command = launcher(mpi, survivor) + rank
    output = open(place.file("output"), "wb")
    return subprocess.Popen(command, env=place.environment(), stdin=subprocess.DEVNULL, stdout=output,
                            stderr=subprocess.STDOUT, start_new_session=True)


def wait_until(condition, seconds):
    """True if it came to hold in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def pid_of(place, rank):
    for line in place.log(rank):
        if line.startswith("pid "):
            return int(line[4:])
    return None


def kill_from_outside(place, job, death):
    ready = lambda: job.poll() is not None or all("ready" in place.log(r) for r in (0, 1))
    wait_until(ready, LIMIT_S)
    time.sleep(death.outside_s)
    pid = pid_of(place, death.victim)
    if pid:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def stop_now_and_then(place, job, death):
    """Stops one rank or the other, for longer than a sender's patience, until the job has ended."""
    draw = random.Random(death.seed + 1)
    limit = time.monotonic() + LIMIT_S
    wait_until(lambda: job.poll() is not None or all("ready" in place.log(r) for r in (0, 1)), LIMIT_S)
    while job.poll() is None and time.monotonic() < limit:
        time.sleep(draw.uniform(0.005, 0.1))
        pid = pid_of(place, draw.randrange(2))
        for number in (signal.SIGSTOP, signal.SIGCONT):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
            time.sleep(draw.uniform(0.005, 0.15) if number == signal.SIGSTOP else 0)


def await_job(place, job, seconds):
    """Its exit code, or None: it had to be stopped."""
    try:
        return job.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        for pid in place.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        job.wait()
        return None


def launchers_words(place):
    """What the launcher says of how the job ended, without what differs from job to job."""
    with open(place.file("output"), encoding="utf-8", errors="replace") as text:
        output = text.read()
    words = re.findall(r"^.*(?:exited on signal|EXIT STRING|EXIT CODE|exit code|exiting improperly|BAD TERMINATION|"
                       r"calling abort|MPI_ABORT|Application called|mpirun has exited).*$", output, re.M)
    return sorted(set(re.sub(r"rank:? \d|PID \d+|node \S+|\[[\w.-]+:\d+\]|@\S+", "#", w).strip() for w in words))


def registry(place, *arguments):
    """Lines of the registry tool as dictionaries."""
    env = dict(place.environment())
    del env["VMO_DEATH"]
    out = subprocess.run([os.path.join(place.build, "tests/deaths/registry"), *arguments], env=env, check=True,
                         stdout=subprocess.PIPE, timeout=60).stdout.decode()
    found = []
    for line in out.splitlines():
        words = line.split()
        if words[0] == "process":
            found.append({"pid": int(words[1]), **{k: int(v) for k, v in zip(words[2::2], words[3::2])}})
    return found


def stack(pid):
    """Where it hangs, for the report."""
    if not shutil.which("gdb"):
        return "(no gdb)"
    out = subprocess.run(["gdb", "-p", str(pid), "-batch", "-ex", "bt"], check=False, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, timeout=60).stdout.decode(errors="replace")
    return " < ".join(re.findall(r"^#\d+ +(?:0x\w+ in )?(\S+)", out, re.M))


def look_at_survivor(place, death, problems, library):
    """It rests: what does the registry say of it and of the dead? Then it may go on."""
    pid = pid_of(place, 1 - death.victim)
    rests = lambda: "rest" in place.log(1 - death.victim) or not os.path.exists(f"/proc/{pid}")
    if not wait_until(rests, LIMIT_S):
        problems.append(f"the survivor does not come to rest: {place.log(1 - death.victim)[-3:]}; it is in {stack(pid)}")
    elif library and "rest" in place.log(1 - death.victim):
        dead = pid_of(place, death.victim)
        path = os.path.join(place.file("xen"), f"xenemu-{os.getuid()}")
        blocked = any(line.startswith("blocked") for line in place.log(1 - death.victim))
        for entry in registry(place, "look", path):
            if entry["pid"] != pid and (entry["live"] or entry["pid"] == dead or entry["grants"] or entry["maps"]):
                problems.append(f"while the survivor lives, the registry holds {entry}")
            if entry["pid"] == pid and not blocked and entry["mapped_pages"] > CONTROL_PAGES:
                problems.append(f"the survivor still maps {entry['mapped_pages']} pages of the dead")
    with open(place.file("go"), "w", encoding="utf-8"):
        pass


class Ending:
    """
    How a job ended, as far as plain jobs and such with the library must end alike. MPICH's launcher, whose ranks are shells
    where a survivor shall live, ends in one of two ways as it pleases, of plain jobs too (1 of 5 and 4 of 5): they are one.
    """
    SHELLS = [(0, []), (1, ["YOUR APPLICATION TERMINATED WITH THE EXIT STRING: Hangup (signal 1)"])]

    def __init__(self, place, death, code, library, problems):
        survivor = place.log(1 - death.victim)
        self.code = code
        self.words = launchers_words(place)
        if death.mpi == "mpich" and death.survivor != "none" and (code, self.words) in self.SHELLS:
            self.code, self.words = self.SHELLS[0]
        self.blocked = [line for line in survivor if line.startswith("blocked in ")]
        if code is None:
            problems.append(f"no end within {LIMIT_S} s")
        if death.end == "stop" and (code or not all("end" in place.log(r) for r in (0, 1))):
            problems.append(f"a job that was stopped now and then ends with exit code {code}")
        for rank in (0, 1):
            problems += [f"rank {rank}: {line}" for line in place.log(rank) if line.startswith("WRONG")]
        if library and death.end == "offered" and self.blocked:
            problems.append("the survivor waits for a message of the dead")
        if death.survivor != "none" and not ("end" in survivor and "memory right" in survivor):
            problems.append(f"the survivor did not come to its end: {survivor[-3:]}")

    def like(self, plain):
        """
        A survivor that waits in blocking calls need not be in the same one as another. In MPI_Finalize the library may not
        wait at all; whether the MPI does varies: Open MPI's fence there now and then does not end when a rank is dead.
        """
        if (self.code, self.words) != (plain.code, plain.words):
            return False
        if self.blocked and self.blocked[0].startswith("blocked in MPI_Finalize"):
            return "library" not in self.blocked[0]
        return not self.blocked or bool(plain.blocked)

    def lost_words(self, plain):
        """Alike, but for words that are missing."""
        return set(self.words) < set(plain.words) and self.with_words(plain.words).like(plain)

    def with_words(self, words):
        """The same ending, had the launcher said this."""
        other = copy.copy(self)
        other.words = words
        return other

    def __str__(self):
        return f"exit code {self.code}, the launcher says {self.words}, {self.blocked or 'not blocked'}"


def run_to_death(place, death, library, problems):
    mode = death.mode
    if death.end == "report":
        os.mkfifo(place.file("report"))
        mode = {**mode, "VMONECOPY_REPORT": "json:" + place.file("report")}
    job = start(place, death.mpi, death.survivor, death.arguments(), library, mode)
    if death.how == "outside":
        kill_from_outside(place, job, death)
    if death.end == "stop":
        stop_now_and_then(place, job, death)
    if death.survivor != "none":
        wait_until(lambda: job.poll() is not None or pid_of(place, 1 - death.victim), LIMIT_S)
        if pid_of(place, 1 - death.victim):
            look_at_survivor(place, death, problems, library)
    code = await_job(place, job, LIMIT_S)
    if not wait_until(lambda: not place.processes(), place.gone_s):
        problems.append(f"processes are left: {place.processes()}")
    return Ending(place, death, code, library, problems)


class Reference:
    """
    How plain jobs end by such deaths. Launchers do not always say the same, so where an ending was not seen yet, up to MOST
    plain jobs are run.
    """
    MOST = 6

    def __init__(self, build):
        self.build, self.seen = build, collections.defaultdict(list)

    def run(self, death):
        problems = []
        plain = Death(death.seed, [death.mpi])
        how = f"{'call' if death.end == 'kill' else death.end}:{20 + 10 * len(self.seen[death.kind()])}"
        plain.__dict__.update(death.__dict__, how=how, flow="both")
        place = Place(self.build)
        try:
            self.seen[death.kind()].append(run_to_death(place, plain, False, problems))
        finally:
            place.remove()
        return [f"a plain job: {plain}: {p}" for p in problems]

    def judge(self, death, ending, problems):
        """Adds what is wrong with it; True if that is no more than lost words."""
        seen = self.seen[death.kind()]
        while not any(ending.like(plain) for plain in seen) and len(seen) < self.MOST:
            problems += self.run(death)
        if any(ending.like(plain) for plain in seen):
            return False
        problems.append(f"it ends so: {ending}; plain jobs: {'; '.join(sorted(set(map(str, seen))))}")
        return any(ending.lost_words(plain) for plain in seen)


def shm():
    return set(os.listdir("/dev/shm"))


def judge_shm(before, place, death, problems):
    known = [p.replace("HOST", re.escape(os.uname().nodename)).replace("UID", str(os.getuid()))
             for p in LEFT_BY_MPI[death.mpi]]
    for name in shm() - before:
        if not any(re.fullmatch(p, name) for p in known):
            problems.append(f"left in /dev/shm: {name}")


def run_next(place, death, problems):
    for name in ("log.0", "log.1"):
        if os.path.exists(place.file(name)):
            os.rename(place.file(name), place.file("dead." + name))
    job = start(place, death.mpi, "none", ["next"], True, {})
    code = await_job(place, job, LIMIT_S)
    with open(place.file("output"), encoding="utf-8", errors="replace") as text:
        output = text.read()
    bytes_pulled = re.search(r"^vmonecopy:   pulled_bytes (\d+)", output, re.M)
    if code != 0 or not bytes_pulled or not int(bytes_pulled.group(1)) or not all("end" in place.log(r) for r in (0, 1)):
        problems.append(f"the next job: exit code {code}: {output[-300:]!r}")
    if os.listdir(place.file("xen")):
        problems.append(f"after the next job XENEMU_DIR holds {os.listdir(place.file('xen'))}")


class Spoil:
    """For a test of this test: leaves one thing behind that a death must not leave."""

    def __init__(self, what, place):
        self.process = None
        if what == "shm":
            with open("/dev/shm/vmo-left", "w", encoding="utf-8"):
                pass
        if what == "process":
            self.process = subprocess.Popen(["sleep", "60"], env=place.environment())
            place.gone_s = 2
        if what == "registry":
            env = dict(place.environment())
            del env["VMO_DEATH"]
            self.process = subprocess.Popen([os.path.join(place.build, "tests/deaths/registry"), "hold",
                                             os.path.join(place.build, "libxenemu.so")], env=env)
            wait_until(lambda: os.listdir(place.file("xen")), 20)

    def end(self):
        if self.process:
            self.process.kill()
            self.process.wait()


def one(death, build, reference, private, what=""):
    """What is wrong after this death: a list, empty if it was clean."""
    for number in range(ATTEMPTS):
        problems, lost_words = attempt(death, build, reference, private, "mute" if what == "words" and not number else what)
        if not lost_words:
            break
    return problems


def attempt(death, build, reference, private, what):
    """What is wrong after this death, and whether that is no more than that the launcher lost words."""
    problems, lost_words = [], False
    before = shm() if private else None
    place = Place(build)
    spoil = Spoil(what, place)
    try:
        ending = run_to_death(place, death, True, problems)
        lost_words = reference.judge(death, ending.with_words([]) if what == "mute" else ending, problems)
        if private:
            judge_shm(before, place, death, problems)
        for entry in registry(place, "sweep", os.path.join(build, "libxenemu.so")):
            problems.append(f"the registry still holds {entry}")
        run_next(place, death, problems)
        if private:
            judge_shm(before, place, death, problems)
            for name in shm() - before:
                os.unlink(os.path.join("/dev/shm", name))
        lost_words = lost_words and len(problems) == 1
        if problems:
            with open(place.file("output"), encoding="utf-8", errors="replace") as text:
                problems.append("log: " + str([place.log(r)[-4:] for r in (0, 1)]) + " output: " + repr(text.read()[-500:]))
    finally:
        spoil.end()
        place.remove()
    return problems, lost_words


def inside(options, mpis):
    """A worker, in a mount namespace of its own where that is allowed: every --jobs-th death."""
    private = options.private and subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/dev/shm"], check=False,
                                                 stderr=subprocess.DEVNULL).returncode == 0
    reference = Reference(options.build)
    bad = 0
    for i in range(options.worker, options.count, options.jobs):
        death = Death(options.seed + i, mpis, options.end)
        problems = one(death, options.build, reference, private, options.spoil)
        bad += bool(problems)
        print(f"{'FAILED' if problems else 'clean'} {death}", flush=True)
        for problem in problems:
            print(f"    {problem}", flush=True)
    return 1 if bad else 0


def unsharing():
    """A command that gives a mount namespace, or []."""
    for command in (["unshare", "-m"], ["unshare", "-r", "-m"]):
        if shutil.which("unshare") and subprocess.run(command + ["mount", "-t", "tmpfs", "tmpfs", "/dev/shm"], check=False,
                                                      stderr=subprocess.DEVNULL).returncode == 0:
            return command
    return []


def spawn(options, worker, namespace):
    command = namespace + [sys.executable, os.path.abspath(__file__), "--build", options.build, "--count", str(options.count),
                           "--seed", str(options.seed), "--mpi", options.mpi, "--jobs", str(options.jobs), "--end", options.end, "--spoil", options.spoil,
                           "--worker", str(worker)]
    return subprocess.Popen(command + (["--private"] if namespace else []), stdout=subprocess.PIPE, text=True)


def gather(options, namespace):
    """All workers' lines as they come; counts them."""
    counts = collections.Counter()
    selector = selectors.DefaultSelector()
    workers = [spawn(options, w, namespace) for w in range(options.jobs)]
    for worker in workers:
        selector.register(worker.stdout, selectors.EVENT_READ)
    while selector.get_map():
        for key, _ in selector.select():
            line = key.fileobj.readline()
            if not line:
                selector.unregister(key.fileobj)
                continue
            counts[line.split()[0]] += not line.startswith(" ")
            if options.verbose or not line.startswith("clean"):
                print(line, end="", flush=True)
            elif sum((counts["clean"], counts["FAILED"])) % 50 == 0:
                print(f"{counts['clean']} clean, {counts['FAILED']} not", flush=True)
    return counts, max(worker.wait() for worker in workers)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--count", type=int, default=500, help="deaths")
    parser.add_argument("--seed", type=int, default=1, help="of the first one; the others' follow")
    parser.add_argument("--mpi", default="mpich,openmpi")
    parser.add_argument("--jobs", type=int, default=1, help="deaths at one time")
    parser.add_argument("--end", default="kill", choices=["kill", "exit", "_exit", "return", "abort", "offered", "report", "stop"])
    parser.add_argument("--spoil", default="", choices=["", "shm", "process", "registry", "mute", "words"],
                        help="leave such a thing behind, or a launcher without a word: it must be noticed; words: it loses "
                        "them only once, which must not be noticed")
    parser.add_argument("-v", "--verbose", action="store_true", help="a line for each death")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--private", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    mpis = [m for m in options.mpi.split(",") if os.path.exists(os.path.join(options.build, "tests", m, "death"))
            and shutil.which(launcher(m, "none")[0])]
    if not mpis:
        print("skipped: no MPI's program death is built")
        return SKIP
    options.mpi = ",".join(mpis)
    if options.worker is not None:
        return inside(options, mpis)
    namespace = unsharing()
    if not namespace:
        print("no new mount namespace here: what is left in /dev/shm is not looked at")
    print(f"{options.count} deaths ({options.end}), seeds {options.seed} to {options.seed + options.count - 1}, {options.mpi}", flush=True)
    counts, status = gather(options, namespace)
    print(f"{counts['clean']} of {options.count} deaths clean")
    return 0 if counts["clean"] == options.count and not status else 1


if __name__ == "__main__":
    sys.exit(main())
