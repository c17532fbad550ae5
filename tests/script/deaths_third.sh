#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A rank dies; of the two that are in MPI_Finalize one is its peer and sees so, the other, in the VM of the dead, is not:
# the library of neither waits for ever, but lets the MPI's own MPI_Finalize decide.
. "$(dirname "$0")/job.inc"
ranks=3 seconds=40
cat >"$work/program.c" <<'C'
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int rank;
	char path[4096];

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	snprintf(path, sizeof path, "%s/pid.%d", argv[1], rank);
	FILE *out = fopen(path, "w");
	fprintf(out, "%d\n", (int)getpid());
	fclose(out);
	MPI_Barrier(MPI_COMM_WORLD);
	if (!rank)
		raise(SIGKILL);
	MPI_Finalize();
	return 0;
}
C
cat >"$work/rank.sh" <<EOF2
trap "" USR1
LD_PRELOAD=$preload "\$@" 2>"$work/err.\${PMI_RANK:-\$OMPI_COMM_WORLD_RANK}"	# a launcher may drop a survivor's words
exit 0
EOF2

tell() { grep -qs 'this job has no report' "$work/err.1" && grep -qs 'this job has no report' "$work/err.2"; }

missing= said=
for mpi in mpich openmpi; do
	command -v mpicc.$mpi >/dev/null || { missing="$missing mpicc.$mpi"; continue; }
	need_mpi $mpi
	mpicc.$mpi -O1 -Wall -Werror -o "$work/program" "$work/program.c" || fail "$mpi: does not compile"
	survivors $mpi
	plain_job $mpi env VMONECOPY_XEN=emulated XENEMU_DOMAINS=2 sh "$work/rank.sh" "$work/program" "$work" &
	job=$!
	for i in $(seq 300); do
		tell && break
		sleep 0.1
	done
	tell || said="rank 1: $(tail -n 1 "$work/err.1"); rank 2: $(tail -n 1 "$work/err.2"); $(last_words)"
	kill -9 $(cat "$work/pid.1" "$work/pid.2") 2>/dev/null	# the MPI's own MPI_Finalize need not end
	wait $job
	[ -z "$said" ] || fail "$mpi: the library waits in MPI_Finalize: $said"
	grep -h 'rank 0 died' "$work/err.1" "$work/err.2" | grep -q . || fail "$mpi: nobody saw rank 0 die: $(cat "$work"/err.[12])"
	rm -f "$work"/err.? "$work"/pid.?
done
[ -z "$missing" ] || skip "the rest is right, but there is no$missing"
exit 0
