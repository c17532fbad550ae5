#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the conformance tool makes of runs: a test that only the library fails is found, whatever way it fails,
# and one that plain fails too is not put to the library's account. No MPI and no network needed.
exec python3 "$(dirname "$0")/conformance_rules.py"
