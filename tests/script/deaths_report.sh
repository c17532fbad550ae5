#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A rank dies in MPI_Finalize, with the others there: rank 0 while it writes the report (tests/deaths/run.py), or another
# before it has given its part of the report (killed by gdb). The library on the other waits no more, but goes on into the
# MPI's own MPI_Finalize.
. "$(dirname "$0")/job.inc"

"$top/tests/deaths/run.py" --build "$build" --end report --seed 1 --count 4 --jobs 2 -v
code=$?
[ $code = 0 ] || exit $code
command -v gdb >/dev/null || skip "the rest is right, but there is no gdb"
cat >"$work/rank.sh" <<EOF2
case \${PMI_RANK:-\$OMPI_COMM_WORLD_RANK} in
1) gdb -q -batch -nx -iex "set debuginfod enabled off" -ex "set startup-with-shell off" -ex "set breakpoint pending on" -ex "handle SIGALRM nopass" \\
	-ex "set environment LD_PRELOAD $preload" -ex "break vmo_report_all" -ex run -ex kill --args "\$@" >"$work/gdb" 2>&1 ;;
*) LD_PRELOAD=$preload "\$@" 2>"$work/err.0" ;;	# a launcher may drop a survivor's words
esac
exit 0
EOF2
for mpi in mpich openmpi; do
	command -v mpicc.$mpi >/dev/null || continue
	need_mpi $mpi
	rm -rf "$work/death" && mkdir "$work/death" && touch "$work/death/go"
	survivors $mpi
	plain_job $mpi env VMONECOPY_XEN=emulated VMONECOPY_REPORT=full sh "$work/rank.sh" "$build/tests/$mpi/death" "$work/death" \
		seed=1 victim=1 how=report survivor=block
	code=$?
	grep -q 'Breakpoint 1, .*vmo_report_all' "$work/gdb" || fail "$mpi: rank 1 was not killed: $(tail -n 3 "$work/gdb")"
	grep -q '^end$' "$work/death/log.0" || fail "$mpi: exit code $code, rank 0 does not end: $(last_words)"
	grep 'by the library' "$work/death/log.0" && fail "$mpi: the library waits for the dead"
	grep -q 'rank 1 died.*no report' "$work/err.0" || fail "$mpi: rank 0 does not tell: $(tail -n 3 "$work/err.0")"
done
exit 0
