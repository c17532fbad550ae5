#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# `vmonecopy doctor` in a Xen guest whose devices are missing, closed to the user or open: told for each, with mode, owner,
# and the udev rule or modprobe. The guest is only played: a mount namespace with files in place of /dev/xen and /sys.
. "$(dirname "$0")/job.inc"
tool=$top/tools/vmonecopy
[ -x "$build/doctor/probe" ] || skip "what doctor runs is not built"
if [ "$1" != inside ]; then
	unshare -m true 2>/dev/null || skip "no new mount namespace (needs root)"
	command -v setpriv >/dev/null || skip "no setpriv (package util-linux)"
	unshare -m "$0" inside
	exit
fi
unset VMONECOPY_XEN LD_PRELOAD
export VMONECOPY_BUILD="$build"
chmod 755 "$work"
doctor() { # CODE [COMMAND...]: doctor, as that command runs it
	code=$1
	shift
	"$@" "$tool" doctor --no-job >"$work/out" 2>"$work/err"
	is=$?
	[ $is -eq "$code" ] && [ ! -s "$work/err" ] || fail "exit status $is in place of $code: $(cat "$work/out" "$work/err")"
}
says() { grep -q "^$1  $2  .*$3" "$work/out" || fail "no $1 $2 /$3/ in: $(cat "$work/out")"; }
fix() { grep -A1 "  $1  " "$work/out" | grep -q "^      fix: .*$2" || fail "$1: no fix /$2/ in: $(cat "$work/out")"; }
user="setpriv --reuid 65534 --regid 65534 --clear-groups"
$user test -x "$tool" -a -r "$preload" || skip "another user cannot read this tree"

# /dev with what programs need, and an empty xen; /sys that says xen
mkdir "$work/dev" "$work/sys" || fail "mkdir"
trap 'umount -lR /sys /dev "$work/sys" "$work/dev" 2>/dev/null; rm -rf "$work"' EXIT	# all of it this namespace's own
mount -t tmpfs none "$work/dev" && mount -t tmpfs none "$work/sys" || skip "cannot mount"
mkdir -p "$work/dev/xen" "$work/sys/hypervisor" "$work/sys/module/xen_gntalloc/parameters"
echo xen >"$work/sys/hypervisor/type"
echo 16384 >"$work/sys/module/xen_gntalloc/parameters/limit"
for name in null zero urandom; do touch "$work/dev/$name" && mount --bind /dev/$name "$work/dev/$name" || skip "cannot bind"; done
mount --rbind "$work/dev" /dev && mount --rbind "$work/sys" /sys || skip "cannot bind"

doctor 2
says PASS xen.guest 'type: xen'
for name in gntalloc gntdev evtchn; do
	says FAIL xen.devices.$name "no /dev/xen/$name"
	fix xen.devices.$name "modprobe xen-$name"
done
says FAIL xen.devices.xenbus 'no /dev/xen/xenbus'
says SKIP xen.round_trip 'device'
says PASS xen.limit '16384 pages: 64 MiB for this VM, of which all its ranks together take 48 MiB'
says SKIP xen.grant_frames 'privcmd'
echo 1024 >/sys/module/xen_gntalloc/parameters/limit
doctor 2; says WARN xen.limit '4 MiB for this VM'; fix xen.limit 'limit=16384.*/etc/modprobe.d'

for name in gntalloc gntdev evtchn xenbus; do touch /dev/xen/$name; chmod 600 /dev/xen/$name; done
doctor 2 $user
for name in gntalloc gntdev evtchn xenbus; do
	says FAIL xen.devices.$name "no permission for /dev/xen/$name (-rw------- root:root)"
	fix xen.devices.$name 'GROUP="xen", MODE="0660"'
done
VMONECOPY_DOMID=3 doctor 2 $user
says PASS xen.devices.xenbus ""
chmod 666 /dev/xen/*
doctor 2 $user
for name in gntalloc gntdev evtchn xenbus; do says PASS xen.devices.$name "/dev/xen/$name -rw-rw-rw- root:root"; done
says FAIL xen.round_trip ''		# these are no devices
fix xen.round_trip ''
exit 0
