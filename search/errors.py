"""Errors that are the user's to mend: shown without a traceback, exit code 2."""

from __future__ import annotations


class UserError(Exception):
    """Something the user gave is wrong; the text says what, and what to type instead."""
