# SPDX-License-Identifier: LGPL-2.1-or-later
"""What `vmonecopy doctor` found, and how it is told.

    PASS  xen.limit  16384 pages: 64 MiB for this VM
    WARN  preload.order  libjemalloc.so.2 comes before the library: all is staged
          fix: LD_PRELOAD=libvmonecopy.so:libjemalloc.so.2

Names are stable: scripts and documents refer to them. SKIP: not looked at, and why.
"""
import os
import subprocess

PASS, WARN, FAIL, SKIP = "PASS", "WARN", "FAIL", "SKIP"
SCHEMA = 1
MIB = 1 << 20
PAGES_PER_MIB = 256


class Checks:
    """Results in the order in which they were found."""

    def __init__(self):
        self.list = []

    def add(self, name, status, what, fix=""):
        """One result. fix: a command, or what to do, for WARN and FAIL."""
        self.list.append({"name": name, "status": status, "what": what, "fix": fix})

    def status(self, name):
        """Of a check made already, or None."""
        return next((check["status"] for check in self.list if check["name"] == name), None)

    def worst(self):
        """Exit status: 2 with a FAIL, 1 with a WARN, else 0."""
        found = {check["status"] for check in self.list}
        return 2 if FAIL in found else 1 if WARN in found else 0

    def lines(self):
        """For people."""
        for check in self.list:
            yield f"{check['status']}  {check['name']}  {check['what']}"
            if check["fix"]:
                yield f"      fix: {check['fix']}"


def mib(pages):
    """64 MiB of 16384 pages."""
    return f"{pages / PAGES_PER_MIB:.4g} MiB"


def outcome(command, env=None, seconds=60, stdin=""):
    """Runs a command -> (exit status, stdout, stderr); None for the status if it cannot be run or does not end.

    All descriptors stay open: the launcher's talk to the rank goes by one of them.
    """
    try:
        with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, errors="replace", close_fds=False, start_new_session=True) as process:
            try:
                out, err = process.communicate(stdin, timeout=seconds)
                return process.returncode, out, err
            except subprocess.TimeoutExpired:
                end_session(process)
                return None, "", f"no end within {seconds} s"
            except BaseException:   # Ctrl-C does not reach the command, which has a session of its own
                end_session(process)
                raise
    except OSError as error:
        return None, "", f"{command[0]}: {error.strerror}"


def end_session(process):
    """The command is the leader of a session of its own; a launcher takes its ranks with it if asked first."""
    import signal
    for number, patience in ((signal.SIGTERM, 5), (signal.SIGKILL, None)):
        try:
            os.killpg(process.pid, number)
            process.communicate(timeout=patience)
            return
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            return


def pairs(text):
    """Lines `name value` -> a dictionary; of several with one name the first counts."""
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        found.setdefault(name, value.strip())
    return found
