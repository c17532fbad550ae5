#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Ranks without the library, named in one line, harm no job (muster.inc).
mpi=openmpi
. "$(dirname "$0")/muster.inc"
