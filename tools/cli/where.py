# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where things lie: in the source tree or, beside an installed.json, in an installed one.

    source tree                   installed
    tools/vmonecopy, tools/cli    PREFIX/share/vmonecopy/{vmonecopy,cli,installed.json}
    build/lib*.so                 LIBDIR, or LIBDIR/vmonecopy for all but libvmonecopy.so
    build/tests/MPI/NAME          PREFIX/libexec/vmonecopy/MPI/NAME
    build/doctor/NAME             PREFIX/libexec/vmonecopy/NAME
    shim/options.def              PREFIX/share/vmonecopy/options.def

installed.json: {"prefix": ..., "libdir": ..., "version": ...}, paths relative to its own directory, so that a moved
tree works. VMONECOPY_BUILD names another build directory, in the source tree only.

Nothing here fails for a file that is missing: each function says where it ought to be. No imports but os, and what
costs time only where it is needed: `vmonecopy run` uses this for every rank.
"""
import os

_HOME = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
_RECORD = os.path.join(_HOME, "installed.json")
_found = {}


def _record():
    """installed.json as a dictionary; empty in the source tree."""
    if "record" not in _found:
        _found["record"] = {}
        if os.path.exists(_RECORD):
            import json
            with open(_RECORD, encoding="utf-8") as text:
                _found["record"] = json.load(text)
    return _found["record"]


def _below(key):
    return os.path.normpath(os.path.join(_HOME, _record()[key]))


def source_tree():
    """True where the tool runs in the source tree."""
    return not _record()


def root():
    """The source tree's root, or the installed PREFIX."""
    return os.path.dirname(_HOME) if source_tree() else _below("prefix")


def libdir():
    """The directory of libvmonecopy.so."""
    if not source_tree():
        return _below("libdir")
    return os.path.abspath(os.environ.get("VMONECOPY_BUILD") or os.path.join(root(), "build"))


def library():
    """The file to preload."""
    return os.path.join(libdir(), "libvmonecopy.so")


def beside(name):
    """A library that libvmonecopy.so loads: libvmonecopy-MPI.so or libxenemu.so."""
    below = os.path.join(libdir(), "vmonecopy", name)
    return below if os.path.exists(below) else os.path.join(libdir(), name)


def program(mpi, name):
    """A program built for mpich or openmpi."""
    if source_tree():
        return os.path.join(libdir(), "tests", mpi, name)
    return os.path.join(root(), "libexec", "vmonecopy", mpi, name)


def helper(name):
    """A program of the tool's own, for any MPI or none."""
    if source_tree():
        return os.path.join(libdir(), "doctor", name)
    return os.path.join(root(), "libexec", "vmonecopy", name)


def options_def():
    """The list of options."""
    return os.path.join(_HOME, "options.def") if not source_tree() else os.path.join(root(), "shim", "options.def")


def version():
    """As in shim/vmo.h."""
    if not source_tree():
        return _record()["version"]
    with open(os.path.join(root(), "shim", "vmo.h"), encoding="utf-8") as text:
        for line in text:
            if line.startswith("#define VMO_VERSION"):
                return line.split('"')[1]
    return "unknown"
