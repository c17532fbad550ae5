#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# mpi4py, which the interpreter loads with RTLD_LOCAL: Send and Recv of NumPy arrays
# are intercepted exactly once each.
. "$(dirname "$0")/bind.inc"
python=/usr/bin/python3
$python -c 'import mpi4py, numpy' 2>/dev/null || skip "no mpi4py or no NumPy (packages python3-mpi4py, python3-numpy)"
mpi=$($python -c 'import mpi4py.MPI as m; print("openmpi" if "Open MPI" in m.Get_library_version() else "mpich")' 2>/dev/null)
command -v mpirun.openmpi >/dev/null || [ "$mpi" = mpich ] || skip "no launcher for $mpi"
install_counter

cat >"$work/program.py" <<'EOF2'
from mpi4py import MPI
import numpy
comm = MPI.COMM_WORLD
me, other = comm.rank, 1 - comm.rank
a = numpy.arange(300000, dtype='d') + me
b = numpy.zeros(300000)
for turn in range(5):
    if me == 0:
        comm.Send(a, other, tag=turn)
        comm.Recv(b, other, tag=turn)
    else:
        comm.Recv(b, other, tag=turn)
        comm.Send(a, other, tag=turn)
    assert b[0] == other and b[-1] == 299999 + other
    b[:] = -1
r = [comm.Irecv(b, other), comm.Isend(a, other)]
MPI.Request.Waitall(r)
assert (b == a - me + other).all()
EOF2
cat >"$work/wanted" <<'EOF2'
Finalize 1
Init_thread 1
Irecv 1
Isend 1
Recv 5
Send 5
Waitall 1
attach 1
EOF2
mpi_run "$mpi" $python "$work/program.py" || fail "exit code $?: $(tail -1 "$work/err")"
[ -s "$work/err" ] && fail "extra output: $(head -1 "$work/err")"
[ "$(ls "$work/counts" | wc -l)" = 2 ] || fail "counts of $(ls "$work/counts" | wc -l) ranks"
for file in "$work"/counts/*; do
	LC_ALL=C sort "$file" >"$work/is"
	diff "$work/wanted" "$work/is" >"$work/diff" || fail "< wanted, > counted: $(grep '^[<>]' "$work/diff" | tr '\n' ' ')"
done
exit 0
