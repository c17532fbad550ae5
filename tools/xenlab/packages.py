# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fetch the Debian packages that the images are made of; install none of them.

Exact names come from the metapackages (a kernel's name changes with each security update; a
pattern would fetch every flavour there is). The chosen versions are written to packages.json in
the cache, so that images can be made again, and runs started, with no network and no apt lists.
"""

import json
import os
import re
import shutil
import subprocess

from errors import XenlabError, need

# What the machine that runs xenlab must have installed: all of it, in one place.
HOST_PACKAGES = ("qemu-system-x86", "apt", "dpkg", "util-linux", "libc-bin")

_META = {"kernel": "linux-image-amd64", "guest_kernel": "linux-image-cloud-amd64",
         "xen": "xen-system-amd64"}

# dom0's libraries come from packages too, so that dom0 does not depend on the host's.
_FIXED = ("busybox-static", "xenstore-utils", "libc6", "libgcc-s1", "libext2fs2", "liblzma5",
          "libuuid1", "libyajl2", "libzstd1", "zlib1g", "libxencall1", "libxendevicemodel1",
          "libxenevtchn1", "libxenforeignmemory1", "libxengnttab1", "libxenhypfs1",
          "libxenstore4", "libxentoolcore1", "libxentoollog1")

_UPDATE = "run `apt-get update` (xenlab wants the package lists of Debian 12, amd64)"


class Packages:
    """The chosen packages: versions {name: version}, roles {role: name}, unpacked trees."""

    def __init__(self, cache, versions, roles):
        self._cache = cache
        self.versions = versions
        self.roles = roles

    def tree(self, name):
        """Return the folder that the package is unpacked in; name may be a role."""
        name = self.roles.get(name, name)
        return os.path.join(self._cache, "trees", _file_name(name, self.versions[name]))

    def trees(self):
        """Return the folders of all packages."""
        return [self.tree(name) for name in self.versions]

    def fetch(self, say):
        """Download and unpack what the cache lacks."""
        missing = [name for name in self.versions if not os.path.isdir(self.tree(name))]
        for name in missing:
            say(f"fetching {name} {self.versions[name]}")
            _unpack(_download(self._cache, name, self.versions[name]), self.tree(name))

    def save(self):
        """Remember the choice for load()."""
        text = json.dumps({"versions": self.versions, "roles": self.roles}, indent=1)
        _write(os.path.join(self._cache, "packages.json"), text)


def load(cache):
    """Return the Packages that the last successful build chose, or None."""
    path = os.path.join(cache, "packages.json")
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as file:
        return Packages(cache, **json.load(file))


def resolve(cache):
    """Ask apt's lists for the present names and versions and return them as Packages."""
    metas = _show(_META.values())
    roles = {
        "kernel": _depends(metas[_META["kernel"]], r"linux-image-[\w.-]+"),
        "guest_kernel": _depends(metas[_META["guest_kernel"]], r"linux-image-[\w.-]+"),
        "hypervisor": _depends(metas[_META["xen"]], r"xen-hypervisor-[\d.]+-amd64"),
        "tools": _depends(metas[_META["xen"]], r"xen-utils-[\d.]+"),
    }
    xen_version = roles["tools"].rsplit("-", 1)[1]
    names = [*roles.values(), f"libxenmisc{xen_version}", *_FIXED]
    shown = _show(names)
    return Packages(cache, {name: shown[name]["Version"] for name in names}, roles)


def _show(names):
    """Return {package: {field: value}} of the candidates of the named packages."""
    need(shutil.which("apt-cache"), "apt-cache is missing", "xenlab needs a Debian-like host")
    run = subprocess.run(["apt-cache", "show", "--no-all-versions", *names], text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60, check=False)
    stanzas = [dict(re.findall(r"^([\w-]+): (.*)$", text, re.M))
               for text in run.stdout.split("\n\n") if text.strip()]
    found = {stanza["Package"]: stanza for stanza in stanzas}
    missing = [name for name in names if name not in found]
    need(not missing, f"apt knows no package {', '.join(missing)}", _UPDATE)
    return found


def _depends(stanza, pattern):
    match = re.search(rf"(?:^|, )({pattern})(?: |,|$)", stanza.get("Depends", ""))
    need(match, f"{stanza['Package']} depends on no {pattern}", _UPDATE)
    return match.group(1)


def _download(cache, name, version):
    """Return the path of the package's file, downloaded where the cache lacks it."""
    folder = os.path.join(cache, "debs")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, _file_name(name, version) + ".deb")
    if os.path.exists(path):
        return path
    # As root, apt would complain that its own user can't write here.
    run = subprocess.run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download",
                          f"{name}={version}"], cwd=folder, text=True, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, timeout=600, check=False)
    fetched = os.path.join(folder, f"{name}_{version.replace(':', '%3a')}_amd64.deb")
    if run.returncode or not os.path.exists(fetched):
        reason = next((line for line in run.stdout.splitlines() if line.startswith("E:")), "")
        raise XenlabError(f"can't download {name} {version} {reason}; {_UPDATE}")
    os.rename(fetched, path)
    return path


def _unpack(deb, tree):
    partial = tree + ".partial"
    shutil.rmtree(partial, ignore_errors=True)
    os.makedirs(partial)
    run = subprocess.run(["dpkg-deb", "-x", deb, partial], stderr=subprocess.PIPE, text=True,
                         timeout=300, check=False)
    if run.returncode:
        os.unlink(deb)
        raise XenlabError(f"{deb} was damaged and is removed ({run.stderr.strip()}); try again")
    os.rename(partial, tree)


def _file_name(name, version):
    return f"{name}_{version.replace(':', '.')}"


def _write(path, text):
    with open(path + ".partial", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".partial", path)
