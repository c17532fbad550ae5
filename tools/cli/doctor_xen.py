# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks of Xen, real or emulated: guest, devices, limits, and 4 MiB through grant and map."""
import grp
import os
import pwd
import stat

from . import where
from .checks import FAIL, MIB, PASS, SKIP, WARN, mib, outcome, pairs

DEVICES = ("gntalloc", "gntdev", "evtchn")
HYPERVISOR = "/sys/hypervisor/type"
LIMIT = "/sys/module/xen_gntalloc/parameters/limit"
UDEV = ("groupadd -f xen; usermod -aG xen USER; echo 'SUBSYSTEM==\"misc\", KERNEL==\"xen/*\", GROUP=\"xen\", MODE=\"0660\"' "
        "> /etc/udev/rules.d/60-xen-grants.rules; udevadm control --reload; udevadm trigger /dev/xen/*")
DEFAULT_LIMIT = 1024    # gntalloc's, in pages
GRANTS_PER_FRAME = 512  # version 1 of the grant table: 8 bytes each
ROOM = 2048             # grants that disk and network of a VM may need


def read_line(path):
    """The file's first line, or None."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.readline().strip()
    except OSError:
        return None


def name_of(database, number):
    """A user's or group's name, or the number."""
    try:
        return database(number)[0]
    except KeyError:
        return str(number)


def ownership(path):
    """'crw------- root:root'"""
    info = os.stat(path)
    return (f"{stat.filemode(info.st_mode)} {name_of(pwd.getpwuid, info.st_uid)}:"
            f"{name_of(grp.getgrgid, info.st_gid)}")


def guest(checks):
    """Is this a VM of Xen at all? -> bool"""
    kind = read_line(HYPERVISOR)
    if kind == "xen" or os.path.exists("/dev/xen/gntalloc"):
        checks.add("xen.guest", PASS, f"a Xen guest ({HYPERVISOR}: {kind or 'not there'})")
        return True
    checks.add("xen.guest", FAIL, f"not a Xen guest: {HYPERVISOR} {'says ' + kind if kind else 'is not there'}; "
               "every message falls through to the MPI", "run in VMs of one Xen host; to try the library without: "
               "vmonecopy run --emulated, here VMONECOPY_XEN=emulated")
    return False


def device(checks, name):
    """One node of /dev/xen."""
    path, check, module = f"/dev/xen/{name}", f"xen.devices.{name}", f"xen-{name}"
    needed = FAIL if name != "xenbus" or "VMONECOPY_DOMID" not in os.environ else PASS
    try:
        owned = ownership(path)
    except OSError:
        load = f"modprobe {module}; echo {module} >> /etc/modules-load.d/vmonecopy.conf" if name != "xenbus" \
            else "set VMONECOPY_DOMID to this VM's number (xl list in dom0)"
        checks.add(check, needed, f"no {path}", "" if needed == PASS else f"{load}; in a container: pass the device in")
        return
    if os.access(path, os.R_OK | os.W_OK, effective_ids=True):
        checks.add(check, PASS, f"{path} {owned}")
    else:
        checks.add(check, needed, f"no permission for {path} ({owned})", "" if needed == PASS else
                   UDEV.replace("USER", name_of(pwd.getpwuid, os.geteuid())))


def limit_pages(emulated):
    """gntalloc's limit for this VM, or None."""
    text = os.environ.get("XENEMU_LIMIT", str(DEFAULT_LIMIT)) if emulated else read_line(LIMIT)
    return int(text) if text and text.isdigit() else None


