# SPDX-License-Identifier: LGPL-2.1-or-later
"""Boot Xen, dom0 and the guests in qemu, watch them, and see to it that qemu always ends."""

import os
import select
import shutil
import subprocess
import tarfile
import time
from collections import namedtuple

from archive import Archive
from console import Console
from errors import need

# Limits of a guest's grant table and of its mappings; Xen's defaults are 64 and 1024 frames, of
# 512 grants and 512 mappings each. 256 frames hold 130,550 usable grants: 510 MiB.
GRANT_FRAMES = 256
MAPTRACK_FRAMES = 1024

CPUS = 2                    # one only: polling between guests gets 1000 times slower
SHUTDOWN_SECONDS = 60       # results, sync, power off
RESULT_DISK_BYTES = 1 << 30     # sparse

# With smap or rdtscp, dom0 dies at its first iretq.
_CPU = "max,-smap,-rdtscp,-erms"
# spec-ctrl, eager-fpu, xpti: without them programs in dom0 crash at random under emulation.
_XEN_ARGUMENTS = ("console=com1 com1=115200,8n1 loglvl=warning guest_loglvl=warning vga=none "
                  "dom0_mem={mem}M,max:{mem}M dom0_max_vcpus=1 spec-ctrl=no,eager-fpu=yes xpti=no "
                  "smt=1 no-real-mode edd=off conring_size=64k "
                  "gnttab_max_frames={grant} gnttab_max_maptrack_frames={maptrack}")
# ramfs: a tmpfs root would hold half of the memory only.
_LINUX_ARGUMENTS = "console=hvc0 loglevel=4 nokaslr mitigations=off rootfstype=ramfs rdinit=/init"

_GUEST_CONFIG = """\
name = "g{n}"
type = "pv"
kernel = "/guest/kernel"
ramdisk = "/guest/initrd"
extra = "{linux} clocksource=tsc tsc=reliable role={n} guests={guests} limit={limit}{gntalloc}"
memory = {mem}
maxmem = {mem}
vcpus = 1
cpus = "{cpu}"
tsc_mode = "native"
max_grant_frames = {grant}
max_maptrack_frames = {maptrack}
vif = ["mac=00:16:3e:00:00:{n:02x},script=/usr/lib/xenlab/vif-mini,bridge=br0"]
on_poweroff = "destroy"
on_reboot = "destroy"
on_crash = "destroy"
"""

# guests; mem: MiB per guest; timeout: of the job; boot_timeout: until all jobs start.
Machine = namedtuple("Machine", "guests mem timeout boot_timeout gntalloc_limit")

# booted: the jobs began. timed_out: the job did not end. exits: {guest: code or word}.
Outcome = namedtuple("Outcome", "booted timed_out exits seconds")


def prepare(folder, machine, images, payload):
    """Write dom0's complete initramfs and the empty result disk into folder."""
    guest_initrd = os.path.join(folder, "guest.cpio")
    with open(guest_initrd, "wb") as out:
        _append(out, images.guest_initrd)
        payload.write(out)
    unpacked = 2 * os.path.getsize(guest_initrd) >> 20
    need(unpacked + 64 < machine.mem,
         f"the guests' files take {unpacked} MiB while they are unpacked",
         f"use --mem {unpacked + 128} or more")
    extra = Archive()
    extra.add_file("/guest/kernel", images.guest_kernel)
    extra.add_file("/guest/initrd", guest_initrd)
    extra.add_text("/guest/env", f"GUESTS={machine.guests}\n")
    for n in range(1, machine.guests + 1):
        extra.add_text(f"/guest/g{n}.cfg", _guest_config(n, machine))
    with open(os.path.join(folder, "dom0.cpio"), "wb") as out:
        _append(out, images.dom0_initrd)
        extra.write(out)
    os.unlink(guest_initrd)


def _append(out, path):
    with open(path, "rb") as source:
        shutil.copyfileobj(source, out)


def _guest_config(n, machine):
    limit = machine.gntalloc_limit
    return _GUEST_CONFIG.format(
        n=n, guests=machine.guests, limit=machine.timeout, mem=machine.mem, linux=_LINUX_ARGUMENTS,
        gntalloc=f" gntalloc={limit}" if limit else "", cpu=(n - 1) % CPUS,
        grant=GRANT_FRAMES, maptrack=MAPTRACK_FRAMES)


