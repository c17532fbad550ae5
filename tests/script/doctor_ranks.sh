#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# `mpirun -n 2 vmonecopy doctor`: rank 0 tells, once, what differs between the ranks: options, LD_PRELOAD, the library's
# build; and that all are in one VM. A rank with the library beside one without does not hang it.
. "$(dirname "$0")/job.inc"
export tool=$top/tools/vmonecopy
unset LD_PRELOAD
export VMONECOPY_XEN=emulated VMONECOPY_BUILD="$build" work
mkdir -p "$work/other"
cp "$build"/libvmonecopy*.so "$build/libxenemu.so" "$work/other"
ln -s "$build/doctor" "$build/tests" "$work/other"
echo >>"$work/other/libvmonecopy-mpich.so"	# another file, and as good

# doctor CODE [VARIABLE=value of rank 1 ...]
doctor() {
	code=$1
	shift
	plain_job $mpi sh -c '[ "${PMI_RANK:-$OMPI_COMM_WORLD_RANK}" = 0 ] || export "$@"; exec "$tool" doctor' sh OF_RANK_1=1 "$@"
	is=$?
	[ $is -eq "$code" ] || fail "$mpi: exit status $is in place of $code: $(cat "$work/out" "$work/err")"
	[ "$(grep -c '  options.ranks  ' "$work/out")" -eq 1 ] || fail "$mpi: not one rank tells: $(cat "$work/out" "$work/err")"
}
says() { grep -q "^$1  $2  .*$3" "$work/out" || fail "$mpi: no $1 $2 /$3/ in: $(cat "$work/out" "$work/err")"; }

for mpi in mpich openmpi; do
	need_mpi $mpi
	[ -x "$build/tests/$mpi/doctor_ranks" ] || skip "doctor_ranks is not built"
	doctor 0
	says PASS mpi.flavour ""
	says PASS options.ranks 'all 2 ranks'
	says PASS ranks.preload 'on no rank'
	says PASS ranks.library 'same build'
	says PASS ranks.vms '2 ranks in 2 VMs'
	doctor 1 VMONECOPY_THRESHOLD=1M VMONECOPY_LOG=debug
	says WARN options.ranks 'VMONECOPY_THRESHOLD: 16384 on rank 0; 1048576 on rank 1.*VMONECOPY_LOG: warn on rank 0; debug on rank 1'
	doctor 2 VMONECOPY_XEN=real LD_PRELOAD="$preload" VMONECOPY_BUILD="$work/other"
	says FAIL options.ranks 'emulated on rank 0; real on rank 1 (such pairs stay off)'
	says FAIL ranks.preload 'on rank 1, not on rank 0'
	says FAIL ranks.library 'differ: .* on rank 0; .* on rank 1'
	export XENEMU_DOMAINS=1
	doctor 1
	says WARN ranks.vms "all 2 ranks are in one VM ($(uname -n))"
	unset XENEMU_DOMAINS
done
exit 0
