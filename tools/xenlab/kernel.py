# SPDX-License-Identifier: LGPL-2.1-or-later
"""Take apart a packaged kernel: the bootable ELF in a bzImage, and its modules in load order."""

import glob
import lzma
import os
import re
import struct

from errors import need

_XZ = b"\xfd7zXZ\0"


def unpack_bzimage(data):
    """Return the ELF kernel inside the bzImage data, or data itself where it isn't xz.

    Xen can unpack a bzImage by itself, but under emulation that takes it 10 s and more.
    """
    need(data[0x202:0x206] == b"HdrS",
         "the kernel image is no bzImage", "remove the cache folder and build again")
    setup_sectors = data[0x1f1] or 4
    offset, length = struct.unpack_from("<II", data, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    payload = data[start:start + length]
    if not payload.startswith(_XZ):
        return data
    return lzma.LZMADecompressor().decompress(payload)


def modules_in_load_order(tree, names):
    """Return [(name, path)] of the named modules and all that they depend on, these first."""
    found = {_module_name(path): path
             for path in glob.glob(tree + "/lib/modules/**/*.ko", recursive=True)}
    need(found, f"{tree} holds no uncompressed kernel modules",
         "use the Debian release that the README names")
    order = {}
    for name in names:
        _visit(name, found, order)
    return list(order.items())


def _visit(name, found, order):
    if name in order or name not in found:  # not found: built into the kernel
        return
    for dependency in _dependencies(found[name]):
        _visit(dependency, found, order)
    order[name] = found[name]


def _module_name(path):
    return os.path.basename(path)[:-len(".ko")].replace("-", "_")


def _dependencies(path):
    """Read .modinfo's own list: the package has no modules.dep, depmod makes it on installing."""
    with open(path, "rb") as file:
        match = re.search(rb"\0depends=([^\0]*)\0", file.read())
    names = match.group(1).decode() if match else ""
    return [name.replace("-", "_") for name in names.split(",") if name]
