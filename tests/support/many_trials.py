"""Adds made-up trials to a real study database, as if a run had gone on."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from paretune.search.front.pareto import Front


def add_trials(database: Path, count: int, seed: int = 0) -> list[int]:
    """Adds copies of the complete trials with other figures; returns their numbers.

    Args:
        database: SQLite file of a study with a complete trial besides the baseline.
        count: Number of new trials.
        seed: Seed of their figures.
    """
    random = np.random.default_rng(seed)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.row_factory = sqlite3.Row
        [study] = connection.execute("SELECT axes FROM paretune_study").fetchall()
        axes = json.loads(study["axes"])
        trials = connection.execute("SELECT * FROM paretune_trials ORDER BY number").fetchall()
        models = [
            row
            for row in trials
            if row["number"] and row["state"] == "complete" and row["repeat_of"] is None
        ]
        first = trials[-1]["number"] + 1
        last = max(row["finished"] or row["started"] for row in trials)
        front = _front(connection, axes)
        for number in range(first, first + count):
            model = dict(models[int(random.integers(len(models)))])
            values = _values(json.loads(model["values"]), axes, random)
            began = last + 2.0 * (number - first)
            changed = {
                "number": number,
                "plan_key": f"made-up-{number}",
                "values": json.dumps(values),
                "violations": json.dumps({}),
                "started": began,
                "finished": began + 1.5,
            }
            _insert(connection, "paretune_trials", {**model, **changed})
            _copy_measurements(connection, model["number"], number, values)
            losses = [values[a["name"]] * (1 if a["better"] == "lower" else -1) for a in axes]
            if front.add(number, np.array(losses)):
                entry = {
                    "trial": number,
                    "time": began + 1.5,
                    "hypervolume": 0.4 + 0.5 * (number - first) / count,
                    "members": json.dumps(sorted(front.members)),
                }
                _insert(connection, "paretune_front", entry)
        return list(range(first, first + count))


def _front(connection: sqlite3.Connection, axes: list[dict[str, Any]]) -> Front:
    """Returns the front of the trials that are there."""
    front = Front()
    rows = connection.execute(
        'SELECT number, "values" FROM paretune_trials WHERE state = ? AND repeat_of IS NULL',
        ("complete",),
    )
    for row in rows.fetchall():
        values = json.loads(row["values"])
        losses = [values[a["name"]] * (1 if a["better"] == "lower" else -1) for a in axes]
        front.add(row["number"], np.array(losses))
    return front


def _values(
    values: dict[str, float], axes: list[dict[str, Any]], random: np.random.Generator
) -> dict[str, float]:
    """Returns other figures: a trade-off between the first objective and all others."""
    size = float(random.uniform(0.1, 1.0))
    new = dict(values)
    for axis in axes:
        name = axis["name"]
        if axis["unit"] == "fraction":
            new[name] = float(min(1.0, 0.7 + 0.28 * size + 0.02 * random.standard_normal()))
        else:
            new[name] = float(values[name] * size * random.lognormal(0.0, 0.4))
    return new


def _copy_measurements(
    connection: sqlite3.Connection, source: int, number: int, values: dict[str, float]
) -> None:
    rows = connection.execute(
        "SELECT * FROM paretune_measurements WHERE trial = ? AND part = 'validation'", (source,)
    ).fetchall()
    for row in rows:
        entry = {**dict(row), "trial": number}
        if row["name"] in values and row["value"]:
            factor = values[row["name"]] / row["value"]
            entry |= {key: entry[key] * factor for key in ("value", "low", "high")}
            if row["unit"] == "fraction":
                entry["high"] = min(1.0, entry["high"])
        _insert(connection, "paretune_measurements", entry)


def _insert(connection: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    names = ", ".join(f'"{name}"' for name in row)
    marks = ", ".join("?" for _ in row)
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(row.values()))
