#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The start of a job of six ranks in four VMs of two hosts (tests/mpi/hosts.c), where some rank lacks memory, grants or a
# communicator, or handlers of fork, or VMs look alike: nobody waits for ever, all data is right, and the report says what
# could be used.
#
#   host 0: ranks 0 and 2 in domain 1, rank 1 in domain 2     host 1: rank 4 in domain 1, ranks 3 and 5 in domain 2
. "$(dirname "$0")/job.inc"
preload=$build/faults/libvmonecopy.so
[ -f "$preload" ] || skip "not built: make faults-build"
ranks=6 seconds=60

fault_script

# run FAULT RANKS [ARGUMENT...]: the job with this fault in these ranks
run() {
	what="$mpi, $1 in ranks $2" fault=$1 ranks_with_fault=$2
	shift 2
	[ $# -gt 0 ] || set -- 2
	job $mpi XENEMU_DOMAINS=2 XENEMU_DIR="$XENEMU_DIR" fault="$fault" ranks_with_fault="$ranks_with_fault" \
		sh "$work/rank.sh" "$build/tests/$mpi/hosts" "$@"
	is=$?
	[ $is -eq 0 ] && grep -q '^ok$' "$work/out" || fail "$what: exit code $is: $(last_words)"
	for rank in $ranks_with_fault; do
		grep -q "fault\[$rank\]: .* fails at visit" "$work/err" || fail "$what: rank $rank never came there"
	done
	rm -rf "$work"/xen/[0-9]
}

# carried BY-LIBRARY WITHIN-VM ELSEWHERE: so many messages
carried() {
	is="$(counter pulled_messages) $(counter fell_through.same_vm) $(counter fell_through.not_coresident)"
	[ "$is" = "$*" ] || fail "$what: messages by the library, in one VM, to elsewhere: $is, not $*"
}

inactive() { line | grep -q "INACTIVE: $1" || fail "$what: not INACTIVE: $1, but: $(line)"; }

for mpi in mpich openmpi; do
	need_mpi $mpi
	[ -x "$build/tests/$mpi/hosts" ] || skip "not built: make test-programs"
	run count ""; carried 16 8 36
	run vm_bits:1 "0 1 2 3 4 5"; carried 16 8 36		# all in one communicator at first
	run vm_bits:1+ "0 1 2 3 4 5"; carried 16 8 36		# and for ever: each rank leads itself
	run grant:1 1; carried 8 4 18				# a leader that cannot prove itself: nobody is left on host 0, who would count
	run leaders:1 3; inactive "no memory for start-up on some rank"
	run proof_pages:1 2; inactive "no memory for start-up on some rank"
	run split:1 2; inactive "no communicator for start-up on some rank"
	run split:2 0; inactive "no communicator for start-up on some rank"
	run split:3 5; inactive "no communicator for start-up on some rank"

	# Without handlers of fork a rank has no peer; in the others' collectives it looks all the same for what is idle.
	job $mpi XENEMU_DIR="$XENEMU_DIR" fault=fork_hook:1 ranks_with_fault=1 VMONECOPY_IDLE_MS=1 \
		sh "$work/rank.sh" "$build/tests/$mpi/coll_alltoall" || fail "$mpi, fork_hook:1 in rank 1: $(last_words)"
	grep -q "fault\[1\]: fork_hook fails at visit" "$work/err" || fail "$mpi: rank 1 never came to the handlers of fork"

	# One domain on each host: the two leaders grant a page each, and no other rank any.
	run count "" 2 mixed
	inactive "no other VM of this job is on this host"
	grants=$(grep -c 'point grant visits' "$work/err")
	[ "$(grep -c 'fault\[[01]\]: point grant visits 1 ' "$work/err") $grants" = "2 2" ] ||
		fail "$what: grants: $(grep 'point grant' "$work/err" | tr '\n' '|')"
done
