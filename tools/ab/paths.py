# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where the two ranks are, and how bytes go between them without the library.

A path is a context manager with
    device, network   what TCP is bound to
    hosts, agent      two addresses and an ssh-like command; agent None: both ranks are started here
    enter(command)    the command line that starts the launcher where it belongs
    shim_environment  what the library needs to know about this place
    notes             what a reader must know about figures taken here
Real hosts (Hosts) leave all of that to the MPI. Two guests of a real Xen are in guests.py, for all their jobs run in one boot.
"""
import os
import shlex
import shutil
import subprocess
import tempfile
import time

from . import CannotRun
from .jobs import signals_held

EMULATED_NOTE = "EMULATED Xen: one kernel, ratios show the protocol, not a hypervisor"


class OneKernel:
    """What all paths on one kernel share: emulated Xen, whose state is in a directory of our own."""

    notes = (EMULATED_NOTE,)
    emulated = True
    keeps_settings = False  # the caller's settings of the MPI
    agent = None
    hosts = ()

    def __init__(self):
        self.directory = None
        self.shim_environment = {}

    def __enter__(self):
        parent = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.directory = tempfile.mkdtemp(prefix=f"vmo-ab-{os.getpid()}-", dir=parent)
        self.shim_environment = {"VMONECOPY_XEN": "emulated", "XENEMU_LIMIT": "32768", "XENEMU_DIR": self.directory}
        return self

    def __exit__(self, *_):
        if self.directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def environment(self):
        """For launcher and agent."""
        return {}

    def enter(self, command):
        """No change: here."""
        return command


class Loopback(OneKernel):
    """Both ranks here; TCP over loopback, which flatters TCP."""

    name = "loopback"
    meaning = "TCP over loopback (flatters TCP: no device, large segments)"
    device = network = "lo"


class Namespaces(OneKernel):
    """Two network namespaces joined by a veth pair, each with a host name of its own."""

    name = "veth"
    meaning = "two network namespaces joined by a veth pair, MTU 1500, own host names"
    device = "veth0"
    network = "10.77.0.0/24"
    hosts = ("10.77.0.1", "10.77.0.2")
    agent = os.path.join(os.path.dirname(os.path.realpath(__file__)), "agent.sh")

    def __init__(self):
        super().__init__()
        self.names = [f"vmo-{os.getpid()}-{end}" for end in "ab"]

    def __enter__(self):
        super().__enter__()
        try:
            self._create()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _create(self):
        for tool in ("ip", "unshare"):
            if not shutil.which(tool):
                raise CannotRun(f"{tool} is not installed: install iproute2 and util-linux, or use --path loopback")
        for name in self.names:
            ip("netns", "add", name)
        ip("-n", self.names[0], "link", "add", self.device, "type", "veth", "peer", "name", self.device,
           "netns", self.names[1])
        for name, address in zip(self.names, self.hosts):
            ip("-n", name, "address", "add", f"{address}/24", "dev", self.device)
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "set", self.device, "up")
        self._wait_until_up()

    def _wait_until_up(self):
        """The kernel reports a new link as running up to a second late, and UCX refuses it until then."""
        deadline = time.monotonic() + 10
        while not all("state UP" in ip("-n", name, "link", "show", self.device) for name in self.names):
            if time.monotonic() > deadline:
                raise CannotRun(f"{self.device} does not come up: use --path loopback")
            time.sleep(0.05)

    def __exit__(self, *_):
        with signals_held():
            for name in self.names:
                if os.path.exists(f"/run/netns/{name}"):
                    ip("netns", "delete", name)
            super().__exit__()

    def environment(self):
        """The agent's map from host to namespace."""
        return {"VMO_AB_HOSTS": " ".join(f"{host}={name}" for host, name in zip(self.hosts, self.names))}

    def enter(self, command):
        """The launcher runs in the first namespace."""
        return [self.agent, self.hosts[0], shlex.join(command)]


class Hosts:
    """Two hosts of the caller's, as a rule VMs of one Xen host; the MPI finds its own way between them."""

    name, emulated, keeps_settings, agent, device, network, notes = "hosts", False, True, None, None, None, ()

    def __init__(self, hosts):
        if len(hosts) != 2 or not all(hosts):
            raise CannotRun(f"--hosts {','.join(hosts)}: name two, by comma")
        self.hosts, self.shim_environment = tuple(hosts), {}
        self.meaning = f"hosts {hosts[0]} and {hosts[1]}, by what the MPI chooses itself"
        self.directory = None

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix=f"vmo-ab-{os.getpid()}-")
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.directory, ignore_errors=True)

    def environment(self):
        """Nothing of ours. Remote daemons use their own TMPDIR, not this one's."""
        return {"TMPDIR": os.environ.get("TMPDIR", "/tmp")}

    def enter(self, command):
        """No change: here."""
        return command


def ip(*words):
    """One ip(8) command; its output, or its error text as the reason."""
    done = subprocess.run(["ip", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotRun(f"ip {' '.join(words)}: {done.stderr.strip()}: run as root, or use --path loopback")
    return done.stdout


def choose(wanted, hosts=None):
    """The path asked for; "auto" is veth for root where the system allows it. Entered already: exit it."""
    if hosts:
        return Hosts(hosts.split(",")).__enter__(), None
    if wanted == "loopback" or wanted == "auto" and os.geteuid() != 0:
        return Loopback().__enter__(), None
    try:
        return Namespaces().__enter__(), None
    except CannotRun as reason:
        if wanted == "veth":
            raise
        return Loopback().__enter__(), f"no namespaces, so loopback: {reason}"
