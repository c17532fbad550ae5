# SPDX-License-Identifier: LGPL-2.1-or-later
"""Looks at a job of random programs from outside: what it holds of the emulated Xen, and what is left of it."""
import os
import re
import subprocess
import threading

EVERY_S = 0.5
GROWTH = 1.15   # the random programs are of all sizes: a later one may need more than all before it


class Watch:
    """
    Samples what all processes of a job hold, until the job has ended. The registry is read as it stands, while the job
    changes it: a sample may be of two moments, so single ones mean little; the greatest ones are judged.
    """

    def __init__(self, build, process, scratch):
        self.registry = os.path.join(build, "tests/deaths/registry")
        self.process, self.scratch = process, scratch
        self.file = os.path.join(scratch, f"xenemu-{os.getuid()}")
        self.samples = []	# (grants, mapped pages) of the whole job
        self.left = []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self):
        while not self.over.wait(EVERY_S):
            if os.path.exists(self.file):
                text = subprocess.run([self.registry, "look", self.file], stdout=subprocess.PIPE, check=False,
                                      timeout=60).stdout.decode()
                held = [tuple(map(int, m)) for m in re.findall(r"grants (\d+) maps \d+ mapped_pages (\d+)", text)]
                if held:
                    self.samples.append(tuple(map(sum, zip(*held))))

    def end(self, job):
        """At the job's end, before its directory goes."""
        self.over.set()
        self.thread.join()
        self.left = [name for name in os.listdir(self.scratch) if name.startswith("xenemu")]
        job.samples, job.left = self.samples, self.left


class Steady:
    """What jobs of one kind had resident and granted in the middle and in the last third of their seeds."""

    def __init__(self):
        self.jobs = self.left = 0
        self.kib = [0, 0]       # middle and last third: the greatest of a job's ranks together
        self.grants = [0, 0]

    def add(self, job):
        if job.words:
            return	# it failed: that is reported as such
        self.jobs += 1
        self.left += len(getattr(job, "left", []))
        memory = [job.memory[seed] for seed in sorted(job.memory)]
        grants = [grants for grants, _ in getattr(job, "samples", [])]
        for values, seen in ((memory, self.kib), (grants, self.grants)):
            third = len(values) // 3
            if third:
                seen[0] = max(seen[0], *values[third:-third])
                seen[1] = max(seen[1], *values[-third:])

    def grown(self, slack_kib):
        """What is not flat, in words: a list."""
        found = []
        if self.kib[1] > self.kib[0] * GROWTH + slack_kib:
            found.append(f"memory grows from {self.kib[0]} KiB to {self.kib[1]} KiB")
        if self.grants[1] > self.grants[0] * GROWTH + slack_kib // 4:
            found.append(f"grants grow from {self.grants[0]} to {self.grants[1]} pages")
        return found
