# SPDX-License-Identifier: LGPL-2.1-or-later
"""Result files: whole or not at all, and none of an earlier run left to pass for this one's."""
import contextlib
import csv
import io
import json
import os

from . import CannotRun

KINDS = ("json", "csv", "svg")


def remove_old(options):
    """At the start, of every file that is asked for."""
    for kind in KINDS:
        path = getattr(options, kind)
        if not path:
            continue
        if not os.path.isdir(os.path.dirname(os.path.abspath(path))):
            raise CannotRun(f"--{kind} {path}: no such directory: make it first")
        if os.path.isdir(path):
            raise CannotRun(f"--{kind} {path}: a directory: name a file")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def write(path, text):
    """The whole text, under its name only when it is complete."""
    partial = f"{path}.{os.getpid()}.part"
    try:
        with open(partial, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        os.replace(partial, path)
    except OSError as reason:
        raise CannotRun(f"cannot write {path}: {reason.strerror}") from reason


def json_text(document):
    """As the tool's other JSON."""
    return json.dumps(document, indent=1) + "\n"


def csv_text(rows):
    """Dictionaries with the same keys; the first line names them. None is an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
