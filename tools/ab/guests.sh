# SPDX-License-Identifier: LGPL-2.1-or-later
# The job that `vmonecopy ab --path xen` has tools/xenlab run in both guests. ./plan, a line each:
#   time LEAST SECONDS             repetitions beyond LEAST begin only if they can end within SECONDS
#   repetition N
#   run ID MPI SECONDS ENV -- COMMAND...   two ranks, one in each guest; MPI "none": here, with no MPI
# Into /out: ID.out, ID.err and ID.end with "EXIT_CODE FAILED_TRIES"; `guest` tells what this guest is.
[ "$ROLE" = 1 ] || { serve; exit; }

seconds() { read -r up _ </proc/uptime; echo "${up%.*}"; }

began=$(seconds)
{ echo "kernel $(uname -srm)"; cd /sys/hypervisor/version && echo "xen $(cat major).$(cat minor)$(cat extra)"; cd /job; } >/out/guest

enough_time() {     # N: as much again as each repetition so far has taken?
    [ "$1" -le "$least" ] || [ $((($(seconds) - began) * $1 / ($1 - 1))) -lt "$budget" ]
}

run() {     # ID MPI SECONDS ENV... -- COMMAND...; one line on the console, for who watches
    id=$1 mpi=$2 limit=$3 line=
    shift 3
    while [ "$1" != -- ]; do line="$line -env $1"; shift; done
    shift
    for failed in 0 1; do
        if [ "$mpi" = none ]; then
            timeout "$limit" "$@" >/out/"$id".out 2>/out/"$id".err
        else
            mpi-run --"$mpi" -n 2 -ppn 1 -t "$limit" $line "$@" >/out/"$id".out 2>/out/"$id".err
        fi
        code=$?
        [ $code = 0 ] && break
        echo "job $id ended with $code: $(tail -c 300 /out/"$id".err)"
    done
    echo "$code $failed" >/out/"$id".end
    echo "job $id: $mpi, $*"
}

while read -r word first rest <&9; do
    case $word in
    time) least=$first budget=$rest ;;
    repetition) enough_time "$first" || { echo "no time for repetition $first"; break; } ;;
    run) run "$first" $rest ;;
    esac
done 9<plan
