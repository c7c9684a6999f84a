"""Errors of objectives and runtimes that end a trial with a reason."""

from __future__ import annotations


class Unmeasurable(Exception):
    """The artifact cannot be made or measured here: the trial is infeasible, with this reason."""
