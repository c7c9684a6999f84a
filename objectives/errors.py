"""The error that makes a trial infeasible because of its artifact."""

from __future__ import annotations


class Unmeasurable(Exception):
    """The artifact cannot be made or measured here; the trial is infeasible for this reason."""
