# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every option with many texts: the tool's reading against the library's own, which `probe settings` prints.

Usage: env_values.py ROOT PROBE. The library is asked for a few options at a time: it names what it does not understand,
but not without end.
"""
import os
import subprocess
import sys

root, probe = sys.argv[1:]
sys.path.insert(0, os.path.join(root, "tools"))
from cli import options as table, where  # noqa: E402 (needs the path above)

TEXTS = ["", "0", "1", "2", "-1", "+5", " 7", "\t64", "64 ", "63", "64", "4096", "4k", "4K", "1m", "1M", "1G", "2g", "1T", "1KB", "1 K", "K",
         "0x10", "010", "1e3", "1.5", "on", "ON", "oFf", "yes", "no", "NO", "true", "False", "y", "none", "line", "full",
         "debug", "Debug", "json:", "json:/tmp/x", "json", "real", "emulated", "Emulated", "32751", "32752", "1000000", "1000001", "67108864", "67108865", "64M",
         "65M", "1099511627776", "1099511627777", "1024G", "1025G", "9223372036854775807", "9223372036854775808",
         "-9223372036854775808", "-9223372036854775809", "99999999999999999999999", "8589934592G", "8589934591G", "9007199254740992K",
         "--1", "+-1", "-0", "", "１", "lots"]


AT_A_TIME = 12


def library_values(options, text):
    """-> {variable: value}, {variables that it complains of}"""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("VMONECOPY")}
    environ.update({option.env: text for option in options})
    done = subprocess.run([probe, "settings"], env=environ, capture_output=True, text=True, timeout=30, check=True)
    values = {}
    for line in done.stdout.splitlines():
        name = line.split()[0]
        values[name] = line[len(name):].split(" (default ")[0].strip()
    return values, {line.split("vmonecopy: ", 1)[-1].split("=")[0] for line in done.stderr.splitlines() if "not understood" in line}


def main():
    """-> exit status."""
    options = table.read(where.options_def())
    wrong, compared, refused = [], 0, 0
    for text in TEXTS:
        for some in (options[at:at + AT_A_TIME] for at in range(0, len(options), AT_A_TIME)):
            values, complained = library_values(some, text)
            assert {option.env for option in some} <= set(values), "probe settings is not understood"
            for option in some:
                value, complaint = option.value(text)
                compared, refused = compared + 1, refused + bool(complaint)
                if str(value) != values[option.env] or bool(complaint) != (option.env in complained):
                    wrong.append(f"{option.env}={text!r}: the tool {value} ({complaint}), the library {values[option.env]} "
                                 f"({'refused' if option.env in complained else 'taken'})")
    print("\n".join(wrong) or f"{compared} values read alike, {refused} of them refused")
    return 1 if wrong or not 0 < refused < compared else 0


if __name__ == "__main__":
    sys.exit(main())
