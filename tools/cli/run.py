# SPDX-License-Identifier: LGPL-2.1-or-later
"""Starts one rank of an MPI program with the library; the launcher starts it once for every rank:

    mpirun -n 4 vmonecopy run [OPTIONS] -- ./app ARGUMENTS

Puts libvmonecopy.so behind what LD_PRELOAD already has (before a memory allocator that stands last there), sets the
options that are given as flags, and becomes the program. So neither -x nor -genv is needed, and the library may lie
elsewhere on each machine. Where the library cannot be used, one line says why and the program runs without it.

Options, before the program:

    --emulated[=N]   Xen's grant tables emulated on one kernel; each rank is a VM, or, with =N, rank modulo N is
    --off            the same as --no-enable: started in the same way, and everything is left to the MPI
    -n, --dry-run    print what would be set and started
    -h, --help

and one for each option of the library, of which `vmonecopy env` lists values and meaning: --NAME VALUE or --NAME=VALUE
sets it; for those that are 0 or 1, --NAME and --no-NAME.

Exit status: the program's; 2: wrong use; 126, 127: the program cannot be started, as in sh(1).
"""
# Started for every rank: nothing is imported, or read, that is not needed.
import os
import sys

from . import elf, where

SUMMARY = "start a rank of an MPI program with the library"
# Memory allocators work behind the library, not before it (docs/LIMITS.md).
ALLOCATORS = ("libjemalloc", "libtcmalloc", "libmimalloc", "libtbbmalloc", "libhoard", "libsnmalloc", "libscudo")
EMULATED_PAGES = "32768"    # 128 MiB: gntalloc's default of 4 MiB is for real Xen


class Usage(Exception):
    """The command line is wrong."""


def say(line, local=False):
    """One line of one rank; local: of one rank on each machine."""
    from . import options
    if (options.local_rank if local else options.rank)(os.environ) == 0:
        print("vmonecopy:", line, file=sys.stderr, flush=True)


def known_options():
    """Those of options.def; none, with a line, where that file is missing."""
    from . import options
    try:
        return options.read(where.options_def())
    except OSError as error:
        raise Usage(f"{error.filename}: {error.strerror}: install the tool with its libraries") from None


def set_emulated(changes, count):
    """--emulated[=N]"""
    changes["VMONECOPY_XEN"] = "emulated"
    if "XENEMU_LIMIT" not in os.environ:
        changes["XENEMU_LIMIT"] = EMULATED_PAGES
    if count:
        if not (count.isascii() and count.isdigit() and 1 <= int(count) <= 256):
            raise Usage(f"--emulated={count}: a number of VMs is from 1 to 256")
        changes["XENEMU_DOMAINS"] = count


def set_option(flag, value, rest, changes):
    """--NAME[=VALUE], --no-NAME: takes the value from the rest where it is needed."""
    options = known_options()
    flags = {option.flag: option for option in options}
    negated = flag.startswith("--no-") and "--" + flag[5:] in flags
    option = flags.get("--" + flag[5:] if negated else flag)
    if option is None or (negated and (option.kind != "SWITCH" or value is not None)):
        from . import options as table
        names = (*flags, "--emulated", "--off", "--dry-run", "--help")
        raise Usage(f"{flag} is no option of `vmonecopy run`{table.maybe(flag, names)}; see --help")
    if option.kind == "SWITCH":
        value = "0" if negated else "1" if value is None else value
    elif value is None:
        if not rest:
            raise Usage(f"{flag} wants a value")
        value = rest.pop(0)
    wrong = option.value(value)[1]
    if wrong:
        raise Usage(f"{flag} {value}: {wrong}")
    changes[option.env] = value


def parse(arguments):
    """-> (variables to set, the program and its arguments, True for a dry run)."""
    changes, rest, dry = {}, list(arguments), False
    while rest and rest[0].startswith("-"):
        flag, equals, value = rest.pop(0).partition("=")
        if flag == "--" and not equals:
            break
        if flag in ("-n", "--dry-run") and not equals:
            dry = True
        elif flag == "--off" and not equals:
            changes["VMONECOPY"] = "0"
        elif flag == "--emulated":
            set_emulated(changes, value if equals else None)
        else:
            set_option(flag, value if equals else None, rest, changes)
    if not rest:
        raise Usage("which program? vmonecopy run [OPTIONS] -- ./app ARGUMENTS")
    return changes, rest, dry


