"""Reads the trainings with other seeds; imports no SQLAlchemy."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from paretune.objectives.base import Measurement
from paretune.search.database.rows import Rows, sql_list
from paretune.search.study.seed_results import SeedResult


def read_repeats(
    rows: Rows, numbers: Collection[int] | None = None
) -> dict[int, tuple[SeedResult, ...]]:
    """Returns trial -> its further trainings, in order; trials without any are left out.

    Args:
        rows: Reads rows of the database.
        numbers: The trials to read; None for all.
    """
    condition = "" if numbers is None else f"WHERE trial IN {sql_list(numbers)}"
    columns = "trial, repeat, state, content, reason, duration"
    try:
        stored = rows(f"SELECT {columns} FROM paretune_repeats {condition} ORDER BY trial, repeat")
    except Exception as error:  # each driver has its own error for a missing table
        if "paretune_repeats" not in str(error):
            raise
        return {}  # a study of an earlier version, which no run has opened since
    results: dict[int, tuple[SeedResult, ...]] = {}
    for row in stored:
        results[row["trial"]] = (*results.get(row["trial"], ()), seed_result(row))
    return results


def seed_result(row: Mapping[str, Any]) -> SeedResult:
    """Returns the training that a row holds."""
    return SeedResult(
        row["repeat"],
        row["state"],
        _measurements(row["content"], "validation"),
        _measurements(row["content"], "test"),
        row["reason"],
        row["duration"],
    )


def _measurements(content: Mapping[str, Any], part: str) -> dict[str, Measurement]:
    return {stored["name"]: Measurement(**stored) for stored in content.get(part, ())}
