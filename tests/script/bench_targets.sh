#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The harness of `make bench`: a tiny run writes what it says it writes, and every verdict follows from its figure. Figures
# are not judged. A part that cannot be measured is named, and the exit status says so.
. "$(dirname "$0")/job.inc"

need_mpi mpich
[ -x "$build/tests/mpich/vmocost" ] && [ -x "$build/tests/mpich/vmofirst" ] || skip "tools/bench is not built"
bench() { timeout -k 5 150 "$top/tools/targets/bench" --build "$build" --mpi mpich --tiny --json "$work/bench.json" "$@" >"$work/out" 2>"$work/err"; }

bench --only copying,inert,latency,firstuse || fail "exit status $?: $(last_words)"
python3 - "$work/bench.json" "$work/out" <<'EOP' || fail "bench.json is not as it should be"
import json, sys

data = json.load(open(sys.argv[1], encoding="utf-8"))
said = open(sys.argv[2], encoding="utf-8").read()
assert data["schema"] == 1 and data["targets"] and not data["faults"], data
assert {"machine", "mpi", "settings", "load_at_start", "load_at_end"} <= set(data["conditions"])
for one in data["targets"]:
    assert {"name", "target", "measured", "pass"} <= set(one), one
    figure, bound = one["figure"], one["bound"]
    kept = figure is not None and (figure <= bound if one["relation"] == "<=" else figure >= bound)
    assert one["pass"] is kept, one
    assert one["name"] in said, one
items = {one["item"] for one in data["targets"]}
assert items >= {"4", "5", "6", "7"}, items
assert any(0 < row["writers_share"] <= 1 for row in data["tables"]["copying"])      # where both copy, the writer has a part
reached = sum(one["pass"] for one in data["targets"])
assert f"{reached} of {len(data['targets'])} targets reached" in said
EOP

# Without one-copy bytes there is no speed-up: a library that carries nothing.
VMONECOPY_ADMISSION=1 VMONECOPY=0 bench --only kernels
[ $? -eq 1 ] && grep -q 'nothing went one-copy' "$work/out" || fail "a speed-up without one-copy bytes is not refused: $(last_words)"

python3 - "$top" <<'EOP' || fail "targets judge wrongly"
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1] + "/tools")
from targets.target import Target, lines
from targets.scale import line_through
assert Target("1", "a", "<=", 2, 2.0).passed and not Target("1", "a", "<=", 2, 2.01).passed
assert Target("1", "a", ">=", 0.9, 0.95).passed and not Target("1", "a", ">=", 0.9, 0.89).passed
missing = Target("1", "a", ">=", 0.9)
assert not missing.passed and missing.measured == "not measured" and missing.verdict == "no figure"
assert "PASS" in lines([Target("1", "a", "<=", 2, 1)])[1] and "+50 % off" in lines([Target("1", "a", "<=", 2, 3)])[1]
base, slope = line_through([(2, 12.0), (4, 14.0), (8, 18.0)])
assert abs(base - 10) < 1e-9 and abs(slope - 1) < 1e-9
EOP
echo "ok: figures, bounds and verdicts agree"
