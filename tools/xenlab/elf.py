# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which shared libraries does an ELF file need, and where are they?

Reads the dynamic section itself instead of running ldd, because ldd executes the file and can't
look into packages that were only unpacked.
"""

import os
import re
import struct
import subprocess
from collections import namedtuple

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NEEDED, _DT_STRTAB, _DT_RPATH, _DT_RUNPATH = 1, 5, 15, 29
_EM_X86_64 = 62

Dynamic = namedtuple("Dynamic", "needed search_dirs interpreter")


def is_elf(path):
    """Return True for a regular x86-64 ELF file."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        head = file.read(20)
    return (len(head) == 20 and head[:6] == b"\x7fELF\x02\x01"
            and struct.unpack_from("<H", head, 18)[0] == _EM_X86_64)


def read_dynamic(path):
    """Return the Dynamic of the ELF file at path ($ORIGIN replaced, all empty if static)."""
    with open(path, "rb") as file:
        data = file.read()
    segments = _segments(data)
    interpreter = next((_text(data, s.offset) for s in segments if s.kind == _PT_INTERP), None)
    dynamic = next((s for s in segments if s.kind == _PT_DYNAMIC), None)
    if dynamic is None:
        return Dynamic([], [], interpreter)
    tags = _tags(data, dynamic)
    strings = next(_file_offset(segments, value) for tag, value in tags if tag == _DT_STRTAB)
    needed = [_text(data, strings + value) for tag, value in tags if tag == _DT_NEEDED]
    dirs = [_text(data, strings + value) for tag, value in tags if tag in (_DT_RPATH, _DT_RUNPATH)]
    origin = os.path.dirname(os.path.realpath(path))
    split = [d for entry in dirs for d in entry.split(":") if d]
    return Dynamic(needed, [re.sub(r"\$ORIGIN|\$\{ORIGIN\}", origin, d) for d in split], interpreter)


_Segment = namedtuple("_Segment", "kind offset address size")


def _segments(data):
    table, = struct.unpack_from("<Q", data, 32)
    entry_bytes, count = struct.unpack_from("<HH", data, 54)
    found = []
    for index in range(count):
        kind, _, offset, address, _, size, _, _ = struct.unpack_from(
            "<IIQQQQQQ", data, table + index * entry_bytes)
        found.append(_Segment(kind, offset, address, size))
    return found


def _tags(data, dynamic):
    found = []
    for offset in range(dynamic.offset, dynamic.offset + dynamic.size, 16):
        tag, value = struct.unpack_from("<qQ", data, offset)
        if tag == 0:
            break
        found.append((tag, value))
    return found


def _file_offset(segments, address):
    for segment in segments:
        if segment.kind == _PT_LOAD and 0 <= address - segment.address < segment.size:
            return segment.offset + address - segment.address
    raise ValueError(f"address {address:#x} is in no segment")


def _text(data, offset):
    return data[offset:data.index(b"\0", offset)].decode()


def closure(files, index):
    """Return (libraries, missing) for ELF files and everything that they need, transitively.

    index maps a library's name to its path; search paths inside a file win over it.
    libraries: {path: None} in the order found, interpreters included. missing: {name: needed by}.
    """
    libraries, missing, todo, seen = {}, {}, list(files), set()
    while todo:
        path = todo.pop()
        real = os.path.realpath(path)
        if real in seen:
            continue
        seen.add(real)
        dynamic = read_dynamic(real)
        wanted = [(name, _find(name, dynamic.search_dirs, index)) for name in dynamic.needed]
        if dynamic.interpreter:
            name = os.path.basename(dynamic.interpreter)
            wanted.append((name, index.get(name, dynamic.interpreter)))
        for name, found in wanted:
            if found is None:
                missing.setdefault(name, path)
            elif found not in libraries:
                libraries[found] = None
                todo.append(found)
    return libraries, missing


def _find(name, search_dirs, index):
    if "/" in name:
        return name if os.path.exists(name) else None
    for folder in search_dirs:
        path = os.path.join(folder, name)
        if is_elf(path):
            return path
    return index.get(name)


def index_of_host():
    """Return {name: path} of every x86-64 library that the host's loader would find by name."""
    found = {}
    listing = subprocess.run(["/sbin/ldconfig", "-p"], stdout=subprocess.PIPE, text=True,
                             timeout=30, check=True).stdout
    for name, path in re.findall(r"^\s+(\S+) \([^)]*x86-64[^)]*\) => (\S+)$", listing, re.M):
        found.setdefault(name, path)
    return found


def index_of_trees(trees):
    """Return {name: path} of the libraries in the standard folders of unpacked packages."""
    found = {}
    for tree in trees:
        for folder, _, names in os.walk(tree):
            if folder.endswith("/x86_64-linux-gnu"):
                found.update((n, os.path.join(folder, n)) for n in names if ".so" in n)
    return found
