#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Sixty-four messages on their way at once (tests/mpi/many_at_once.c), where the slots beyond a channel's first page cannot be
# granted, or not be mapped: all data is right; what finds no slot falls through, and what lies in a slot that its receiver
# cannot see is refused. The n-th grant, or mapping, of a rank fails, for each n that may be the one for these slots.
. "$(dirname "$0")/job.inc"
preload=$build/faults/libvmonecopy.so
[ -f "$preload" ] || skip "not built: make faults-build"

fault_script

# each POINT RANK COUNTER: leaves the sum of that counter in $sum
each() {
	sum=0
	for n in 3 4 5 6 7 8 9; do
		job $mpi XENEMU_DIR="$XENEMU_DIR" VMONECOPY_SUBSTITUTE=0 fault="$1:$n" ranks_with_fault="$2" \
			sh "$work/rank.sh" "$build/tests/$mpi/many_at_once"
		is=$?
		[ $is -eq 0 ] && grep -q '^ok$' "$work/out" || fail "$mpi, $1:$n in rank $2: exit code $is: $(last_words)"
		more=$(counter "$3")
		sum=$((sum + ${more:-0}))
		rm -rf "$work"/xen/[0-9]
	done
}

for mpi in mpich openmpi; do
	need_mpi $mpi
	[ -x "$build/tests/$mpi/many_at_once" ] || skip "not built: make test-programs"
	each map 1 refusals
	[ $sum -gt 0 ] || fail "$mpi: nothing was refused"
	each grant 0 fell_through.no_slot
	[ $sum -gt 0 ] || fail "$mpi: nothing fell through for want of a slot"
done
echo "ok: slots that cannot be granted or mapped"
