#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# README, docs and CONTRIBUTING name only what is there, and what is there is named.
exec python3 -B "$(dirname "$0")/docs.py"
