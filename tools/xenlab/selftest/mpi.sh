# SPDX-License-Identifier: LGPL-2.1-or-later
# One rank in each guest; guest 1 starts them. The flavour comes from the file's name: see check.
[ "$ROLE" = 1 ] || { serve; exit 0; }
flavour=$(cat flavour)
mpi-run --"$flavour" -n "$NGUESTS" -ppn 1 -t 100 -env GREETING="two words" ./pingpong || exit 1
mpi-run --"$flavour" -n "$NGUESTS" -ppn 1 -t 60 sh -c 'exit 3' && exit 1     # exit codes come back
exit 0
