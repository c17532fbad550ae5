#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Debian's NetPIPE, built by others against its own MPI, runs unmodified: right results, one copy.
. "$(dirname "$0")/debian_netpipe.inc"
netpipe openmpi NPopenmpi netpipe-openmpi
