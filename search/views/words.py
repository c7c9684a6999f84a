"""Counts and lists in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MOST_LISTED = 6
"""Most numbers in a list; the rest is counted."""


def count_text(number: int, noun: str) -> str:
    """Returns `1 trial` or `2 trials`."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def cores_text(facts: Mapping[str, Any]) -> str:
    """Returns `1 core` or `2 cores` of the facts about a host; `? cores` if they are unknown."""
    count = facts.get("cores")
    return f"{'?' if count is None else count} core{'' if count == 1 else 's'}"


def list_text(trials: Sequence[int]) -> str:
    """Returns `26, 24 and 31`; trial 0 is "the baseline", and a long list ends `and 5 more`."""
    names = [str(number) if number else "the baseline" for number in trials]
    if len(names) > MOST_LISTED:
        more = len(names) - MOST_LISTED + 1
        names = [*names[: MOST_LISTED - 1], f"{more} more"]
    return and_text(names)


def and_text(names: Sequence[str]) -> str:
    """Returns `accuracy, latency and size`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
