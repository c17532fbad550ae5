# SPDX-License-Identifier: LGPL-2.1-or-later
"""Write initramfs archives (cpio, "newc") without root, without mknod and without the cpio tool.

The kernel accepts several archives one after another; a later entry replaces an earlier one of
the same path. All images use a merged /usr: /bin, /sbin, /lib and /lib64 are links into it, made
by skeleton(), and every path added is moved there, so that no archive turns a link back into
a directory.
"""

import os
import shutil
import stat

_MERGED = ("bin", "sbin", "lib", "lib64")
_HEADER = "070701" + "{:08x}" * 13


def guest_path(path):
    """Return path as it is inside an image: relative to /, normalised, /usr merged."""
    clean = os.path.normpath("/" + path).lstrip("/")
    return "usr/" + clean if clean.split("/")[0] in _MERGED else clean


class Archive:
    """Entries by path; each is (mode, content, device), content being bytes or a path to copy."""

    def __init__(self):
        self._entries = {}

    def __contains__(self, path):
        return guest_path(path) in self._entries

    def add_dir(self, path, mode=0o755):
        """Add a directory, and its parents."""
        self._put(guest_path(path), (stat.S_IFDIR | mode, b"", 0))

    def add_file(self, path, source, mode=None):
        """Add the file at source, read only when the archive is written."""
        found = os.stat(source)
        need_mode = stat.S_IMODE(found.st_mode) if mode is None else mode
        self._put(guest_path(path), (stat.S_IFREG | need_mode, os.fspath(source), 0))

    def add_text(self, path, text, mode=0o644):
        """Add a small file with the given content."""
        self._put(guest_path(path), (stat.S_IFREG | mode, text.encode(), 0))

    def add_link(self, path, target):
        """Add a symbolic link."""
        self._put(guest_path(path), (stat.S_IFLNK | 0o777, target.encode(), 0))

    def add_tree(self, path, source):
        """Add everything below the directory source; links stay links."""
        for folder, names, files in os.walk(source):
            inside = os.path.join(path, os.path.relpath(folder, source))
            self.add_dir(inside)
            for name in names + files:
                full = os.path.join(folder, name)
                if os.path.islink(full):
                    self.add_link(os.path.join(inside, name), os.readlink(full))
                elif os.path.isfile(full):
                    self.add_file(os.path.join(inside, name), full)

    def skeleton(self):
        """Add what every image has: the merged /usr, mount points, and a console to start on."""
        for name in _MERGED:
            self.add_dir("usr/" + name)
            self._entries[name] = (stat.S_IFLNK | 0o777, b"usr/" + name.encode(), 0)
        for name in ("proc", "sys", "run", "etc", "root", "var/log", "dev"):
            self.add_dir(name)
        self.add_dir("tmp", 0o1777)
        self.add_link("var/run", "/run")
        self.add_link("var/lock", "/run")
        self._put("dev/console", (stat.S_IFCHR | 0o600, b"", (5, 1)))

    def size_bytes(self):
        """Return the sum of the content's sizes: about what unpacking takes."""
        return sum(_content_bytes(content) for _, content, _ in self._entries.values())

    def write(self, out):
        """Write the archive to the binary file object out, the parents first."""
        for number, path in enumerate(sorted(self._entries), 1):
            _write_entry(out, number, path, *self._entries[path])
        _write_entry(out, 0, "TRAILER!!!", 0, b"", 0)

    def _put(self, path, entry):
        parent = os.path.dirname(path)
        if parent and parent not in self._entries:
            self._put(parent, (stat.S_IFDIR | 0o755, b"", 0))
        self._entries[path] = entry


def _content_bytes(content):
    return len(content) if isinstance(content, bytes) else os.stat(content).st_size


def _write_entry(out, number, path, mode, content, device):
    size = _content_bytes(content)
    major, minor = device or (0, 0)
    name = path.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, size, 0, 0, major, minor, len(name), 0)
    out.write(_HEADER.format(*fields).encode() + name)
    _pad(out, 110 + len(name))
    if isinstance(content, bytes):
        out.write(content)
    else:
        with open(content, "rb") as source:
            shutil.copyfileobj(source, out)
    _pad(out, size)


def _pad(out, length):
    out.write(b"\0" * (-length % 4))