def taken_pages(pages, options):
    """What the library grants of them at most, in all processes of the VM (shim/peer_start: three quarters)."""
    asked = options["VMONECOPY_VM_GRANT_BUDGET"]
    return min(asked // 4096 if asked else pages * 3 // 4, pages)


def limit(checks, pages, emulated, options):
    """How much may be granted, and how much the library takes of it."""
    if pages is None:
        checks.add("xen.limit", WARN, f"gntalloc's limit is not known: no {LIMIT}", "modprobe xen-gntalloc")
        return
    what = (f"{pages} pages: {mib(pages)} for this VM, of which all its ranks together take "
            f"{mib(taken_pages(pages, options))} at most")
    more = "export XENEMU_LIMIT=32768" if emulated else (
        "echo 'options xen-gntalloc limit=16384' > /etc/modprobe.d/xen-gntalloc.conf; "
        f"for now: echo 16384 > {LIMIT}")
    if options["VMONECOPY_VM_GRANT_BUDGET"] > pages * 4096:
        checks.add("xen.limit", WARN, f"{what}; VMONECOPY_VM_GRANT_BUDGET asks for more", more)
    elif pages <= DEFAULT_LIMIT:
        checks.add("xen.limit", WARN, f"{what}; what is sent beyond falls through", more)
    else:
        checks.add("xen.limit", PASS, what)


def table(emulated):
    """The grant table: -> (grants or None if not known, in words)."""
    if emulated:
        text = os.environ.get("XENEMU_GRANT_TABLE", "32246")
        return int(text) if text.isdigit() else 0, f"XENEMU_GRANT_TABLE={text}"
    found = pairs(outcome([where.helper("probe"), "frames"], seconds=20)[1])
    if "most_frames" not in found:
        return None, found.get("error", "no answer")
    frames = int(found["most_frames"])
    return frames * GRANTS_PER_FRAME, f"{frames} frames, {found['frames']} in use"


def grant_frames(checks, pages, emulated, options):
    """Does the hypervisor's table hold what the library may grant?"""
    grants, held = table(emulated)
    if grants is None:
        checks.add("xen.grant_frames", SKIP, f"not known ({held}); root can ask. The usual 64 frames hold about 32200 grants, "
                   "126 MiB, with those of disk and network")
        return
    what = f"{held}: {grants} grants, {mib(grants)} at most, with those of the VM's disk and network"
    taken = taken_pages(pages or 0, options)
    if taken + ROOM > grants:
        checks.add("xen.grant_frames", WARN, f"{what}; the library may take {taken}: too many. A table that was full once "
                   "fails until gntalloc is loaded again", f"max_grant_frames = {-(-(taken + ROOM) // GRANTS_PER_FRAME)} in "
                   f"xl.cfg, or gntalloc's limit (xen.limit) at {max(grants - ROOM, 0)} at most")
    else:
        checks.add("xen.grant_frames", PASS, what)


def round_trip(checks, emulated):
    """4 MiB through grant and map, by the library's own code."""
    library = where.beside("libxenemu.so") if emulated else "-"
    status, out, err = outcome([where.helper("probe"), "round_trip", library], seconds=120)
    found = pairs(out)
    told = found.get("error") or (err.strip().splitlines() or [f"exit status {status}"])[-1]
    if "domid" not in found:
        checks.add("xen.round_trip", FAIL, told, "see xen.devices and lib.files; a missing library: apt-get install "
                   "libxengnttab1 libxenevtchn1 libxenstore4; a missing helper: make, or install again")
        return
    checks.add("xen.domid", PASS, f"this VM is domain {found['domid']}")
    mapped, copied = int(found.get("mapped_bytes", 0)), int(found.get("copied_bytes", 0))
    where_to = "emulated" if emulated else "to this VM itself"
    if status == 0:
        checks.add("xen.round_trip", PASS, f"{mapped / MIB:.4g} MiB granted, mapped and compared ({where_to}); "
                   f"{copied // 1024} KiB by grant copy")
    elif copied:
        checks.add("xen.round_trip", WARN, f"mapping failed after {mapped / MIB:.4g} MiB ({told}); grant copy works, and "
                   "messages go by it", "max_maptrack_frames = 1024 in xl.cfg")
    else:
        domid = os.environ.get("VMONECOPY_DOMID")
        fix = "another job may hold what gntalloc's limit allows: end it, or raise the limit (xen.limit)"
        if domid and not told.startswith("granting"):
            fix = f"is this VM domain {domid}, as VMONECOPY_DOMID says? Unset it, or set what xl list says in dom0"
        checks.add("xen.round_trip", FAIL, f"{told}, after {mapped / MIB:.4g} MiB", fix)


def check(checks, emulated, options):
    """All of Xen. options: the values as the library reads them, by variable."""
    if emulated:
        checks.add("xen.guest", PASS, "EMULATED Xen, as VMONECOPY_XEN says; figures tell nothing about a hypervisor")
    elif not guest(checks):
        for name in [f"xen.devices.{one}" for one in (*DEVICES, "xenbus")] + ["xen.limit", "xen.grant_frames",
                                                                             "xen.round_trip"]:
            checks.add(name, SKIP, "not a Xen guest")
        return
    else:
        for name in (*DEVICES, "xenbus"):
            device(checks, name)
    pages = limit_pages(emulated)
    limit(checks, pages, emulated, options)
    grant_frames(checks, pages, emulated, options)
    if any(checks.status(f"xen.devices.{name}") == FAIL for name in DEVICES):
        checks.add("xen.round_trip", SKIP, "a device is missing")
    else:
        round_trip(checks, emulated)
