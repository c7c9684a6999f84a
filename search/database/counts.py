"""How far a study is, counted by the database: of ten thousand trials none is read whole."""

from __future__ import annotations

import json
from typing import Any

from paretune.search.database.rows import Rows
from paretune.search.study.records import RACING, Counts

DROPPED = ""
"""The `file` of a stage that was dropped from the cache: its cost stays known."""

PARTIAL = " so far"
"""Ending of the kind of a training that can go on: its seconds are part of another's."""

_NOTHING = "('[]', 'null')"  # JSON without a stage
_SEARCHED = "number > 0 AND repeat_of IS NULL AND variant_of IS NULL"


def counts_of(rows: Rows) -> Counts:
    """Counts the trials and stages of a study.

    Args:
        rows: How its database is read.
    """
    states = rows(
        f"SELECT state, count(*) AS n FROM paretune_trials WHERE {_SEARCHED} "
        "GROUP BY state ORDER BY min(number)"
    )
    whole = f"kind NOT LIKE '%{PARTIAL}'"
    there = f"file <> '{DROPPED}'"
    cached = _one(rows, f"count(*) AS n, sum(bytes) AS bytes FROM paretune_stages WHERE {there}")
    made = _one(rows, f"sum(seconds) AS seconds FROM paretune_stages WHERE {whole}")["seconds"]
    return Counts(
        states={row["state"]: row["n"] for row in states},
        repeats=count_trials(rows, "repeat_of IS NOT NULL"),
        variants=count_trials(rows, "variant_of IS NOT NULL"),
        stopped=held_up(rows, f"{_SEARCHED} AND state = 'stopped'"),
        # Of a trainer of the user's there are no stages, and nothing is counted.
        stage_seconds=0.0 if made is None else float(made) + _held_up_seconds(rows),
        saved_seconds=_saved(rows),
        cache_bytes=int(cached["bytes"] or 0),
        cache_stages=cached["n"],
        dropped=_one(rows, f"count(*) AS n FROM paretune_stages WHERE NOT ({there}) AND {whole}")[
            "n"
        ],
    )


def _one(rows: Rows, what: str) -> dict[str, Any]:
    return rows(f"SELECT {what}")[0]


def count_trials(rows: Rows, which: str) -> int:
    """How many trials of the search there are of a kind, a condition in SQL."""
    found = _one(rows, f"count(*) AS n FROM paretune_trials WHERE number > 0 AND {which}")
    return int(found["n"])


def held_up(rows: Rows, which: str) -> int:
    """How many trials of a kind, a condition in SQL, racing has held up."""
    return len(_held_up(rows, "reason", which))


def _held_up(rows: Rows, columns: str, which: str) -> list[dict[str, Any]]:
    found = rows(
        f"SELECT {columns} FROM paretune_trials WHERE {which} "
        f"AND CAST(reason AS TEXT) LIKE '%\"{RACING}\"%'"
    )
    return [row for row in found if row["reason"]["type"] == RACING]


def _held_up_seconds(rows: Rows) -> float:
    """What the trainings took that racing holds up or has stopped: no stage was made of them."""
    found = _held_up(rows, "reason, seconds", "state IN ('paused', 'stopped')")
    took = [(row["seconds"] or {}).get(row["reason"]["stage"], 0.0) for row in found]
    return float(sum(took))


def _saved(rows: Rows) -> float:
    """What the stages taken from the cache would have cost, by what they took when made.

    A stage is the same where the plan is the same up to it.
    """
    some = (
        f"FROM paretune_trials WHERE cached IS NOT NULL AND CAST(cached AS TEXT) NOT IN {_NOTHING}"
    )
    if not rows(f"SELECT 1 AS one {some} LIMIT 1"):
        return 0.0
    took: dict[str, float] = {}
    taken: list[str] = []
    for row in rows(
        "SELECT CAST(plan AS TEXT) AS stages, seconds, cached FROM paretune_trials "
        "WHERE seconds IS NOT NULL ORDER BY number"
    ):
        whole: str = row["stages"]
        upto = _prefixes(whole)
        for stage, seconds in (row["seconds"] or {}).items():
            if seconds > 0:
                took[upto.get(stage, whole)] = seconds
        taken += [upto.get(stage, whole) for stage in row["cached"] or ()]
    return sum(took.get(stage, 0.0) for stage in taken)


def _prefixes(plan: str) -> dict[str, str]:
    """Kind of a stage -> the plan's JSON up to it: all that the stage depends on within it."""
    found: dict[str, str] = {}
    place = plan.index("[") + 1
    while (place := plan.find("{", place)) >= 0:
        stage, place = json.JSONDecoder().raw_decode(plan, place)
        found.setdefault(stage["kind"], plan[:place])
    return found
