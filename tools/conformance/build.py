# SPDX-License-Identifier: LGPL-2.1-or-later
"""The suite, configured and built against each MPI in a folder of its own: FOLDER/MPI.

A test that does not build with an MPI is a test that this MPI fails: only that is said, not why; make's
output is in make.log there.
"""
import contextlib
import os
import subprocess

from . import CannotRun

CONFIGURE_SECONDS = 600
MAKE_SECONDS = 1800
SUPPORT = ("util", "dtpools")   # what tests are linked with; not all of it builds with Open MPI
NEEDED = "util/libmtest.la"
# Outside MPICH's own build configure leaves this library empty, and then no Fortran 2008 test could be linked.
F08 = ("util/libmtest_f08.la", "am_libmtest_f08_la_OBJECTS=mtest_f08.lo")
STAMP = "configured.2"          # another name where folders made before are to be made again
SHELL = "SHELL=/bin/sh"         # configure takes bash, in which libtool costs twice the time of the compiler
FORTRAN = "-O1 -fallow-argument-mismatch"


def configured(mpi, source, folder):
    """The build folder of one MPI, configured if it is not."""
    build = os.path.join(folder, mpi.name)
    if os.path.exists(os.path.join(build, STAMP)):
        return build
    print(f"configuring the suite for {mpi.name}", flush=True)
    os.makedirs(build, exist_ok=True)
    line = [os.path.join(source, "configure"), f"--srcdir={source}", "--disable-spawn", "--enable-threads=multiple",
            "--enable-fortran=all", "--disable-dependency-tracking",
            "--enable-strictmpi=" + ("yes" if mpi.strict else "no"),
            f"MPICC=mpicc.{mpi.name}", f"MPICXX=mpicxx.{mpi.name}", f"MPIF77=mpif77.{mpi.name}",
            f"MPIFC=mpifort.{mpi.name}", f"MPIEXEC={mpi.launcher}", "CC=gcc", "CXX=g++", "F77=gfortran", "FC=gfortran",
            f"CFLAGS=-O1 {mpi.flags}", f"FFLAGS={FORTRAN}", f"FCFLAGS={FORTRAN}"]
    if _logged(line, build, "configure.log", CONFIGURE_SECONDS):
        raise CannotRun(f"the suite can't be configured for {mpi.name}: look into {build}/configure.log")
    for part in SUPPORT:
        _logged(["make", "-k", "-C", part], build, "make.log", MAKE_SECONDS)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(build, F08[0]))
    _logged(["make", "-C", os.path.dirname(F08[0]), F08[1], os.path.basename(F08[0])], build, "make.log", MAKE_SECONDS)
    if not os.path.exists(os.path.join(build, NEEDED)):
        raise CannotRun(f"the suite's {SUPPORT[0]} can't be built for {mpi.name}: look into {build}/make.log")
    with open(os.path.join(build, STAMP), "w", encoding="utf-8"):
        pass
    return build


def make(mpi, build, tests, jobs):
    """Build what these tests need, all folders of it; which failed is seen by what is missing (is_built)."""
    wanted = {}
    for test in tests:
        if not is_built(build, test):
            wanted.setdefault(test.folder, set()).add(test.program)
    if not wanted:
        return
    count = sum(len(programs) for programs in wanted.values())
    print(f"building {count} programs of the suite for {mpi.name}", flush=True)
    for folder, programs in sorted(wanted.items()):
        _logged(["make", "-k", f"-j{jobs}", SHELL, *sorted(programs)], os.path.join(build, folder), "make.log", MAKE_SECONDS)


def is_built(build, test):
    """Is there a program for this test?"""
    return os.access(program(build, test), os.X_OK)


def program(build, test):
    """Its path."""
    return os.path.join(build, test.folder, test.program)


def _logged(line, folder, log, seconds):
    """Run a command with its output appended to a file of the folder; its exit status."""
    with open(os.path.join(folder, log), "a", encoding="utf-8") as file:
        return subprocess.run(line, cwd=folder, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                              timeout=seconds, check=False).returncode
