#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What `vmonecopy ab` may say: intervals, verdicts, the library's report, launchers' answers (ab_verdict.py).
exec python3 "$(dirname "$0")/ab_verdict.py"
