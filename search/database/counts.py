"""Counts the trials and stages of a study in the database, without reading the trials.

A study may have ten thousand trials; `paretune status` needs only these numbers.
"""

from __future__ import annotations

import json
from typing import Any

from paretune.search.database.rows import Rows
from paretune.search.study.records import Counts

DROPPED = ""
"""The `file` of a stage that was dropped from the cache. Its row stays, with its cost."""

PARTIAL = " (partial)"
"""Ending of the `kind` of a training that can be resumed; the complete stage has its seconds."""

_HAS_NO_VALUES = "(\"values\" IS NULL OR CAST(\"values\" AS TEXT) IN ('{}', 'null'))"

_NO_STAGES = "('[]', 'null')"  # as JSON

IS_SEARCH = "number > 0 AND repeat_of IS NULL AND variant_of IS NULL"
"""SQL condition of the trials that count: without the baseline, repeats and format variants."""


def counts_of(rows: Rows) -> Counts:
    """Counts the trials and stages of a study.

    Args:
        rows: Reads its database.
    """
    counted = rows(
        f"SELECT state, count(*) AS n FROM paretune_trials WHERE {IS_SEARCH} "
        "GROUP BY state ORDER BY min(number)"
    )
    states = {row["state"]: row["n"] for row in counted}
    is_complete = f"kind NOT LIKE '%{PARTIAL}'"
    is_cached = f"file <> '{DROPPED}'"
    cached = _one(
        rows, f"count(*) AS n, sum(bytes) AS bytes FROM paretune_stages WHERE {is_cached}"
    )
    dropped = _one(
        rows, f"count(*) AS n FROM paretune_stages WHERE NOT ({is_cached}) AND {is_complete}"
    )
    spent = _one(rows, f"sum(seconds) AS n FROM paretune_stages WHERE {is_complete}")["n"]
    return Counts(
        states=states,
        broken=_count_broken(rows),
        repeats=count_trials(rows, "repeat_of IS NOT NULL"),
        variants=count_trials(rows, "variant_of IS NOT NULL"),
        stopped=states.get("stopped", 0),
        # A custom trainer has no stages: nothing is counted.
        stage_seconds=0.0 if spent is None else float(spent) + _unfinished_seconds(rows),
        saved_seconds=_saved_seconds(rows),
        cache_bytes=int(cached["bytes"] or 0),
        cache_stages=cached["n"],
        dropped=dropped["n"],
        unmeasured=count_trials(rows, f"{IS_SEARCH} AND state = 'complete' AND {_HAS_NO_VALUES}"),
    )


def _count_broken(rows: Rows) -> int:
    """Counts the complete trials that break a constraint."""
    has_violations = "violations IS NOT NULL AND CAST(violations AS TEXT) NOT IN ('{}', 'null')"
    complete = rows(
        f"SELECT violations FROM paretune_trials WHERE {IS_SEARCH} AND state = 'complete' "
        f"AND {has_violations}"
    )
    return sum(any(v > 0 for v in row["violations"].values()) for row in complete)


def count_trials(rows: Rows, condition: str) -> int:
    """Counts the trials for which an SQL condition holds, without the baseline."""
    counted = _one(rows, f"count(*) AS n FROM paretune_trials WHERE number > 0 AND {condition}")
    return int(counted["n"])


def _one(rows: Rows, selection: str) -> dict[str, Any]:
    return rows(f"SELECT {selection}")[0]


def _unfinished_seconds(rows: Rows) -> float:
    """Returns the seconds of trainings that racing paused or stopped, which made no stage."""
    trials = rows(
        "SELECT reason, seconds FROM paretune_trials WHERE state IN ('paused', 'stopped')"
    )
    return float(
        sum((t["seconds"] or {}).get(t["reason"]["stage"], 0.0) for t in trials if t["reason"])
    )


def _saved_seconds(rows: Rows) -> float:
    """Returns what the stages taken from the cache cost when they were made, in seconds.

    Two stages are the same if their plans are the same up to them.
    """
    # Cast, as PostgreSQL does not compare JSON.
    has_cached = f"cached IS NOT NULL AND CAST(cached AS TEXT) NOT IN {_NO_STAGES}"
    if not rows(f"SELECT 1 AS one FROM paretune_trials WHERE {has_cached} LIMIT 1"):
        return 0.0
    seconds_of: dict[str, float] = {}
    reused: list[str] = []
    for row in rows(
        "SELECT CAST(plan AS TEXT) AS plan_text, seconds, cached FROM paretune_trials "
        "WHERE seconds IS NOT NULL ORDER BY number"
    ):
        plan: str = row["plan_text"]
        prefixes = _prefixes(plan)
        for stage, seconds in (row["seconds"] or {}).items():
            if seconds > 0:
                seconds_of[prefixes.get(stage, plan)] = seconds
        reused += [prefixes.get(stage, plan) for stage in row["cached"] or ()]
    return sum(seconds_of.get(prefix, 0.0) for prefix in reused)


def _prefixes(plan: str) -> dict[str, str]:
    """Returns kind of stage -> JSON of the plan up to this stage, on which its result depends."""
    prefixes: dict[str, str] = {}
    position = plan.index("[") + 1
    while (position := plan.find("{", position)) >= 0:
        stage, position = json.JSONDecoder().raw_decode(plan, position)
        prefixes.setdefault(stage["kind"], plan[:position])
    return prefixes
