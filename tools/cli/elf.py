# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether the loader will take LD_PRELOAD into a program, from the program's own file.

Read: e_ident, e_machine and the program headers (System V ABI, chapters 4 and 5). Scripts are not looked through: their
interpreter gets LD_PRELOAD as any program does. No imports but os: `vmonecopy run` uses this for every rank.
"""
import os

_PT_INTERP = 3
_MACHINES = {3: "x86 (32 bits)", 20: "PowerPC", 21: "PowerPC64", 22: "S390", 40: "ARM (32 bits)", 62: "x86-64",
             183: "aarch64", 243: "RISC-V", 258: "LoongArch"}
_HEAD_BYTES = 64
_MOST_HEADERS = 65536   # bytes of program headers: real programs have about 1000


class Elf:
    """The head of an ELF file. bits: 32 or 64; machine: e_machine; interpreted: has PT_INTERP."""

    def __init__(self, bits, order, machine, interpreted):
        self.bits, self.order, self.machine, self.interpreted = bits, order, machine, interpreted

    @property
    def kind(self):
        """For messages: '32-bit x86-64' is x32's."""
        name = _MACHINES.get(self.machine, f"machine {self.machine}")
        return name if self.bits == 64 or "32 bits" in name else f"{name} (32 bits)"

    def same_kind(self, other):
        """Can one be loaded into the other?"""
        return (self.bits, self.order, self.machine) == (other.bits, other.order, other.machine)


def read(path):
    """-> Elf, or None for what is none (a script, say) or cannot be read."""
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD_BYTES)
            if len(head) < 52 or head[:4] != b"\x7fELF" or head[4] not in (1, 2) or head[5] not in (1, 2):
                return None
            order = "little" if head[5] == 1 else "big"
            word = lambda at, size: int.from_bytes(head[at:at + size], order)
            wide = head[4] == 2
            table = word(32, 8) if wide else word(28, 4)
            each, count = (word(54, 2), word(56, 2)) if wide else (word(42, 2), word(44, 2))
            if each < 4 or each * count > _MOST_HEADERS:
                return None
            file.seek(table)
            headers = file.read(each * count)
    except (OSError, OverflowError):
        return None
    types = (int.from_bytes(headers[at:at + 4], order) for at in range(0, len(headers) - 3, each))
    return Elf(64 if wide else 32, head[5], word(18, 2), _PT_INTERP in types)


def privileged(path):
    """Why the loader will start this program in secure mode, which ignores LD_PRELOAD (ld.so(8)); or None."""
    try:
        info = os.stat(path)
    except OSError:
        return None
    if info.st_mode & 0o4000 and info.st_uid != os.getuid():
        return "setuid"
    if info.st_mode & 0o2010 == 0o2010 and info.st_gid != os.getgid():
        return "setgid"
    try:
        # A process that has them all already gains nothing by them.
        if os.getuid() and os.getxattr(path, "security.capability"):
            return "with file capabilities"
    except OSError:
        pass
    return None


def loader(path):
    """Is it the dynamic loader itself, started with a program as its argument?"""
    name = os.path.basename(os.path.realpath(path))
    return name.startswith(("ld-linux", "ld-musl", "ld.so", "ld-2."))


def find(program, environ):
    """Where execvp(3) finds it, or None."""
    if "/" in program:
        return program if os.path.exists(program) else None
    for directory in environ.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(directory or ".", program)
        if os.access(path, os.X_OK) and not os.path.isdir(path):
            return path
    return None
