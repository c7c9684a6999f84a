"""The error for wrong input: the command line prints its text without a traceback, exit code 2."""

from __future__ import annotations


class UserError(Exception):
    """The user's input is wrong; the text says what is wrong and what to type instead."""
