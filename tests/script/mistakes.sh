#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Mistakes of a job: each is one clear line of the whole job, whatever the number of ranks, and the program is as right as
# without the library. A wrong option's name or value on all ranks or on one; options that differ between ranks; the flavour
# missing beside the preloaded file; no permission for Xen's devices. (An MPI that nobody knows: bind_unknown_mpi.sh; no
# Xen, all in one VM: report.sh; another tool behind: coexist_tools.sh.)
. "$(dirname "$0")/job.inc"
command -v mpicc.mpich >/dev/null || command -v mpicc.openmpi >/dev/null || skip "no MPI compiler"
ranks=4
seconds=30

rank_script

# run WHAT [VARIABLE=value ...] [-- VARIABLE=value of rank 1 ...]: the data is right
run() {
	what="$mpi, $1"
	shift
	all= one=
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		all="$all $1"
		shift
	done
	[ $# -eq 0 ] || { shift; one=$*; }
	plain_job $mpi env LD_PRELOAD="$preload" VMONECOPY_XEN=emulated XENEMU_DOMAINS=2 $all sh "$work/rank.sh" $one -- "$work/ring" 0 ||
		fail "$what: exit code $?: $(last_words)"
	[ "$(grep -o right "$work/out" | wc -l)" = $ranks ] || fail "$what: not every rank got the right data: $(last_words)"
}

# says LINES REGEX: so many lines in all, the last one the report or why there is none, and one that matches
says() {
	[ "$(grep -c "$2" "$work/err")" = 1 ] || fail "$what: not one line $2: $(tr '\n' '|' <"$work/err")"
	[ "$(wc -l <"$work/err")" = "$1" ] || fail "$what: not $1 lines: $(tr '\n' '|' <"$work/err")"
}
carried() { grep -q '^vmonecopy: 4 ranks, .* one-copy' "$work/err" || fail "$what: it is not active: $(cat "$work/err")"; }

options() {
	run "wrong name" VMONECOPY_TRESHOLD=1M VMONECOPY_REPROT=full
	says 2 '^vmonecopy\[0\]: .*VMONECOPY_TRESHOLD is not an option, maybe VMONECOPY_THRESHOLD?'
	says 2 'VMONECOPY_REPROT is not an option, maybe VMONECOPY_REPORT?'
	carried
	run "wrong name on one rank" -- VMONECOPY_TRESHOLD=1M
	says 2 '^vmonecopy\[1\]: VMONECOPY_TRESHOLD is not an option, maybe VMONECOPY_THRESHOLD?$'
	carried
	run "wrong value" VMONECOPY_THRESHOLD=16Kb
	says 2 '^vmonecopy\[0\]: VMONECOPY_THRESHOLD=16Kb is not understood (bytes, with K, M or G); using 16K$'
	carried
	run "wrong value of a word" VMONECOPY_REPORT=json
	says 2 '^vmonecopy\[0\]: VMONECOPY_REPORT=json is not understood (none, line, full or json:FILE); using line$'
	run "silenced" VMONECOPY_TRESHOLD=1M VMONECOPY_LOG=error -- VMONECOPY_RUN=2M
	says 1 '^vmonecopy: 4 ranks'
}

differing() {
	run "another threshold" -- VMONECOPY_THRESHOLD=32K
	says 2 "^vmonecopy\[0\]: options differ between ranks: VMONECOPY_THRESHOLD of rank 1 is not rank 0's (32768 on rank 1, 16384 on rank 0)$"
	carried
	run "two options" -- VMONECOPY_IDLE_MS=1 VMONECOPY_XEN=real
	says 2 "VMONECOPY_XEN of rank 1 is not rank 0's; VMONECOPY_IDLE_MS of rank 1 is not rank 0's (1 on rank 1, 10000 on rank 0)$"
	run "another report" -- VMONECOPY_REPORT=full
	says 2 "options differ between ranks: VMONECOPY_REPORT of rank 1 is not rank 0's$"
	run "switched off" -- VMONECOPY=0
	says 2 "VMONECOPY of rank 1 is not rank 0's (0 on rank 1, 1 on rank 0)$"
	run "each VM's own domid" -- VMONECOPY_DOMID=-1
	says 1 '^vmonecopy: 4 ranks'
}

flavour_missing() {
	mkdir -p "$work/alone"
	cp "$preload" "$work/alone/"
	kept=$preload
	preload=$work/alone/libvmonecopy.so
	run "flavour missing"
	says 1 "^vmonecopy: INACTIVE: .*; put libvmonecopy-$mpi.so beside libvmonecopy.so$"
	preload=$kept
}

# Devices that are root's alone, and ranks that are not root: a /dev of its own, which also has what they need, for they
# need not see the directories of the test.
cat >"$work/dev.sh" <<'EOF2'
dev=$work/dev
mkdir "$dev" && mount -t tmpfs vmo "$dev" && mkdir "$dev/xen" "$dev/pts" "$dev/vmo" && mkdir -m 1777 "$dev/shm" || exit 78
for node in null zero full random urandom tty; do cp -a /dev/$node "$dev/" || exit 78; done
cp -a /dev/fd /dev/stdin /dev/stdout /dev/stderr "$dev/" 2>/dev/null
cp "$work/ring" "$preload" "$build"/libvmonecopy-*.so "$dev/vmo/" || exit 78
: >"$dev/xen/gntalloc"
chmod 600 "$dev/xen/gntalloc"
mount --bind "$dev" /dev && cd / || exit 78
exec setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/dev/shm TMPDIR=/dev/shm "$@"
EOF2

no_permission() {
	[ "$(id -u)" = 0 ] && command -v setpriv >/dev/null && unshare -m true 2>/dev/null || { missing="$missing root"; return; }
	what="$mpi, no permission"
	case $mpi in
	mpich) set -- mpiexec.mpich -n 2 ;;
	openmpi) set -- mpirun.openmpi -n 2 --oversubscribe --bind-to none --mca pml ob1 --mca btl self,vader ;;
	esac
	work=$work preload=$preload build=$build timeout -k 5 $seconds unshare -m sh "$work/dev.sh" "$@" \
		env LD_PRELOAD=/dev/vmo/libvmonecopy.so /dev/vmo/ring 0 >"$work/out" 2>"$work/err" </dev/null
	code=$?
	rmdir "$work/dev"
	[ $code != 78 ] || { missing="$missing a /dev of one's own"; return; }
	[ $code = 0 ] && [ "$(grep -o right "$work/out" | wc -l)" = 2 ] || fail "$what: exit code $code: $(last_words)"
	says 1 '^vmonecopy: INACTIVE: no permission for /dev/xen/gntalloc: let your group in.*udev rule'
}

missing=
for mpi in mpich openmpi; do
	command -v mpicc.$mpi >/dev/null || { missing="$missing mpicc.$mpi"; continue; }
	need_mpi $mpi
	mpicc.$mpi -O1 -Wall -Werror -o "$work/ring" "$here/report_ring.c" || fail "report_ring.c does not compile"
	options
	differing
	flavour_missing
	no_permission
done
[ -z "$missing" ] || skip "the rest is right, but there is no$missing"
exit 0
