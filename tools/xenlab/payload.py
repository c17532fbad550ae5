# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a job brings into the guests: its files, all libraries these need, and an MPI.

Host files appear in the guest at their own paths, so that compiled-in paths (Open MPI's plugins,
RUNPATHs) hold; only what the user names with --file or --tree goes where the user says.
"""

import glob
import os

import elf
from archive import Archive
from errors import need

JOB_DIR = "/job"
JOB_SCRIPT = "/usr/lib/xenlab-job/script"

# glibc is brought whole: parts of two versions do not fit together.
_GLIBC = ("libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1",
          "libresolv.so.2", "libnss_files.so.2", "ld-linux-x86-64.so.2", "libgcc_s.so.1")

_LIB = "/usr/lib/x86_64-linux-gnu"

# Per MPI: the library that shows that a job uses it, its programs, and what it opens at run time.
# Plugins for hardware that no guest has are left out: they bring 20 MB of drivers.
_MPI = {
    "mpich": {
        "library": "libmpich.so.12",
        "programs": ("/usr/bin/mpiexec.hydra", "/usr/bin/hydra_pmi_proxy"),
        "plugins": (f"{_LIB}/ucx/libuct_cma.so.0",),
        "trees": (),
    },
    "openmpi": {
        "library": "libmpi.so.40",
        "programs": ("/usr/bin/orterun", "/usr/bin/orted"),
        "plugins": (f"{_LIB}/openmpi/lib/openmpi3/mca_*.so", f"{_LIB}/pmix2/lib/pmix/*.so"),
        "trees": ("/usr/share/openmpi", "/etc/openmpi", f"{_LIB}/pmix2/share/pmix"),
    },
}
_NO_HARDWARE = ("ofi", "ucx", "openib", "psm", "psm2", "verbs", "portals4", "usnic", "lustre")


class Payload:
    """Collects a job's files, then what these need, into one Archive."""

    def __init__(self, say):
        self._say = say
        self._index = elf.index_of_host()
        self._programs = []
        self.archive = Archive()

    def add_script(self, host_path):
        """Make host_path the job script."""
        need(os.path.isfile(host_path), f"no job script {host_path}", "name a shell script")
        self.archive.add_file(JOB_SCRIPT, host_path, 0o755)

    def add_file(self, host_path, guest_path=None):
        """Add a file; without guest_path, or with a relative one, it goes into /job."""
        need(os.path.isfile(host_path), f"no file {host_path}", "build it first")
        inside = os.path.join(JOB_DIR, guest_path or os.path.basename(host_path))
        if inside.endswith("/"):
            inside += os.path.basename(host_path)
        self.archive.add_file(inside, host_path)
        self._note_program(host_path)

    def add_tree(self, host_dir, guest_dir):
        """Add a folder and all below it."""
        need(os.path.isdir(host_dir), f"no folder {host_dir}", "build it first")
        self.archive.add_tree(os.path.join(JOB_DIR, guest_dir), host_dir)
        for folder, _, names in os.walk(host_dir):
            for name in names:
                self._note_program(os.path.join(folder, name))

    def finish(self, mpi):
        """Add libraries and MPIs (names, "auto" or "none" in the comma list mpi); return Archive."""
        libraries, missing = self._closure(self._programs)
        for flavour in self._flavours(mpi, libraries):
            self._add_mpi(flavour)
        for name, user in missing.items():
            self._say(f"note: {name}, needed by {user}, is not on this machine")
        self._add_host_files([self._index[name] for name in _GLIBC if name in self._index])
        self._add_host_files(libraries)
        if os.path.exists("/etc/ld.so.cache"):      # libraries outside the standard folders
            self.archive.add_file("/etc/ld.so.cache", "/etc/ld.so.cache")
        self.archive.add_dir(JOB_DIR)
        return self.archive

    def _note_program(self, path):
        if elf.is_elf(path):
            self._programs.append(path)

    def _closure(self, files):
        """Libraries of files; those of the job's own files are no host files and never missing."""
        own = {os.path.basename(path) for path in self._programs}
        libraries, missing = elf.closure(files, self._index)
        return libraries, {n: user for n, user in missing.items() if n not in own}

    @staticmethod
    def _flavours(mpi, libraries):
        if mpi == "none":
            return []
        if mpi != "auto":
            return mpi.split(",")
        names = {os.path.basename(path) for path in libraries}
        return [flavour for flavour, parts in _MPI.items() if parts["library"] in names]

    def _add_mpi(self, flavour):
        need(flavour in _MPI, f"unknown MPI {flavour}", f"known are {', '.join(_MPI)}")
        parts = _MPI[flavour]
        for path in parts["programs"]:
            need(os.path.exists(path), f"{path} is missing", f"install {flavour} on this machine")
        plugins = [path for pattern in parts["plugins"] for path in glob.glob(pattern)
                   if not _for_absent_hardware(path)]
        need(plugins, f"{flavour} has no plugins where Debian has them", "see payload.py")
        files = [*parts["programs"], *plugins]
        if parts["library"] in self._index:
            files.append(self._index[parts["library"]])
        libraries, _ = self._closure(files)
        self._add_host_files([*files, *libraries])
        for tree in filter(os.path.isdir, parts["trees"]):
            self.archive.add_tree(tree, tree)

    def _add_host_files(self, paths):
        for path in paths:
            folder = os.path.realpath(os.path.dirname(path))
            self.archive.add_file(os.path.join(folder, os.path.basename(path)),
                                  os.path.realpath(path))


def _for_absent_hardware(path):
    words = os.path.basename(path).split(".")[0].split("_")
    return any(word in _NO_HARDWARE for word in words)
