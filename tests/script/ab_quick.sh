#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# `vmonecopy ab --quick --json` ends well, writes the JSON that its readers expect, and removes all that it made.
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${VMO_BUILD:-$root/build}

for mpi in mpich openmpi; do
	command -v mpirun.$mpi >/dev/null || { echo "SKIP: mpirun.$mpi is not installed"; exit 77; }
done
for file in libvmonecopy.so tests/mpich/vmobench tests/openmpi/vmobench; do
	[ -e "$build/$file" ] || { echo "SKIP: $build/$file is not built"; exit 77; }
done

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
status=0
fail() { echo "FAIL: $*"; status=1; }

"$root/tools/vmonecopy" ab --table --quick --build "$build" --json "$scratch/demo.json" &
tool=$!
wait $tool || fail "exit status $?, expected 0"

ls -d /run/netns/vmo-$tool-* /dev/shm/vmo-ab-$tool-* /tmp/vmo-ab-$tool-* 2>/dev/null && fail "the above is left behind"
python3 - "$scratch/demo.json" <<'CHECK' || fail "the JSON is not what its readers expect"
import json, sys
document = json.load(open(sys.argv[1]))
assert document["schema"] == 1 and document["emulated"] is True
seen = [(row["mpi"], row["bytes"]) for row in document["rows"]]
assert seen == [(mpi, size) for mpi in ("mpich", "openmpi") for size in (65536, 1048576)], seen
for row in document["rows"]:
    assert set(row["latency_us"]) == {"tcp", "shm", "onecopy"}, row
    assert set(row["mbps"]) == {"tcp", "shm", "onecopy", "memcpy"}, row
    assert all(value > 0 for table in ("latency_us", "mbps") for value in row[table].values()), row
    assert 0 < row["onecopy_share"] <= 1, row
CHECK
[ $status -eq 0 ] && echo "ok: valid JSON, nothing left behind"
exit $status
