#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# `make xen-kernels` without Xen: where a stand-in for tools/xenlab runs the same job with the same plan here, over emulated
# Xen, each job of the plan is started with what --file brings, in C and in Fortran, without and with the library, and comes
# out in the table with its ratio and its shares; a wrong result, and a job of which nothing went one-copy, are faults.
. "$(dirname "$0")/kernels.inc"

need_kernels mpich

# What tools/xenlab gives a job: /job, /out, ROLE, mpi-run.
cat >"$work/xenlab" <<'LAB'
#!/bin/sh
echo "$@" >>"${0%/*}/lab"
while [ $# -gt 1 ]; do
	case $1 in
	--out) out=$2 ;;
	--file) files="$files $2" ;;
	esac
	shift
done
mkdir -p "$out/job" "$out/g1"
cp "$EMULATED" "$out/job"
for file in $files; do
	place=${file#*:}
	[ "$place" = "$file" ] && place=/job/${file##*/}
	cp "${file%%:*}" "$out$place"
done
for file in "$1" "$out/job/plan"; do
	sed "s,/out/,$out/g1/,g; s,/job,$out/job,g" "$file" >"$out/changed"
	cp "$out/changed" "$out/${file##*/}"
done
cd "$out/job" && cp "$out/plan" plan && ROLE=1 PATH="${0%/*}:$PATH" sh "$out/guests.sh"
LAB
cat >"$work/mpi-run" <<'RUN'
#!/bin/sh
# --mpich -n 2 -ppn 1 -t SECONDS [-env NAME=VALUE]... COMMAND
limit=$7 given="XENEMU_DOMAINS=2 VMONECOPY_XEN=emulated LD_PRELOAD=$YIELDS"
shift 7
while [ "$1" = -env ]; do given="$given $2" && shift 2; done
given=$(echo "$given" | sed "s,LD_PRELOAD=,&$YIELDS:,")
exec timeout -k 5 "$limit" mpiexec.mpich -n 2 env $given ${SPOIL:-} "$@"
RUN
chmod +x "$work/xenlab" "$work/mpi-run"
YIELDS=$(yields_of mpich) EMULATED=$build/libxenemu.so
export YIELDS EMULATED

# kernels_on_xen NAME KERNEL=PROGRAM...: of all kernels these; the figures are left in $work/NAME.json.
cat >"$work/few.py" <<'FEW'
import importlib.machinery, importlib.util, sys
sys.dont_write_bytecode = True
top, lab = sys.argv[1:3]
loader = importlib.machinery.SourceFileLoader("bench", top + "/tools/targets/bench")
bench = importlib.util.module_from_spec(importlib.util.spec_from_loader("bench", loader))
loader.exec_module(bench)
bench.guests.XENLAB = lab
bench.kernels.KERNELS = dict(word.split("=") for word in sys.argv[5:])
sys.exit(bench.main(["--path", "xen", "--tiny", "--mpi", "mpich", "--build", sys.argv[3], "--json", sys.argv[4]]))
FEW
kernels_on_xen() {
	name=$1
	shift
	python3 "$work/few.py" "$top" "$work/xenlab" "$build" "$work/$name.json" "$@" >"$work/out" 2>"$work/err"
}

kernels_on_xen right halo=vmonas transpose=vmokernel || fail "exit status $?: $(last_words)"
python3 - "$work/right.json" "$work/out" "$work/lab" <<'CHECK' || fail "the table is not as it should be"
import json, sys
document = json.load(open(sys.argv[1], encoding="utf-8"))
said, lab = (open(name, encoding="utf-8").read() for name in sys.argv[2:])
rows = document["tables"]["kernels"]
assert [(row["kernel"], row["language"]) for row in rows] == [
    ("halo", "C"), ("halo", "Fortran"), ("transpose", "C"), ("transpose", "Fortran")], rows
for row in rows:
    ratio = row["tcp_us"] / row["onecopy_us"]
    assert abs(row["times_as_quick"] - ratio) < 0.02 + 0.1 * ratio and row["turns"] == 1, row
    assert 0 < row["onecopy_percent"] <= 100, row
    assert abs(sum(row[name + "_percent"] for name in ("onecopy", "staged", "fell_through")) - 100) < 0.3, row
conditions = document["conditions"]
assert "QEMU" in conditions["machine"] and "netfront" in conditions["path"] and "emulated CPU" in str(conditions["notes"]), conditions
assert any(note.startswith("guests: kernel") for note in document["notes"]), document["notes"]
assert "times_as_quick" in said and "onecopy_percent" in said and "netfront" in said, said
assert lab.count("--gntalloc-limit 16384") == 1, lab      # one boot
CHECK

SPOIL="VMONECOPY=0" kernels_on_xen nothing halo=vmonas
[ $? -eq 1 ] && grep -q 'halo in C: nothing went one-copy' "$work/out" || fail "a speed-up without one-copy bytes: $(last_words)"

cat >"$work/spoil" <<'SPOIL'
#!/bin/sh
"$@" | sed 's/"errors":0/"errors":1/'
SPOIL
chmod +x "$work/spoil"
SPOIL="$work/spoil" kernels_on_xen wrong transpose=vmokernel
[ $? -eq 1 ] && grep -q 'transpose in Fortran, [a-z]*: wrong result' "$work/out" || fail "a wrong result passes: $(last_words)"
echo "ok: a plan, its jobs, the table; faults are named"
