#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The README's table of options is the one that shim/options.def makes.
exec "${VMO_ROOT:-.}/tools/options_table.py" --check
