# SPDX-License-Identifier: LGPL-2.1-or-later
# Every promise about a guest's surroundings, one line each: a line that fails ends the job.
set -e
[ "$NGUESTS" = 2 ] && [ "$MYIP" = 10.0.0."$ROLE" ]
[ "$(xenstore-read domid)" = "$MYDOM" ] && [ "$PEERDOM" = "$PEERDOMS" ] && [ "$MYDOM" != "$PEERDOM" ]
[ "$(cat /sys/module/xen_gntalloc/parameters/limit)" = 4096 ]
[ "$(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)" = tsc ]
for device in evtchn gntdev gntalloc xenbus; do [ -c /dev/xen/$device ]; done
[ "$(stat -c '%a %U %G' /dev/xen/gntdev)" = "660 root xen" ]
[ "$(as-user id -u)" = 1000 ] && [ "$(as-user xenstore-read domid)" = "$MYDOM" ]
[ "$(as-user sh -c 'echo "$2"' sh -n "two words")" = "two words" ]
[ -d /dev/pts ] && grep -q /dev/shm /proc/mounts
[ "$(cat note)" = "from the host" ] && [ "$(cat /deep/folder/note)" = "from the host" ]
barrier first; barrier first; barrier second
if [ "$ROLE" = 1 ]; then
    [ "$(on g2 sh -c 'hostname; echo "$1"' sh "it's")" = "$(printf "g2\nit's")" ]
    status=0; on g2 sh -c 'exit 7' || status=$?
    [ $status = 7 ]
fi
mkdir /out/folder
echo "result of $ROLE" >/out/folder/result
barrier last
echo "all is as promised"
