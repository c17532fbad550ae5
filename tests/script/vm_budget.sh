#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Two jobs in the same two VMs share each VM's budget: while the first has all of it, the second gets nothing but
# right results by MPI; when the ranks of the first are killed with SIGKILL, the next one gets all of it. Nothing
# but the emulated Xen's registry is left meanwhile, and not even that at the end.
. "$(dirname "$0")/job.inc"
need_mpi mpich
command -v mpicc.mpich >/dev/null || skip "no mpicc.mpich"
seconds=180
mpicc.mpich -O1 -Wall -Werror -D_GNU_SOURCE -o "$work/program" "$here/leftovers.c" || fail "leftovers.c does not compile"
export XENEMU_DOMAINS=2 VMONECOPY_VM_GRANT_BUDGET=1032K VMONECOPY_GRANT_BUDGET=1032K

mkdir "$work/first" "$work/second"
(work=$work/first; job mpich "$work/../program" never "$work") &
first=$!
for i in $(seq 1200); do
	[ -s "$work/first/ready.0" ] && [ -s "$work/first/ready.1" ] && break
	sleep 0.05
done
[ -s "$work/first/ready.1" ] || fail "the first job does not start: $(tail -n 3 "$work/first/err")"

job mpich "$work/program" finalize "$work/second" || fail "second job: $(last_words)"
[ "$(counter pulled_bytes)" = 0 ] || fail "two jobs have more than the VM's budget: $(line)"
[ "$(counter granted_pages)" = 0 ] || fail "a page more than the VM's budget: $(counter granted_pages)"
line | grep -q 'too few grants.*other jobs' || fail "no word of the cause: $(line)"

kill -9 $(cat "$work"/first/ready.*)
wait $first && fail "a killed job ended well"
job mpich "$work/program" finalize "$work/second" || fail "third job: $(last_words)"
[ "$(counter pulled_bytes)" -gt 0 ] || fail "the killed ranks' pages are not free: $(line)"
[ "$(counter granted_pages)" = 516 ] || fail "granted_pages $(counter granted_pages), not all of the budget: $(line)"
left=$(ls "$XENEMU_DIR")
[ -z "$left" ] || fail "left: $left"
exit 0
