"""Reads the scores of subnets and the results of their trials; imports no SQLAlchemy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paretune.search.database.rows import Rows
from paretune.search.study.elastic import source_key, subnet_key, subnet_of
from paretune.search.study.elastic_check import ElasticCheck
from paretune.search.study.records import Axis, SubnetScores


def read_subnet_scores(rows: Rows, axes: Sequence[Axis]) -> SubnetScores | None:
    """Returns the subnets' scores beside those of their trials; None without elastic training.

    Args:
        rows: Reads rows of the database.
        axes: The objectives; the first score among them is compared.
    """
    axis = next((axis for axis in axes if axis.is_score), None)
    stored = _stored(rows)
    if not stored:
        return None
    early = {(row["lineage"], row["subnet"]): row for row in stored}  # the latest training wins
    pairs: list[tuple[float, float]] = []
    for trial in _complete(rows) if axis else ():
        subnet = subnet_of(trial["plan"])
        source = source_key(trial["plan"])
        row = early.get((source, subnet_key(subnet))) if subnet else None
        value = trial["values"].get(axis.name) if axis else None
        if row is not None and value is not None:
            pairs.append((row["loss"], value))
    return SubnetScores(
        subnets=len(early),
        seconds=sum(row["seconds"] for row in early.values()),
        examples=stored[-1]["examples"],
        objective=axis.name if axis else "",
        better=axis.better if axis else "higher",
        losses=tuple(pair[0] for pair in pairs),
        final=tuple(pair[1] for pair in pairs),
        check=_check(rows, stored[-1]["stage"]),
    )


def _check(rows: Rows, stage: str) -> ElasticCheck | None:
    """Returns the check of an elastic training; None if it has none."""
    checks = _all(rows, "paretune_elastic_checks")
    contents = [row["content"] for row in checks if row["stage"] == stage]
    return ElasticCheck.from_json(contents[0]) if contents else None


def _stored(rows: Rows) -> list[dict[str, Any]]:
    return _all(rows, "paretune_subnets")


def _all(rows: Rows, table: str) -> list[dict[str, Any]]:
    """Returns the rows of a table in order of time; none if the database has no such table."""
    try:
        return rows(f"SELECT * FROM {table} ORDER BY created")
    except Exception as error:  # each driver has its own error for a missing table
        if table not in str(error):
            raise
        return []  # a study of an earlier version, which no run has opened since


def _complete(rows: Rows) -> list[dict[str, Any]]:
    """Returns plan and values of the complete trials that trained a network of their own."""
    return rows(
        "SELECT plan, \"values\" FROM paretune_trials WHERE state = 'complete' "
        "AND repeat_of IS NULL AND variant_of IS NULL"
    )