def is_ours(file):
    """Also libvmonecopy.so.0, and another copy than the one that we would take: two would be one too many."""
    name = os.path.basename(file)
    return name == "libvmonecopy.so" or name.startswith("libvmonecopy.so.")


def with_library(preload, library):
    """LD_PRELOAD with the library in it, once. The order of others, and theirs with ours if it is there, stays."""
    files = [file for file in preload.replace(":", " ").split(" ") if file]
    if any(is_ours(file) for file in files):
        return preload
    at = len(files)
    while at and os.path.basename(files[at - 1]).startswith(ALLOCATORS):
        at -= 1
    return ":".join([*files[:at], library, *files[at:]])


def unusable(program, library):
    """Why the library cannot be preloaded into this program -> (a line, True if it is about this machine), or None."""
    ours, theirs = elf.read(library), elf.read(program)
    if ours is None:
        cause = "is not a library" if os.path.exists(library) else "is missing"
        remedy = "run `make`" if where.source_tree() else "install it again"
        return (f"{library} {cause} on {os.uname().nodename}: {remedy}, on every machine alike: a job uses the library on "
                "all ranks or on none"), True
    if ":" in library or " " in library:
        return f"LD_PRELOAD cannot name {library}: a path with a colon or a space; install it elsewhere", False
    if theirs is None:
        return None
    if not theirs.same_kind(ours):
        return f"{program} is a program for {theirs.kind}, the library is for {ours.kind}", False
    if not theirs.interpreted and not elf.loader(program):
        return f"{program} is linked statically, so nothing can be preloaded: link it with the MPI's shared library", False
    privileged = elf.privileged(program)
    if privileged:
        return f"{program} is {privileged}, so the loader ignores LD_PRELOAD: use a copy that is not", False
    return None


def undo_python():
    """The program shall find its process as Python did: Python ignores two signals, and in the C locale sets LC_CTYPE."""
    import _signal      # not signal, which takes longer than all the rest
    for number in (_signal.SIGPIPE, _signal.SIGXFSZ):
        _signal.signal(number, _signal.SIG_DFL)
    if os.environ.get("LC_CTYPE") in ("C.UTF-8", "C.utf8", "UTF-8"):
        with open("/proc/self/environ", "rb") as given:
            if not any(word.startswith(b"LC_CTYPE=") for word in given.read().split(b"\0")):
                del os.environ["LC_CTYPE"]


def become(path, command):
    """Does not return, unless the program cannot be started -> exit status."""
    undo_python()
    try:
        os.execv(path, command)
    except OSError as error:
        import errno
        if error.errno != errno.ENOEXEC or elf.read(path):
            say(f"{command[0]}: {error.strerror}")
            return 126
    # A script without a first line that names its interpreter is the shell's, as for execvp(3).
    os.execv("/bin/sh", ["/bin/sh", path, *command[1:]])
    return 126


def run_raw(arguments):
    """-> exit status, where the program was not started."""
    if arguments[:1] and arguments[0] in ("-h", "--help"):
        from . import run_help
        return run_help.show()
    try:
        changes, command, dry = parse(arguments)
    except Usage as wrong:
        say(f"run: {wrong}")
        return 2
    path = elf.find(command[0], os.environ)
    if not path:
        say(f"{command[0]}: not found")
        return 127
    library = where.library()
    trouble = unusable(path, library)
    if trouble:
        say(f"without the library: {trouble[0]}", local=trouble[1])
    else:
        changes["LD_PRELOAD"] = with_library(os.environ.get("LD_PRELOAD", ""), library)
    if dry:
        import shlex
        print("env", *(f"{name}={shlex.quote(value)}" for name, value in changes.items()), shlex.join(command))
        return 0
    os.environ.update(changes)
    return become(path, command)
