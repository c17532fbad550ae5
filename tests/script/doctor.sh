#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# `vmonecopy doctor` without jobs: each mistake that it can see on one machine has its name, its status and a fix, and the
# exit status is the worst of them.
. "$(dirname "$0")/doctor.inc"

# All is well
doctor 0
for name in mpi.found mpi.flavour lib.files options.values preload.order memory.hooks xen.guest xen.limit xen.grant_frames \
	xen.domid xen.round_trip; do
	says PASS $name ""
done
says PASS xen.guest EMULATED
says PASS xen.limit '32768 pages: 128 MiB for this VM, of which all its ranks together take 96 MiB'
says PASS xen.round_trip '4 MiB granted, mapped and compared (emulated); 256 KiB by grant copy'
says SKIP options.ranks 'mpirun -n 4 vmonecopy doctor'
tail -n 1 "$work/out" | grep -q '0 to look at, 0 failed.*EMULATED' || fail "no sum: $(tail -n 1 "$work/out")"

# JSON says the same
"$tool" doctor --no-job --json >"$work/json" || fail "--json: exit status $?"
/usr/bin/python3 -c '
import json, sys
found, lines = json.load(open(sys.argv[1])), open(sys.argv[2]).read().splitlines()
assert found["schema"] == 1 and found["exit"] == 0 and found["emulated"] is True and found["version"]
told = ["{status}  {name}  {what}".format(**check) for check in found["checks"]]
assert told == [line for line in lines[:-1] if not line.startswith("  ")], told
assert all(set(check) == {"name", "status", "what", "fix"} for check in found["checks"])
' "$work/json" "$work/out" || fail "--json: $(cat "$work/json")"

# Limits
XENEMU_LIMIT=1024 doctor 1; says WARN xen.limit '4 MiB for this VM'; fix xen.limit XENEMU_LIMIT=32768
XENEMU_LIMIT=40 doctor 2; says FAIL xen.round_trip 'granting: No space left.*after 0 MiB'; fix xen.round_trip limit
XENEMU_GRANT_TABLE=20000 doctor 1; says WARN xen.grant_frames 'may take 24576: too many'; fix xen.grant_frames 'max_grant_frames = 52'
XENEMU_MAPTRACK=10 doctor 1; says WARN xen.round_trip 'mapping failed.*grant copy works'; fix xen.round_trip max_maptrack_frames
VMONECOPY_VM_GRANT_BUDGET=1G doctor 1; says WARN xen.limit 'asks for more'
VMONECOPY_DOMID=7 XENEMU_DOMID=7 doctor 0; says PASS xen.domid 'domain 7'
VMONECOPY_DOMID=7 XENEMU_DOMID=6 doctor 2; says FAIL xen.round_trip 'mapping what was granted'; fix xen.round_trip 'Unset it'

# Options
VMONECOPY_RUN=lots doctor 1; says WARN options.values 'VMONECOPY_RUN=lots is not bytes'
VMONECOPY_TRESHOLD=1M doctor 1; says WARN options.values 'maybe VMONECOPY_THRESHOLD'

# No Xen
if [ ! -e /dev/xen/gntalloc ] && ! grep -q xen /sys/hypervisor/type 2>/dev/null; then
	VMONECOPY_XEN=real doctor 2
	says FAIL xen.guest 'not a Xen guest'; fix xen.guest 'emulated'
	for name in xen.devices.gntalloc xen.devices.gntdev xen.devices.evtchn xen.devices.xenbus xen.limit xen.round_trip; do
		says SKIP $name ""
	done
fi

# Files
rm "$fake/libvmonecopy-mpich.so"
if command -v mpiexec.mpich >/dev/null; then
	doctor 2; says FAIL lib.files 'missing: .*libvmonecopy-mpich.so'; fix lib.files make
fi
echo text >"$fake/libvmonecopy-mpich.so"
command -v mpiexec.mpich >/dev/null && { doctor 2; says FAIL lib.files 'no libraries.*libvmonecopy-mpich.so'; }
ln -sf "$build/libvmonecopy-mpich.so" "$fake/libvmonecopy-mpich.so"
rm "$fake/libxenemu.so"
doctor 2; says FAIL lib.files 'missing: .*libxenemu.so'; says FAIL xen.round_trip 'libxenemu.so'
ln -s "$build/libxenemu.so" "$fake/libxenemu.so"

# No MPI
mkdir "$work/bin"
for name in ldd cat; do ln -s "$(command -v $name)" "$work/bin/$name"; done
PATH=$work/bin doctor 2; says FAIL mpi.found 'no mpirun'; fix mpi.found 'apt-get install mpich'

exit 0
