# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks of the library's files, of LD_PRELOAD and its order, and of the options."""
import os

from . import elf, env as listing, run, where
from .checks import FAIL, PASS, SKIP, WARN, outcome, pairs

MPIS = ("mpich", "openmpi")
HOOKED = ("free", "realloc", "munmap", "mmap", "mremap", "madvise", "brk", "sbrk", "malloc_trim")


def split(preload):
    """LD_PRELOAD's files: it has colons or spaces between them."""
    return [file for file in preload.replace(":", " ").split() if file]


def again():
    """How missing files come."""
    return "make" if where.source_tree() else "install the library again, all of it"


def files(checks, mpis, emulated):
    """Are they all there? mpis: those that have a launcher here."""
    needed = [where.library()] + [where.beside(f"libvmonecopy-{mpi}.so") for mpi in mpis or MPIS]
    needed += [where.helper("probe"), where.helper("owners")]
    if emulated:
        needed.append(where.beside("libxenemu.so"))
    missing = [path for path in needed if not os.path.exists(path)]
    foreign = [path for path in needed if path not in missing and elf.read(path) is None]
    if missing or foreign:
        what = f"missing: {', '.join(missing)}" if missing else f"no libraries or programs: {', '.join(foreign)}"
        checks.add("lib.files", FAIL, what, again())
    else:
        checks.add("lib.files", PASS, f"version {where.version()} in {where.libdir()}")


def owners(preload):
    """Whose functions a program gets under such an LD_PRELOAD -> (name -> file, what the loader said)."""
    environ = dict(os.environ, LD_PRELOAD=preload)
    status, out, err = outcome([where.helper("owners")], environ, 20)
    return pairs(out) if status == 0 else {}, err.strip()


def same_file(one, other):
    """Also for a name that the loader looked up, and for the library by any of its names."""
    return os.path.basename(one) == os.path.basename(other) or (run.is_ours(one) and run.is_ours(other))


def right_order(listed, library, kinds):
    """Tools, then the library, then allocators."""
    others = [file for file in listed if not same_file(file, library)]
    behind = [file for file in others if "allocator" in kinds[file]]
    return ":".join([file for file in others if file not in behind] + [library] + behind)


def kinds_of(file):
    """What a preloaded file would be by itself: an allocator, an MPI tool -> (a set, what the loader said)."""
    served, said = owners(file)
    found = set()
    if same_file(served.get("free", "-"), file):
        found.add("allocator")
    if same_file(served.get("MPI_Send", "-"), file) or same_file(served.get("MPI_Init", "-"), file):
        found.add("tool")
    return found, said


def misplaced(listed, library, kinds):
    """What stands on the wrong side of the library -> lines."""
    at = next(i for i, file in enumerate(listed) if same_file(file, library))
    for i, file in enumerate(listed):
        name = os.path.basename(file)
        if i < at and "allocator" in kinds[file]:
            yield f"{name} comes before the library and keeps free() to itself: all is staged, two copies"
        if i > at and "tool" in kinds[file]:
            yield f"the tool {name} comes behind the library and sees only the calls that the library does not intercept"


def preload_order(checks):
    """The LD_PRELOAD that is set, with the library added as `vmonecopy run` adds it."""
    library, given = where.library(), os.environ.get("LD_PRELOAD", "")
    listed = split(run.with_library(given, library))
    gone = [file for file in listed if "/" in file and not os.path.exists(file)]
    if gone:
        checks.add("preload.order", FAIL, f"LD_PRELOAD names what is not there: {', '.join(gone)}",
                   "name it as it is on this machine, or leave it out: vmonecopy run finds its library by itself")
        return
    kinds, refused = {library: set()}, []
    for file in listed:
        if not same_file(file, library):
            kinds[file], said = kinds_of(file)
            refused += [line for line in said.splitlines() if "cannot be preloaded" in line]
        else:
            kinds[file] = set()
    wrong = list(misplaced(listed, library, kinds))
    if refused:
        checks.add("preload.order", FAIL, refused[0], "take it out of LD_PRELOAD")
    elif wrong:
        checks.add("preload.order", WARN, "; ".join(wrong), f"LD_PRELOAD={right_order(listed, library, kinds)}")
    elif not any(same_file(file, library) for file in split(given)):
        checks.add("preload.order", PASS, "LD_PRELOAD does not have the library; vmonecopy run puts it there, behind "
                   f"{len(listed) - 1} other{'' if len(listed) == 2 else 's'}")
    else:
        checks.add("preload.order", PASS, f"LD_PRELOAD={given}")


def memory_hooks(checks):
    """Do free(), munmap() and their like reach the library? doctor_mpi adds whether buffers really are substituted."""
    library = where.library()
    served, said = owners(run.with_library(os.environ.get("LD_PRELOAD", ""), library))
    if not served:
        checks.add("memory.hooks", SKIP, f"not known: {said.splitlines()[-1] if said else 'no answer'}")
        return
    others = [f"{name}() is {served.get(name)}'s" for name in HOOKED if not same_file(served.get(name, "-"), library)]
    if others:
        checks.add("memory.hooks", WARN, f"{'; '.join(others)}: all is staged, two copies",
                   "the library before other allocators (preload.order); no sanitizer or valgrind")
    else:
        checks.add("memory.hooks", PASS, f"{', '.join(HOOKED)} reach the library")


def options_values(checks, known):
    """Typing errors in values and names."""
    wrong = listing.findings(known, os.environ)
    if wrong:
        checks.add("options.values", WARN, "; ".join(wrong), "vmonecopy env -v lists names, ranges and defaults")
    else:
        given = [option.env for option in known if option.env in os.environ]
        checks.add("options.values", PASS, f"set: {', '.join(given)}" if given else "all are at their defaults")
