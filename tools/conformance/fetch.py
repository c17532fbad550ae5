# SPDX-License-Identifier: LGPL-2.1-or-later
"""The source of Debian's mpich, from the mirror that apt uses already, of which test/mpi is kept.

apt gets a private list of sources with deb-src lines, and private lists and cache, all in one folder:
nothing in /etc or /var changes. apt checks what it fetches against the mirror's signatures.
"""
import glob
import os
import shutil
import subprocess

from . import CannotRun

SOURCE = "mpich"
KEPT = "test/mpi"
FETCH_SECONDS = 600


def suite_source(folder):
    """The folder of the suite's source, fetched if it is not there."""
    source = os.path.join(folder, "source")
    if not os.path.exists(os.path.join(source, KEPT, "configure")):
        print(f"fetching the source of Debian's {SOURCE}", flush=True)
        _unpack(_download(os.path.join(folder, "apt")), source)
    return os.path.join(source, KEPT)


def _mirrors():
    """deb-src lines for the repositories that apt's sources name for Debian's main component."""
    form = "$(CREATED_BY)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(SIGNED_BY)"
    run = subprocess.run(["apt-get", "indextargets", "--format", form], stdout=subprocess.PIPE, text=True,
                         timeout=60, check=False)
    lines = []
    for fields in (line.split("|") for line in run.stdout.splitlines()):
        if fields[0] != "Packages" or fields[3] != "main":
            continue
        key = f"[signed-by={fields[4]}] " if fields[4].startswith("/") else ""
        line = f"deb-src {key}{fields[1]} {fields[2]} main"
        if line not in lines:
            lines.append(line)
    if not lines:
        raise CannotRun("apt knows no package archive: the suite is fetched from Debian's")
    return lines


def _apt(folder, *command):
    """apt-get with everything of its own in the folder. As root it would else drop to a user that can't write there."""
    options = {"Dir::Etc::sourcelist": f"{folder}/sources.list", "Dir::Etc::sourceparts": "/dev/null",
               "Dir::State::lists": f"{folder}/lists", "Dir::Cache": f"{folder}/cache", "APT::Sandbox::User": "root"}
    line = ["apt-get", "-q"]
    for name, value in options.items():
        line += ["-o", f"{name}={value}"]
    run = subprocess.run([*line, *command], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, timeout=FETCH_SECONDS, check=False)
    with open(os.path.join(folder, "log"), "a", encoding="utf-8") as log:
        log.write(run.stdout)
    return run


def _download(folder):
    """The path of the source's tar file."""
    os.makedirs(os.path.join(folder, "lists", "partial"), exist_ok=True)
    os.makedirs(os.path.join(folder, "cache", "archives", "partial"), exist_ok=True)
    with open(os.path.join(folder, "sources.list"), "w", encoding="utf-8") as file:
        file.write("\n".join(_mirrors()) + "\n")
    for command in (("update",), ("source", "--download-only", SOURCE)):
        run = _apt(folder, *command)
        if run.returncode:
            reason = [line for line in run.stdout.splitlines() if line.startswith("E:")]
            raise CannotRun(f"apt-get {' '.join(command)}: {' '.join(reason) or run.stdout[-200:]}: look into "
                            f"{folder}/log, and see that the mirror has source packages")
    found = sorted(glob.glob(os.path.join(folder, f"{SOURCE}_*.orig.tar.*[!c]")))
    if not found:
        raise CannotRun(f"apt-get source {SOURCE} brought no source to {folder}")
    return found[-1]


def _unpack(tar, source):
    """The kept folder alone, without the archive's top folder. Whole or not at all."""
    partial = source + ".partial"
    shutil.rmtree(partial, ignore_errors=True)
    os.makedirs(partial)
    run = subprocess.run(["tar", "-xf", tar, "-C", partial, "--no-same-owner", "--strip-components=1", "--wildcards",
                          f"*/{KEPT}", "*/COPYRIGHT"], stderr=subprocess.PIPE, text=True, timeout=FETCH_SECONDS,
                         check=False)
    if run.returncode:
        os.unlink(tar)
        raise CannotRun(f"{tar} was damaged and is removed ({run.stderr.strip()[:200]}): try again")
    os.rename(partial, source)
