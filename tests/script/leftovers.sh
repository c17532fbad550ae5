#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Whatever ends a job (MPI_Finalize, MPI_Abort, exit() without MPI_Finalize, SIGKILL of all ranks in the
# middle of a transfer): /dev/shm and /tmp hold nothing that a plain job does not leave there too. One
# exception: the emulated Xen's registry, mode 0600, after ranks were killed; the next job removes it.
# No process is left either. In a mount namespace of its own, so that other jobs do not meddle.
me=$(basename "$0" .sh)
if [ "$1" != inside ]; then
	unshare -m true 2>/dev/null || { echo "$me: skipped: no new mount namespace (needs root)"; exit 77; }
	exec unshare -m "$0" inside
fi
# What is tested moves to /mnt: it may be below /tmp.
top=${VMO_ROOT:-$(cd "$(dirname "$0")/../.." && pwd)}
mount -t tmpfs tmpfs /mnt && mkdir /mnt/build /mnt/script || exit 1
cp "$(dirname "$0")"/*.inc "$(dirname "$0")"/leftovers.c /mnt/script/
cp "$(cd "$top" && cd "${VMO_BUILD:-build}" 2>/dev/null && pwd)"/*.so /mnt/build/ 2>/dev/null
export VMO_ROOT=/mnt VMO_BUILD=build
unset TMPDIR XENEMU_DIR
cd / && mount -t tmpfs tmpfs /dev/shm && mount -t tmpfs tmpfs /tmp || exit 1
here=/mnt/script
. /mnt/script/job.inc
command -v mpicc.mpich >/dev/null || command -v mpicc.openmpi >/dev/null || skip "no MPI compiler"
seconds=120
unset XENEMU_DIR	# the default: /dev/shm
export LEFTOVERS_TEST=$$

# Names in /dev/shm and /tmp, with all numbers as N.
names() {
	find /dev/shm /tmp -mindepth 1 ! -path "$work*" 2>/dev/null |
		sed 's/\(mpich_shar_tmp\)....../\1N/; s/[0-9a-f]*[0-9][0-9a-f]*/N/g' | LC_ALL=C sort -u
}

# Processes that carry this test's mark, but for its own shells.
processes() { grep -lz "^LEFTOVERS_TEST=$$\$" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3 | while read -r pid; do
	case $({ tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null) in *"$work/program"*|*mpiexec*|*mpirun*|*hydra*) echo "$pid" ;; esac
done; }

# ends HOW: the job's ending, plain or with the library as `$start` says
ends() {
	rm -f "$work"/ready.*
	case $1 in
	kill)
		$start $mpi "$work/program" never "$work" &
		job=$!
		for i in $(seq 1200); do
			[ -s "$work/ready.0" ] && [ -s "$work/ready.1" ] && break
			sleep 0.05
		done
		[ -s "$work/ready.0" ] && [ -s "$work/ready.1" ] || fail "$what: the ranks do not start: $(last_words)"
		while_running
		kill -9 $(cat "$work"/ready.*)
		wait $job && fail "$what: a killed job ended well"
		;;
	*)
		$start $mpi "$work/program" $1 "$work"
		code=$?
		case $1.$code in
		finalize.0|abort.[1-9]*|exit.[1-9]*) ;;
		*) fail "$what: exit code $code: $(last_words)" ;;
		esac
		[ $code -lt 90 ] || fail "$what: exit code $code: $(last_words)"
		;;
	esac
}

# While ranks run, what the library made is nobody else's.
while_running() {
	[ $start = job ] || return 0
	open=$(find /dev/shm /tmp \( -name '*vmo*' -o -name 'xenemu*' \) -type f -perm /077 ! -path "$work*")
	[ -z "$open" ] || fail "$what: others may open $open"
	[ -n "$(find /dev/shm -name 'xenemu-*' -perm 600)" ] || fail "$what: no registry seen; this test looks in vain"
}

# Gone within a while: the launcher may need a moment to end its helpers.
await_end() {
	for i in $(seq 300); do
		[ -z "$(processes)" ] && return
		sleep 0.1
	done
	fail "$what: still running: $(processes | tr '\n' ' ')"
}

# nothing_new: no name that the plain jobs did not leave
nothing_new() {
	names | LC_ALL=C comm -13 "$work/plain" - >"$work/new"
	[ ! -s "$work/new" ] || fail "$what: left: $(tr '\n' ' ' <"$work/new")"
}

# after_kill: the registry at most
after_kill() {
	names | LC_ALL=C comm -13 "$work/plain" - | grep -v '^/dev/shm/xenemu-N$' >"$work/new"
	[ ! -s "$work/new" ] || fail "$what: left: $(tr '\n' ' ' <"$work/new")"
	bad=$(find /dev/shm -name 'xenemu*' ! -perm 600)
	[ -z "$bad" ] || fail "$what: mode of $bad"
}

missing=
for mpi in mpich openmpi; do
	command -v mpicc.$mpi >/dev/null || { missing="$missing mpicc.$mpi"; continue; }
	need_mpi $mpi
	mpicc.$mpi -O1 -Wall -Werror -D_GNU_SOURCE -o "$work/program" "$here/leftovers.c" || fail "leftovers.c does not compile"
	start=plain_job
	for how in finalize abort exit kill; do
		what="$mpi, plain, $how"
		ends $how
		await_end
		names
	done | LC_ALL=C sort -u >"$work/all"
	grep "^$me: " "$work/all" && exit 1	# fail's word
	grep '^/' "$work/all" >"$work/plain"
	start=job
	for how in finalize abort exit kill kill; do
		what="$mpi, $how"
		ends $how
		await_end
		[ $how = finalize ] && nothing_new || after_kill
	done
	what="$mpi, the job after killed ones"
	ends finalize
	[ "$(counter pulled_bytes)" -gt 0 ] || fail "$what: $(line)"
	nothing_new
done
[ -z "$missing" ] || skip "the rest is right, but there is no$missing"
exit 0
