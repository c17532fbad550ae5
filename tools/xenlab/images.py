# SPDX-License-Identifier: LGPL-2.1-or-later
"""Make what boots: hypervisor, two kernels, the initramfs of dom0 and the guests' common part.

Images live in CACHE/images/KEY, KEY being the hash of the package versions and of everything in
this folder that goes into them; what exists under its key is never made again.
"""

import glob
import gzip
import hashlib
import json
import os
import shutil
import subprocess
from collections import namedtuple

import elf
import kernel
import packages
from archive import Archive
from errors import XenlabError, need

HERE = os.path.dirname(os.path.abspath(__file__))
GUEST_LIBDIR = "/usr/lib/x86_64-linux-gnu"
HOME = "/usr/lib/xenlab"        # the scripts' place inside dom0 and guests
KEEP = 3                        # this many generations of images stay in the cache

_DOM0_MODULES = ("xen_evtchn", "xen_gntdev", "xen_gntalloc", "xen_privcmd", "xenfs",
                 "xen_netback", "bridge", "virtio_pci", "virtio_blk")
_GUEST_MODULES = ("xen_evtchn", "xen_gntdev", "xen_gntalloc", "xen_netfront")
_DOM0_TOOLS = ("xl", "xenstored", "xenconsoled", "xen-init-dom0", "libxl-save-helper")
# libxl ends threads with pthread_exit, and glibc then wants libgcc_s, which nothing links.
_DOM0_DLOPENED = ("libgcc_s.so.1",)
# What a preloaded library looks for at run time, and ld-linux's list of needed files can't show.
_GUEST_DLOPENED = ("libxengnttab.so.1", "libxenevtchn.so.1", "libxenstore.so.4", "libgcc_s.so.1")

Images = namedtuple("Images", "xen dom0_kernel dom0_initrd guest_kernel guest_initrd")


def build(cache, say):
    """Fetch packages, make images where there are none of this key, return Images."""
    os.makedirs(cache, exist_ok=True)
    chosen = _choose(cache, say)
    chosen.fetch(say)
    chosen.save()
    return _make(cache, chosen, say)


def current(cache, say):
    """Return Images of the packages that were chosen before; never asks apt, never downloads."""
    chosen = packages.load(cache)
    need(chosen and all(os.path.isdir(tree) for tree in chosen.trees()),
         f"no images in {cache}", "run `xenlab build` first")
    return _make(cache, chosen, say)


def _choose(cache, say):
    try:
        return packages.resolve(cache)
    except XenlabError as error:
        known = packages.load(cache)
        if known is None:
            raise
        say(f"note: {error}; using the packages of the last build")
        return known


def _make(cache, chosen, say):
    folder = os.path.join(cache, "images", _key(chosen))
    if not os.path.isdir(folder):
        say("making images")
        partial = f"{folder}.partial{os.getpid()}"
        shutil.rmtree(partial, ignore_errors=True)
        os.makedirs(partial)
        _fill(partial, chosen)
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(partial, folder)
        _prune(os.path.dirname(folder))
    os.utime(folder)
    return Images(*(os.path.join(folder, name) for name in Images._fields))


def _key(chosen):
    digest = hashlib.sha256(json.dumps(chosen.versions, sort_keys=True).encode())
    sources = [os.path.join(HERE, f"{name}.py") for name in ("archive", "elf", "images", "kernel")]
    for path in sorted(sources + glob.glob(HERE + "/dom0/*") + glob.glob(HERE + "/guest/*")):
        with open(path, "rb") as file:
            digest.update(path[len(HERE):].encode() + b"\0" + file.read())
    return digest.hexdigest()[:16]


def _prune(folder):
    kept = sorted(glob.glob(folder + "/*"), key=os.path.getmtime, reverse=True)
    for old in kept[KEEP:]:
        shutil.rmtree(old, ignore_errors=True)


def _fill(folder, chosen):
    """Write the five files of Images into folder."""
    with gzip.open(_one(chosen.tree("hypervisor") + "/boot/xen-*.gz")) as file:
        _save(folder, "xen", file.read())
    with open(_one(chosen.tree("kernel") + "/boot/vmlinuz-*"), "rb") as file:
        _save(folder, "dom0_kernel", kernel.unpack_bzimage(file.read()))
    # The guests' bzImage is lz4, which libxl unpacks quickly, and is half the size of its ELF.
    shutil.copy(_one(chosen.tree("guest_kernel") + "/boot/vmlinuz-*"), folder + "/guest_kernel")
    _save_archive(folder, "dom0_initrd", _dom0(chosen))
    _save_archive(folder, "guest_initrd", _guest(chosen))


