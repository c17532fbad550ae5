#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The calls, the options, the counters and the reasons each stand in exactly one list, and each entry is
# used. Every function of each installed mpi.h that takes or returns a request, a status or a message is
# intercepted, or not_intercepted.txt says why it need not be.
exec python3 "$(dirname "$0")/lists.py" "${VMO_ROOT:-$(cd "$(dirname "$0")/../.." && pwd)}"
