# SPDX-License-Identifier: LGPL-2.1-or-later
"""The one kind of error that a user of xenlab meets: one line, with its remedy."""


class XenlabError(Exception):
    """Something the user can repair; the text says what is wrong and how to cure it."""


def need(condition, problem, remedy):
    """Raise XenlabError unless condition holds."""
    if not condition:
        raise XenlabError(f"{problem}; {remedy}")
