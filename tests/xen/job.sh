# SPDX-License-Identifier: LGPL-2.1-or-later
# The job that tests/xen/run.py has tools/xenlab run in every guest. ./plan has one test a line:
#   unit NAME                                                  both sides of it, one in each guest
#   mpi NAME LIMIT TIMEOUT MPI RANKS PER_GUEST ENV... -- COMMAND...   guest 1 starts it; what came of it is judged by run.py
# Into /out: NAME.log, and NAME.end with "EXIT_CODE SECONDS"; after each MPI job NAME.grants, one line per guest.
param=/sys/module/xen_gntalloc/parameters/limit
gntalloc=/usr/lib/xenlab/modules/xen_gntalloc.ko

seconds() { read -r up _ </proc/uptime; echo "${up%.*}"; }

# end NAME EXIT_CODE BEGAN
end() {
    echo "$2 $(($(seconds) - $3))" >/out/"$1".end
    [ "$ROLE" != 1 ] || echo "$1: exit code $2"     # on the console, for who watches
}

everywhere() { for n in $(seq "$NGUESTS"); do on g"$n" "$@"; done; }

run_unit() {    # both guests at once; the next one's listener is not this one's
    began=$(seconds)
    timeout -k 1 120 ./"$1" >/out/"$1".log 2>&1
    end "$1" $? "$began"
    barrier unit
}

# What the guests' kernels say is held after a job: nothing may be.
look_at_grants() { everywhere sh -c 'echo "g$ROLE: $(./grants)"'; }


run_mpi() {     # NAME LIMIT TIMEOUT MPI RANKS PER_GUEST ENV... -- COMMAND...
    name=$1 limit=$2 seconds=$3 mpi=$4 ranks=$5 per_guest=$6
    shift 6
    line="--$mpi -n $ranks -ppn $per_guest -t $seconds -env LD_PRELOAD=/job/libvmonecopy.so -env VMONECOPY_REPORT=full"
    while [ "$1" != -- ]; do line="$line -env $1"; shift; done
    shift
    everywhere sh -c "echo $limit >$param"
    for try in first second; do
        began=$(seconds)
        mpi-run $line "$@" >/out/"$name".log 2>&1
        code=$?
        [ $code = 124 ] && [ $try = first ] || break        # TCP between guests stalls on a busy host
        mv /out/"$name".log /out/"$name".stalled.log
    done
    end "$name" $code "$began"
    look_at_grants >/out/"$name".grants 2>&1
    case $name in killed.*) everywhere sh -c "$(reload_text)" >>/out/"$name".grants 2>&1 ;; esac
}

reload_text() {     # the module goes only if nobody holds a grant of it
    echo "rmmod xen_gntalloc && insmod $gntalloc limit=1024 && chown root:xen /dev/xen/gntalloc &&" \
        "chmod 660 /dev/xen/gntalloc && echo \"g\$ROLE: reloaded\""
}

{ uname -a; grep . /sys/module/xen_gntalloc/parameters/* /sys/module/grant_table/parameters/*; } >/out/kernel.txt 2>&1
[ "$ROLE" = 1 ] && peer_ip=10.0.0.2 || peer_ip=10.0.0.1
export VMO_TEST_GUEST="$ROLE $PEERDOM $peer_ip"
while read -r kind name rest <&9; do
    case $kind in
    unit) echo 8192 >$param; [ "$ROLE" -gt 2 ] || run_unit "$name" ;;
    mpi) [ "$ROLE" != 1 ] || run_mpi "$name" $rest ;;
    esac
done 9<plan
[ "$ROLE" = 1 ] || serve
