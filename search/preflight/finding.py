"""A finding: what was tried, and its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "infeasible", "mistake", "skipped"]
"""A mistake ends the check with exit code 2. Trials of an infeasible item end as infeasible."""


@dataclass(frozen=True)
class Finding:
    """The result of one item of a check.

    Attributes:
        item: What was tried, for example "simple_cnn width 0.5".
        state: Its state.
        text: What came out; for a mistake the rule, what came and what to type.
        key: Path of the key in the study file that a mistake belongs to.
        count: How many networks, prunings or formats were tried.
        check: Name of the check; the table of checks sets it.
    """

    item: str
    state: State
    text: str = ""
    key: tuple[str, ...] = ()
    count: int = 1
    check: str = ""
