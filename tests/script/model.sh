#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The model of the protocol holds, its mutations are caught, and model and code name the same transitions.
# The larger searches: make model.
# LIMIT: 900
# BESIDE
root=${VMO_ROOT:-$(cd "$(dirname "$0")/../.." && pwd)}
command -v spin >/dev/null || { echo "skipped: no spin"; exit 77; }
exec "$root/tests/model/run.py" --quick
