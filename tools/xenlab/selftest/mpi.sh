# SPDX-License-Identifier: LGPL-2.1-or-later
# One rank in each guest, started by guest 1: payload, environment and exit codes must come
# through. /job/flavour says mpich or openmpi; /job/preload.so opens two libraries at run time.
[ "$ROLE" = 1 ] || { serve; exit 0; }
flavour=$(cat flavour)
mpi-run --"$flavour" -n "$NGUESTS" -ppn 1 -t 100 -env GREETING="two words" \
    -env LD_PRELOAD=/job/preload.so ./pingpong || exit 1
mpi-run --"$flavour" -n "$NGUESTS" -ppn 1 -t 60 sh -c 'exit 3'
status=$?
[ $status = 3 ] || { echo "exit code 3 came back as $status"; exit 1; }