def command(folder, machine, images):
    """Return (the qemu command line, the MiB of memory that it takes)."""
    initrd = os.path.join(folder, "dom0.cpio")
    # The initramfs is there packed and unpacked at once, and xl reads the guests' part of it.
    dom0_mem = 160 + (2 * os.path.getsize(initrd) >> 20)
    total = dom0_mem + machine.guests * (machine.mem + 16) + 96
    xen = _XEN_ARGUMENTS.format(mem=dom0_mem, grant=GRANT_FRAMES, maptrack=MAPTRACK_FRAMES)
    module = f"{images.dom0_kernel} {_LINUX_ARGUMENTS},{initrd}"
    disk = os.path.join(folder, "results.img").replace(",", ",,")
    qemu = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-machine", "q35", "-cpu", _CPU,
            "-smp", str(CPUS), "-m", str(total), "-nodefaults", "-nic", "none",
            "-display", "none", "-no-reboot", "-serial", "stdio",
            "-kernel", images.xen, "-append", xen, "-initrd", module,
            "-drive", f"file={disk},format=raw,if=none,id=results",
            # iommu_platform: a PV dom0's addresses are not the machine's; go through its DMA layer.
            "-device", "virtio-blk-pci,drive=results,disable-legacy=on,iommu_platform=on"]
    return qemu, total


def attempt(folder, machine, images, console):
    """Boot once; return the Outcome. Whatever happens, qemu has ended afterwards."""
    disk = os.path.join(folder, "results.img")
    with open(disk, "wb") as file:
        file.truncate(RESULT_DISK_BYTES)
    qemu, _ = command(folder, machine, images)
    start = time.monotonic()
    # An own session: Ctrl-C is for xenlab alone, which then ends qemu. Should xenlab itself be
    # killed, the kernel ends qemu.
    process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", *qemu],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, start_new_session=True)
    try:
        timed_out = _watch(process, machine, console, start)
    finally:
        _end(process)
    return Outcome(console.ready, timed_out, dict(console.exits), time.monotonic() - start)


def _watch(process, machine, console, start):
    """Feed the console until qemu ends; return True where a limit was passed."""
    deadline = start + machine.boot_timeout
    stage = "boot"
    while True:
        now = time.monotonic()
        if stage == "boot" and console.ready:
            stage, deadline = "job", now + machine.timeout + SHUTDOWN_SECONDS
        if stage != "end" and len(console.exits) == machine.guests:
            stage, deadline = "end", now + SHUTDOWN_SECONDS
        if now > deadline:
            return stage != "end"
        readable, _, _ = select.select([process.stdout], [], [], min(1, deadline - now + 0.01))
        if readable:
            data = os.read(process.stdout.fileno(), 65536)
            if not data:
                return False
            console.feed(data, now - start)


def _end(process):
    """Leave no qemu behind: wait a moment for one that is ending, then kill it by its id."""
    try:
        process.wait(timeout=1)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        process.kill()
        process.wait(timeout=30)
    finally:
        process.stdout.close()


def take_results(folder, out):
    """Unpack what the guests left in /out into out/gN; return the guests that left something."""
    found = []
    with _open_tar(os.path.join(folder, "results.img")) as outer:
        for member in outer or ():
            name = os.path.basename(member.name)
            if member.isfile() and name.endswith(".tar"):
                guest = name[:-len(".tar")]
                with tarfile.open(fileobj=outer.extractfile(member)) as inner:
                    _extract(inner, os.path.join(out, guest))
                found.append(guest)
    return sorted(found)


class _NoTar:
    """Stands for the archive on a disk that was never written."""

    def __enter__(self):
        return None

    def __exit__(self, *_):
        return False


def _open_tar(path):
    try:
        return tarfile.open(path, "r:")     # without ":" it tries to unzip a gigabyte of zeros
    except tarfile.ReadError:
        return _NoTar()


def _extract(tar, folder):
    """Write the archive's plain files below folder, whatever their names claim."""
    os.makedirs(folder, exist_ok=True)
    for member in tar:
        path = os.path.normpath("/" + member.name)
        if member.isfile():
            target = folder + path
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as out:
                shutil.copyfileobj(tar.extractfile(member), out)