def _dom0(chosen):
    image = _common(chosen, "dom0", "kernel", _DOM0_MODULES)
    bindir = os.path.dirname(_one(chosen.tree("tools") + "/usr/lib/xen-*/bin/xl"))
    inside = bindir[len(chosen.tree("tools")):]
    for tool in _DOM0_TOOLS:
        image.add_file(f"{inside}/{tool}", f"{bindir}/{tool}")
    image.add_link("/usr/lib/xenlab/bin", inside)
    _add_libraries(image, chosen, [f"{bindir}/{tool}" for tool in _DOM0_TOOLS], _DOM0_DLOPENED)
    image.add_text("/etc/xen/xl.conf", 'autoballoon="off"\n')
    for folder in ("/var/lib/xen", "/var/lib/xenstored", "/var/log/xen/console"):
        image.add_dir(folder)
    return image


def _guest(chosen):
    image = _common(chosen, "guest", "guest_kernel", _GUEST_MODULES)
    _add_libraries(image, chosen, [], _GUEST_DLOPENED)
    for command in ("mpi-run", "barrier", "serve", "on", "as-user"):
        image.add_link(f"/usr/bin/{command}", f"{HOME}/{command}")
    image.add_text("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"
                                  "user:x:1000:1000:user:/home/user:/bin/sh\n")
    image.add_text("/etc/group", "root:x:0:\nxen:x:118:user\nuser:x:1000:\n")
    image.add_text("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n")
    image.add_text("/etc/shells", "/bin/sh\n")
    return image


def _common(chosen, flavour, kernel_role, modules):
    """Return the part that dom0 and guests share: busybox, xenstore, modules, our scripts."""
    image = Archive()
    image.skeleton()
    _add_busybox(image, chosen.tree("busybox-static"))
    _add_xenstore(image, chosen)
    names = []
    for name, path in kernel.modules_in_load_order(chosen.tree(kernel_role), modules):
        image.add_file(f"{HOME}/modules/{name}.ko", path)
        names.append(name)
    image.add_text(f"{HOME}/modules/order", "\n".join(names) + "\n")
    for script in glob.glob(f"{HERE}/{flavour}/*"):
        image.add_file(f"{HOME}/{os.path.basename(script)}", script, 0o755)
    image.add_link("/init", f"{HOME}/init")
    return image


def _add_busybox(image, tree):
    path = tree + "/bin/busybox"
    image.add_file("/bin/busybox", path, 0o755)
    applets = subprocess.run([path, "--list"], stdout=subprocess.PIPE, text=True, timeout=30,
                             check=True).stdout.split()
    for applet in applets:
        if applet != "busybox":
            image.add_link(f"/bin/{applet}", "busybox")


def _add_xenstore(image, chosen):
    path = chosen.tree("xenstore-utils") + "/usr/bin/xenstore"
    image.add_file("/usr/bin/xenstore", path, 0o755)
    for verb in ("read", "write", "list", "rm", "exists", "watch", "chmod"):
        image.add_link(f"/usr/bin/xenstore-{verb}", "xenstore")
    _add_libraries(image, chosen, [path], ())


def _add_libraries(image, chosen, programs, extra_names):
    """Add the libraries from the packages that programs need, and those of extra_names."""
    index = elf.index_of_trees(chosen.trees())
    extra = [index[name] for name in extra_names]
    libraries, missing = elf.closure(programs + extra, index)
    need(not missing, f"libraries in no package: {missing}", "add their package to packages.py")
    for path in [*libraries, *extra]:
        image.add_file(f"{GUEST_LIBDIR}/{os.path.basename(path)}", os.path.realpath(path), 0o755)
    image.add_link("/lib64/ld-linux-x86-64.so.2", f"{GUEST_LIBDIR}/ld-linux-x86-64.so.2")


def _one(pattern):
    found = sorted(path for path in glob.glob(pattern) if not path.endswith((".efi", ".config")))
    need(len(found) == 1, f"{pattern} is there {len(found)} times, not once",
         "remove the cache folder and build again")
    return found[0]


def _save(folder, name, data):
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)


def _save_archive(folder, name, image):
    with open(os.path.join(folder, name), "wb") as file:
        image.write(file)
