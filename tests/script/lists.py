# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each list of the shim stands in one place, is used, and forgets no call of mpi.h. See lists.sh."""
import os
import re
import shutil
import subprocess
import sys

ROOT = sys.argv[1]
SHIM = os.path.join(ROOT, "shim")
wrong = []
PAREN = r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"


def read(path):
    with open(path, encoding="utf-8", errors="replace") as text:
        return text.read()


def complain(condition, text):
    if condition:
        wrong.append(text)


def sources(*folders):
    """(path, text) of all that people wrote below these folders."""
    for folder in folders:
        for place, _, names in os.walk(os.path.join(ROOT, folder)):
            for name in names:
                if not name.endswith((".pyc", ".o", ".img", ".cpio")):
                    path = os.path.join(place, name)
                    yield os.path.relpath(path, ROOT), read(path)


SHIM_TEXTS = {path: text for path, text in sources("shim") if not path.endswith(".def")}
CODE = "\n".join(re.sub(r"/\*.*?\*/", "", text, flags=re.S) for text in SHIM_TEXTS.values())


def entries(name):
    """First arguments and strings of the entries of a .def file, in order."""
    text = re.sub(r"/\*.*?\*/", "", read(os.path.join(SHIM, name)), flags=re.S)
    return re.findall(r"^X4?\((\w+)(?:, *(?:\"((?:[^\"\\]|\\.)*)\")?)?", text, re.M)


def once(name, ids):
    for entry in sorted({i for i in ids if ids.count(i) > 1}):
        complain(True, f"{name}: {entry} stands there twice")


# No options: macros of include/vmonecopy.h; of test builds, and of the tools.
MACROS = ["VMONECOPY_H", "VMONECOPY_WEAK", "VMONECOPY_LIBRARY"]
TEST_BUILDS_ONLY = {"VMONECOPY_FAULT": ("shim/fault.h", "shim/fault.c", "shim/faults.def", "shim/mistakes.c"),
                    "VMONECOPY_BUILD": ("shim/mistakes.c", "tools/cli/where.py", "tools/cli/options.py")}


def check_options():
    options = entries("options.def")
    once("options.def", [i for i, _ in options])
    variables = [variable for _, variable in options]
    once("options.def", variables)
    for option, variable in options:
        complain(not re.search(rf"config(?:\.|->){option}\b", CODE), f"options.def: nobody uses {option} ({variable})")
    texts = list(sources("shim", "tools", "include"))
    for name in ("README.md", "Makefile"):
        path = os.path.join(ROOT, name)
        texts += [(name, read(path))] if os.path.exists(path) else []
    seen = set()
    for path, text in texts:
        for variable in re.findall(r"\bVMONECOPY_[A-Z][A-Z0-9_]*", text):
            seen.add(variable)
            if path not in TEST_BUILDS_ONLY.get(variable, ()):
                complain(variable not in variables + MACROS, f"{path}: {variable} is not in options.def")
    complain(len(seen) < 10, "the search for options found next to none")


def check_counters():
    for name, uses in (("counters.def", r"vmo_count\({0},|VMO_C_{0}\b"), ("reasons.def", r"VMO_R_{0}\b")):
        listed = entries(name)
        once(name, [i for i, _ in listed])
        complain(len(listed) < 8, f"{name}: the search found next to no entries")
        for entry, meaning in listed:
            complain(not re.search(uses.format(entry), CODE), f"{name}: nobody uses {entry}")
            for path, text in SHIM_TEXTS.items():
                complain(meaning and f'"{meaning}"' in text, f"{path}: repeats the text of {entry} in {name}")
        for used in re.findall(r"vmo_count\((\w+)," if name[0] == "c" else r"VMO_R_(\w+)", CODE):
            known = [i for i, _ in listed] + ["id"]
            complain(used not in known, f"{name}: {used} is used and not there")


def check_faults():
    points = [i for i, _ in entries("faults.def")]
    once("faults.def", points)
    complain(len(points) < 8, "faults.def: the search found next to no entries")
    used = re.findall(r"vmo_fault\((\w+)\)", CODE)
    for point in points:
        complain(point not in used, f"faults.def: nobody uses {point}")
    for point in used:
        complain(point not in points + ["id"], f"faults.def: {point} is used and not there")


def check_calls():
    calls = [i for i, _ in entries("calls.def")]
    uses = [i for i, _ in entries("uses.def")]
    once("calls.def", calls)
    once("calls.def and uses.def together", calls + uses)
    for call in calls:
        complain(not re.search(rf"\bvmo_{call}\(", CODE), f"calls.def: there is no vmo_{call}")
        complain(f"vmo_count_call({call})" not in CODE, f"calls.def: nobody counts {call}")
    for use in uses:
        complain(not re.search(rf"\bmpi\.{use}\b", CODE), f"uses.def: nobody calls {use}")
    return calls


def preprocessed(mpi):
    command = {"mpich": ["mpicc.mpich", "-show"], "openmpi": ["mpicc.openmpi", "--showme:compile"]}[mpi]
    if not shutil.which(command[0]):
        return None
    flags = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    header = "#include <mpi.h>\n#if __has_include(<mpi-ext.h>)\n#include <mpi-ext.h>\n#endif\n"
    return subprocess.run(["cpp", "-P"] + [f for f in flags if f.startswith("-I")], input=header,
                          capture_output=True, text=True, check=True).stdout


def concerned(text):
    """All MPI functions declared, and those with a request, a status or a message among them."""
    text = re.sub(r"\{[^{}]*\}", ";", re.sub(r"__attribute__\s*" + PAREN, " ", text))
    functions, found = set(), set()
    for declaration in text.split(";"):
        match = re.search(r"^([\w\s*]*?)\b(MPIX?_\w+)\s*(" + PAREN + r")\s*$", declaration.strip(), re.S)
        if match and "typedef" not in match[1]:
            functions.add(match[2])
            if re.search(r"\bMPI_(Request|Status|Message|F08_status)\b", match[1] + match[3]):
                found.add(match[2])
    return functions, found


def check_headers(calls):
    path = os.path.join(ROOT, "tests/script/not_intercepted.txt")
    lines = [line for line in read(path).splitlines() if line.strip() and not line.startswith("#")]
    listed, reason = [], None
    for line in lines:
        if line[0] in "\t ":
            complain(not reason, f"not_intercepted.txt: no reason before {line.strip()}")
            listed += line.split()
        else:
            reason = line
    once("not_intercepted.txt", listed)
    for name in listed:
        complain(name[4:] in calls and name.startswith("MPI_"), f"not_intercepted.txt: {name} is intercepted")
    known = set(listed) | {"MPI_" + call for call in calls}
    missing, all_functions = [], set()
    for mpi in ("mpich", "openmpi"):
        text = preprocessed(mpi)
        if text is None:
            missing.append(f"mpicc.{mpi}")
            continue
        functions, found = concerned(text)
        all_functions |= functions
        complain(len(found) < 90, f"{mpi}: only {len(found)} functions found in mpi.h")
        for name in sorted(found - known):
            complain(True, f"{mpi}: {name} is neither in calls.def nor in not_intercepted.txt")
    if not missing:
        for name in sorted(known - all_functions):
            complain(True, f"no mpi.h has {name}")
    return missing


check_options()
check_counters()
check_faults()
absent = check_headers(check_calls())
for text in wrong:
    print("lists: " + text)
if wrong:
    sys.exit(1)
if absent:
    print("lists: skipped: the rest is right, but there is no " + " ".join(absent))
    sys.exit(77)
