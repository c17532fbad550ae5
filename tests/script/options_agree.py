# SPDX-License-Identifier: LGPL-2.1-or-later
"""README's table, vmonecopy(7) as man shows it, `vmonecopy env` and `vmonecopy run --help` tell the same options.

Each is read as a user reads it: variable, default and meaning must be those of the others, in the same order.
"""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOL = os.path.join(ROOT, "tools/vmonecopy")
VARIABLE = r"(VMONECOPY(?:_[A-Z_]+)?)"
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("VMONECOPY")}


def output(*command, **more):
    return subprocess.run(command, env=dict(ENVIRONMENT, **more), stdout=subprocess.PIPE, text=True, check=True).stdout


def squeezed(text):
    return " ".join(text.split())


def of_readme():
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as text:
        return re.findall(rf"^\| `{VARIABLE}` \| (.*?) \| (.*) \|$", text.read(), re.M)


def of_man(scratch):
    """As rendered, in one column wide enough that nothing is hyphenated."""
    page = os.path.join(scratch, "vmonecopy.7")
    output(sys.executable, "-B", os.path.join(ROOT, "tools/man_pages.py"), os.path.join(ROOT, "docs/man/vmonecopy.7.in"), page)
    text = output("man", "--nh", "--nj", "-P", "cat", "-l", page, MANWIDTH="1000", LC_ALL="C", MAN_KEEP_FORMATTING="")
    section = re.sub(r".\x08|\x1b\[[0-9;]*m", "", text).partition("\nENVIRONMENT\n")[2].partition("\nFILES\n")[0]
    found = re.findall(rf"^ +{VARIABLE} +\([^;]*; default ([^)]*)\)\s+(.*)$", section, re.M)
    return [(variable, default, squeezed(meaning)) for variable, default, meaning in found]


def of_env():
    return re.findall(rf"^{VARIABLE}=(\S*) +\(default\)\n +(.*)$", output(TOOL, "env"), re.M)


def of_run():
    """Flags: --patience-us is VMONECOPY_PATIENCE_US, --enable VMONECOPY itself."""
    found = re.findall(r"^ +--(?:\[no-\])?([a-z-]+).*\n +(.*) \(default (.*)\)$", output(TOOL, "run", "--help"), re.M)
    return [("VMONECOPY_" + flag.upper().replace("-", "_") if flag != "enable" else "VMONECOPY", default, meaning)
            for flag, meaning, default in found]


def main():
    readme, wrong = of_readme(), []
    if len(readme) < 15:
        wrong.append(f"README.md has only {len(readme)} options")
    for name, others in (("vmonecopy(7)", of_man(sys.argv[1])), ("vmonecopy env", of_env()), ("vmonecopy run --help", of_run())):
        for option in readme:
            if option not in others:
                there = next((other for other in others if other[0] == option[0]), "nothing")
                wrong.append(f"README.md says {option}, {name} says {there}")
        wrong += [f"{name} has {option[0]}, README.md has not" for option in others if option[0] not in dict(o[:2] for o in readme)]
        if [option[0] for option in others] != [option[0] for option in readme]:
            wrong.append(f"{name}: another order than README.md")
    sys.stdout.write("".join(line + "\n" for line in wrong))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
