# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is compared, as data, and how each MPI is started."""
import os
import shutil
import subprocess
from dataclasses import dataclass, field

from cli import where

from . import CannotRun


@dataclass(frozen=True)
class Mode:
    """One side of the comparison."""
    name: str
    meaning: str
    apart: bool = False         # the ranks sit at the two ends of the path; else on one kernel, in shared memory
    shim: bool = False          # the library is preloaded, with the path's environment for it
    mpi: bool = True            # started by an MPI; else plainly
    bench_options: tuple = ()


MODES = (
    Mode("tcp", "MPI over TCP between the two, as two virtual machines talk without the library", apart=True),
    Mode("onecopy", "the same with the library: small messages over that TCP, large ones by one copy", apart=True,
         shim=True),
    Mode("shm", "for reference: the MPI's own shared memory, both ranks on one kernel, no library"),
    Mode("memcpy", "the limit: memcpy out of a kept shared mapping, two processes, no MPI", mpi=False,
         bench_options=("--over", "memory")),
)
# What of a message's time is the library's, and what the TCP's that its request takes: for tools/targets.
WITHIN = Mode("within", "the library over the MPI's own shared memory: its requests are as quick as can be", shim=True)


def bench_program(build, mpi_name, name):
    """One of tools/bench, built for one MPI; build None: where `make`, or `make install`, puts it."""
    program = os.path.join(build, "tests", mpi_name, name) if build else where.program(mpi_name, name)
    if not os.access(program, os.X_OK):
        raise CannotRun(f"{program} is missing: run `make {os.path.relpath(program)}`" if build or where.source_tree() else
                        f"{program} is missing: install vmonecopy anew")
    return program


def bench_command(build, mpi_name, arguments):
    """The program of --table."""
    return [bench_program(build, mpi_name, "vmobench"), *arguments]


@dataclass(frozen=True)
class Mpi:
    """One MPI: its launcher and the words it wants."""
    name: str
    mpirun: str
    version: str
    dialect: "Hydra | OpenRte" = field(repr=False)

    def command(self, mode, path, rank_environment, program, ranks=2):
        """Command line that starts so many ranks of program in this mode, at the two ends in turn."""
        words = [self.mpirun, *self.dialect.words(mode, path, ranks), *self.dialect.exports(rank_environment), *program]
        return path.enter(words)

    def environment(self, mode, path, ranks=2):
        """What this MPI reads from the environment in this mode."""
        return self.dialect.environment(mode, path, ranks)


class Hydra:
    """MPICH (Debian's is ch4:ucx) and its launcher hydra."""

    launchers = ("mpirun.mpich", "mpiexec.mpich", "mpiexec.hydra")

    @staticmethod
    def version(text):
        """From `mpirun -info`."""
        lines = [line.split()[1] for line in text.splitlines() if line.strip().startswith("Version:")]
        return f"MPICH {lines[0]} (hydra)" if lines else None

    @staticmethod
    def words(mode, path, ranks):
        """Launcher options."""
        if path.hosts and not path.agent:
            return ["-n", str(ranks), "-hosts", ",".join(path.hosts), "-ppn", "1"]
        words = ["-n", str(ranks), "-iface", path.device if mode.apart else "lo"]
        if mode.apart and path.agent:
            words += ["-launcher", "ssh", "-launcher-exec", path.agent, "-hosts", ",".join(path.hosts), "-ppn", "1"]
        return words

    @staticmethod
    def exports(environment):
        """Variables for the ranks alone, not for the launcher."""
        return [word for name, value in environment.items() for word in ("-genv", name, value)]

    @staticmethod
    def environment(mode, path, ranks):
        """NOLOCAL alone is not enough: UCX would still choose shared memory. Each end has its own (agent.sh: IPC)."""
        if path.hosts and not path.agent:
            return {}
        if mode.apart and ranks > 2 and path.agent:
            return {"UCX_TLS": "tcp,self,sysv", "UCX_NET_DEVICES": path.device}
        if mode.apart:
            return {"MPIR_CVAR_NOLOCAL": "1", "UCX_TLS": "tcp,self", "UCX_NET_DEVICES": path.device}
        return {}


class OpenRte:
    """Open MPI 4 and its launcher."""

    launchers = ("mpirun.openmpi", "orterun")

    @staticmethod
    def version(text):
        """From `mpirun --version`."""
        first = text.splitlines()[0] if text else ""
        return f"Open MPI {first.split()[-1]}" if "Open" in first else None

    @staticmethod
    def words(mode, path, ranks):
        """Launcher options. Binding would put both "hosts" on core 0; the bench pins its ranks itself."""
        hosts = ",".join(f"{host}:{ranks // 2}" for host in path.hosts)
        if path.hosts and not path.agent:
            return ["-np", str(ranks), "--bind-to", "none", "--host", hosts, "--map-by", "node"]
        network = path.network if mode.apart else "lo"
        within = "self,vader,tcp" if path.agent and ranks > 2 else "self,tcp"
        words = ["-np", str(ranks), "--bind-to", "none", "--mca", "pml", "ob1", "--mca", "oob_tcp_if_include", network,
                 "--mca", "btl", within if mode.apart else "self,vader"]
        if mode.apart:
            words += ["--mca", "btl_tcp_if_include", network]
        if mode.apart and path.agent:
            words += ["--mca", "plm_rsh_agent", path.agent, "--host", hosts, "--map-by", "node"]
        else:
            words += ["--host", f"localhost:{ranks}"]
        return words

    @staticmethod
    def exports(environment):
        """Variables for the ranks alone, not for the launcher."""
        return [word for name, value in environment.items() for word in ("-x", f"{name}={value}")]

    @staticmethod
    def environment(_mode, _path, ranks):
        """Root is refused otherwise; it gets no more than it has. More ranks than cores: it yields while it waits."""
        crowded = {"OMPI_MCA_mpi_yield_when_idle": "1"} if ranks > len(os.sched_getaffinity(0)) else {}
        return {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", **crowded}


DIALECTS = {"mpich": (Hydra, "-info"), "openmpi": (OpenRte, "--version")}


def find_mpi(name):
    """The MPI of this name, or None where it is not installed."""
    dialect, question = DIALECTS[name]
    for launcher in dialect.launchers:
        mpirun = shutil.which(launcher)
        if not mpirun:
            continue
        answer = subprocess.run([mpirun, question], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, timeout=30, check=False, text=True).stdout
        version = dialect.version(answer)
        if version:
            return Mpi(name, mpirun, version, dialect)
    return None


def find_mpis(names):
    """The MPIs asked for; with no names all that are installed."""
    found = [find_mpi(name) for name in names or DIALECTS]
    missing = [name for name, mpi in zip(names, found) if mpi is None]
    if missing:
        raise CannotRun(f"not installed: {', '.join(missing)} (looked for "
                        f"{', '.join(DIALECTS[missing[0]][0].launchers)}): install it or leave it out of --mpi")
    if not any(found):
        raise CannotRun("no MPI found: install mpich or openmpi-bin")
    return [mpi for mpi in found if mpi]
