# SPDX-License-Identifier: LGPL-2.1-or-later
"""Read the machine's one serial line: dom0's reports, and the guests' consoles that it relays."""

import re

_CONTROL = re.compile(r"@@(stage|ready|exit|done)\b ?(.*)$")
_GUEST = re.compile(r"@g(\d+)\|(.*)$")
_KEEP = 60


class Console:
    """Splits bytes into lines, prints them as "NAME SECONDS | text", and keeps the reports.

    ready: all guests run their job. exits: {guest number: exit code, or a word}.
    done: dom0 has left the results on the disk.
    """

    def __init__(self, out, log, verbose):
        self._out = out
        self._log = log
        self._verbose = verbose
        self._rest = b""
        self._recent = []
        self.ready = False
        self.done = False
        self.exits = {}

    def feed(self, data, seconds):
        """Take what came from the serial line, seconds after the start."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._line(line.decode("utf-8", "replace").rstrip("\r"), seconds)

    def show_recent(self):
        """Print the last lines of dom0 and Xen: the reason why a boot failed is among them."""
        for line in self._recent:
            self._print(line)

    def _line(self, text, seconds):
        guest = _GUEST.search(text)
        control = _CONTROL.search(text) if not guest else None
        if guest:
            self._show(f"g{guest.group(1)}", seconds, guest.group(2).rstrip("\r"))
        elif control:
            self._control(*control.groups())
            if self._verbose or control.group(1) == "stage":
                self._show("dom0", seconds, " ".join(control.groups()))
        else:
            line = self._format("dom0", seconds, text)
            self._log.write(line + "\n")
            self._recent = [*self._recent[1 - _KEEP:], line]
            if self._verbose:
                self._print(line)

    def _control(self, word, rest):
        if word == "exit":
            guest, code = rest.split()[:2]
            self.exits[int(guest)] = code
        elif word in ("ready", "done"):
            setattr(self, word, True)

    def _show(self, name, seconds, text):
        line = self._format(name, seconds, text)
        self._log.write(line + "\n")
        self._print(line)

    @staticmethod
    def _format(name, seconds, text):
        return f"{name:<4} {seconds:6.1f} | {text}"

    def _print(self, line):
        self._out.write(line + "\n")
        self._out.flush()
