#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The texts for users agree with the program.

README's commands exist, links lead somewhere, each make target and VMONECOPY_ variable that a text names is there, the
changelog begins with this version, and TROUBLESHOOTING has every name of the doctor and every reason to fall through.
"""
import fnmatch
import glob
import json
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOL = os.path.join(ROOT, "tools/vmonecopy")
complaints = []


def complain(wrong, text):
    if wrong:
        complaints.append(text)


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as text:
        return text.read()


TEXTS = {os.path.relpath(path, ROOT): open(path, encoding="utf-8").read() for pattern in
         ("*.md", "docs/*.md", "docs/man/*.in", "tools/*/README.md") for path in glob.glob(os.path.join(ROOT, pattern))}


def anchor(title):
    """As GitHub makes it of a heading."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


def check_links():
    found = 0
    for name, text in TEXTS.items():
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"\w+:", target):
                continue
            found += 1
            file, _, place = target.partition("#")
            path = os.path.normpath(os.path.join(os.path.dirname(name), file)) if file else name
            complain(not os.path.exists(os.path.join(ROOT, path)), f"{name}: link to {target}: no such file")
            if place and path in TEXTS:
                titles = map(anchor, re.findall(r"^#+ (.*)$", TEXTS[path], re.M))
                complain(place not in titles, f"{name}: link to {target}: no such heading")
    complain(found < 20, "the search for links found next to none")


def check_targets():
    makefile = read("Makefile")
    targets = {name for line in re.findall(r"^([a-z][a-z -]*):(?!=)", makefile, re.M) for name in line.split()}
    found = 0
    for name, text in TEXTS.items():
        commands = re.findall(r"`make ([^`]*)`", text) + re.findall(r"^ {4}(?:.*  )?make (\S.*)$", text, re.M)
        for command in commands:
            command = command.partition("  ")[0].partition("#")[0].partition("&&")[0]
            for word in command.split():
                if re.fullmatch(r"[a-z][a-z-]*", word):
                    found += 1
                    complain(word not in targets, f"{name}: make {word}: no such target")
    complain(found < 10, "the search for make targets found next to none")
    listed = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.M))
    for target in ("test", "demo", "install", "uninstall", "deb"):
        complain(target not in listed, f"Makefile: {target} is not in `make help`")
        complain(not re.search(rf"\bmake (\S+ )*{target}\b", TEXTS["README.md"]), f"README.md: no `make {target}`")


def check_cleaned():
    """`make clean` names each directory that make builds in, but for the lab's."""
    out = subprocess.run(["make", "-n", "B=/b", "clean"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    for folder in set(re.findall(r"\$B/([a-z]+)/", read("Makefile"))):
        complain(f"/b/{folder} " not in out, f"make clean leaves $B/{folder}")


def check_variables():
    known = set(re.findall(r'"(VMONECOPY\w*)"', read("shim/options.def"))) | {"VMONECOPY_BUILD"}
    for name, text in TEXTS.items():
        for variable in set(re.findall(r"\bVMONECOPY_[A-Z]\w*", text)):
            complain(variable not in known, f"{name}: {variable} is not in options.def")


def check_version():
    version = re.search(r'^#define VMO_VERSION "(.*)"$', read("shim/vmo.h"), re.M)[1]
    newest = re.search(r"^## (\S+), (\d{4}-\d\d-\d\d)$", TEXTS["CHANGELOG.md"], re.M)
    complain(not re.fullmatch(r"\d+\.\d+\.\d+(-[\w.]+)?", version), f"vmo.h: {version} is no version of SemVer")
    complain(not newest or newest[1] != version, f"CHANGELOG.md does not begin with '## {version}, YYYY-MM-DD'")
    for name in ("Makefile", "README.md", *glob.glob("tools/packaging/**/*", root_dir=ROOT, recursive=True)):
        if os.path.isfile(os.path.join(ROOT, name)):
            complain(version in read(name), f"{name} repeats the version {version} of shim/vmo.h")


def doctor_names(rooms):
    """Those that it says here, and those of these rooms that its code has; * where a name is completed at run time."""
    names = set()
    for xen in ("real", "emulated"):
        out = subprocess.run([TOOL, "doctor", "--json", "--no-job"], env=dict(os.environ, VMONECOPY_XEN=xen),
                             stdout=subprocess.PIPE, text=True).stdout
        names |= {check["name"] for check in json.loads(out)["checks"]}
    complain(len(names) < 10, "the doctor says next to nothing")
    sources = [open(path, encoding="utf-8").read() for path in glob.glob(os.path.join(ROOT, "tools/cli/doctor*.py"))]
    names |= {name for text in sources for name in re.findall(r'checks\.add\("([^"]*)"', text)}
    rooms = "|".join(sorted(rooms | {name.split(".")[0] for name in names}))
    for text in sources:
        names |= {re.sub(r"\{.*?\}", "*", name) for name in
                  re.findall(rf'"((?:{rooms})\.[a-z_.]*(?:\{{\w+\}})?)"', text)}
    return names


def check_troubleshooting():
    rows = set(re.findall(r"^\| `([a-z]+\.[a-z_.]+)` \|", TEXTS["docs/TROUBLESHOOTING.md"], re.M))
    names = doctor_names({row.split(".")[0] for row in rows})
    for name in names:
        complain(not fnmatch.filter(rows, name), f"docs/TROUBLESHOOTING.md: no row for the doctor's {name}")
    for row in rows:
        complain(not any(fnmatch.fnmatch(row, name) for name in names), f"docs/TROUBLESHOOTING.md: the doctor has no {row}")
    told = re.findall(r"`(\w+)`", "".join(re.findall(r"^\|[^|]*\|", TEXTS["docs/TROUBLESHOOTING.md"], re.M)))
    reasons = re.findall(r'^X\((\w+), "(.*)"\)', read("shim/reasons.def"), re.M)
    complain(len(reasons) < 8, "reasons.def: the search found next to no entries")
    for reason, _ in reasons:
        complain(told.count(reason) != 1, f"docs/TROUBLESHOOTING.md: reason {reason} stands there {told.count(reason)} times")
    for reason, text in re.findall(r"^\| `(\w+)` \| ([^|]*) \|", TEXTS["docs/TROUBLESHOOTING.md"], re.M):
        complain(dict(reasons).get(reason) != text, f"docs/TROUBLESHOOTING.md: {reason} is not '{text}' in reasons.def")


def check_counters():
    counters = set(re.findall(r"^X\((\w+),", read("shim/counters.def") + read("shim/reasons.def"), re.M))
    for column in re.findall(r"^\|([^|]*)\|", TEXTS["docs/TUNING.md"], re.M):
        for name in re.findall(r"`(\w+)`", column):
            complain(name not in counters, f"docs/TUNING.md: the report has no {name}")


def main():
    for check in (check_links, check_targets, check_cleaned, check_variables, check_version, check_troubleshooting,
                  check_counters):
        check()
    sys.stdout.write("".join(line + "\n" for line in complaints))
    return int(bool(complaints))


if __name__ == "__main__":
    sys.exit(main())
