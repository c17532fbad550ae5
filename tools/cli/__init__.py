# SPDX-License-Identifier: LGPL-2.1-or-later
"""Subcommands of `vmonecopy` that need no measurement: run, doctor, env."""
