#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The kernels in the NAS pattern, in both languages, under Open MPI with the library: kernels.inc.
. "$(dirname "$0")/kernels.inc"

kernels_come_out_right openmpi
echo "ok: five kernels, right in both languages"
