#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the tool takes for a value of an option is what the library takes (tools/cli/options.py, shim/config.c).
top=${VMO_ROOT:-$(cd "$(dirname "$0")/../.." && pwd)}
probe=${VMO_BUILD:-$top/build}/doctor/probe
[ -x "$probe" ] || { echo "SKIP: $probe is not built"; exit 77; }
exec python3 -B "$top/tests/script/env_values.py" "$top" "$probe"
