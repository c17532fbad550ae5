# SPDX-License-Identifier: LGPL-2.1-or-later
"""Broken files and lines, many at random but always the same ones, given to what reads them: no exception."""
import json
import os
import random
import sys
import tempfile
from types import SimpleNamespace

sys.path.insert(0, os.path.join(os.environ.get("VMO_ROOT", os.path.join(os.path.dirname(__file__), "../..")), "tools"))
from ab import measure  # noqa: E402
from conformance import results  # noqa: E402

RECORD = {"name": "pt2pt/probe", "verdict": "passed", "reasons": [None], "seconds": 1.5, "counters": {}, "tail": "ok"}
ODD = (b"", b"5\n", b"null\n", b"[1]\n", b'{"name": []}\n', b'{"name": "x"}\n', b"\xff\xfe\n", b"[" * 100000 + b"\n")
BENCH = "".join(json.dumps({"vmobench": 1, "test": test, "errors": 0}) + "\n" for test in ("pingpong", "stream", "checked"))


def broken(whole, rnd):
    """Cut, changed, or with odd lines in it."""
    data = bytearray(whole)
    for _ in range(rnd.randrange(1, 5)):
        at = rnd.randrange(len(data) + 1)
        way = rnd.randrange(4)
        if way == 0:
            del data[at:at + rnd.randrange(1, 30)]
        elif way == 1:
            data[at:at + 1] = bytes([rnd.randrange(256)])
        elif way == 2:
            data[at:at] = rnd.choice(ODD)[:200]
        else:
            data = data[:at]
    return bytes(data)


def main():
    rnd = random.Random(1)
    line = json.dumps(RECORD).encode() + b"\n"
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x.jsonl")
        for data in [line + odd + line for odd in ODD] + [broken(3 * line, rnd) for _ in range(3000)]:
            with open(path, "wb") as file:
                file.write(data)
            for record in results._load(path).values():
                assert isinstance(record["verdict"], str)
    for _ in range(3000):
        out = broken(BENCH.encode(), rnd).decode(errors="replace")
        try:
            lines, why = measure.judge(SimpleNamespace(stdout=out, stderr="", status=0, timed_out=False), 1024, 5)
        except measure.WrongResult:
            continue    # an error count that was changed
        assert (lines is None) != (why is None)
    print("6000 broken inputs")


main()
