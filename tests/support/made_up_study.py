"""A study database with made-up trials, which nothing trained or measured."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from paretune.search.database import tables
from paretune.search.database.engine import open_engine
from paretune.search.database.version import SCHEMA
from paretune.search.front.growth import FrontTracker
from paretune.search.study.records import Axis

AXES = (
    Axis("accuracy", "fraction", "higher"),
    Axis("latency", "ms", "lower"),
    Axis("size", "bytes", "lower"),
)
BASE = {"accuracy": 0.95, "latency": 2.0, "size": 8e6}
CONSTRAINT, GOAL = "accuracy >= baseline - 10%", "latency <= 0.5 x baseline"

STUDY = f"""\
study: made-up
data: digits
baseline: {{architecture: {{simple_cnn: {{}}}}}}
space:
  pruning: {{choice: {{none: {{}}, structured: {{ratio: {{float: [0.1, 0.8]}}}}}}}}
objectives: {{accuracy: maximize, latency: minimize, size: minimize}}
constraints: ["{CONSTRAINT}"]
goals: ["{GOAL}"]
budget: {{trials: 100}}
"""
"""The study file that such a database would belong to."""


class MadeUpStudy:
    """A study file and its database.

    Attributes:
        file: The study file.
        database: The SQLite file.

    Args:
        folder: Folder of the study file.
        trials: Number of trials besides the baseline.
        name: Name of the file without its ending.
        seed: Seed of the values.
    """

    def __init__(
        self, folder: Path, trials: int = 12, name: str = "made-up", seed: int = 0
    ) -> None:
        self.file = folder / f"{name}.yaml"
        self.file.write_text(STUDY)
        self.database = folder / name / "study.db"
        self.url = f"sqlite:///{self.database}"
        self.engine = open_engine(self.url, create=True)
        self._random = random.Random(seed)
        self._front = FrontTracker(AXES, BASE, 10)
        self.count = 0
        with self.engine.begin() as connection:
            connection.execute(sa.insert(tables.studies), self._study(name, trials))
        self.add(trials + 1)

    def add(self, count: int, state: str = "complete") -> list[int]:
        """Adds trials; returns their numbers."""
        numbers = list(range(self.count, self.count + count))
        rows = [self._trial(number, state) for number in numbers]
        fronts = []
        for row in rows:
            is_feasible = not any(v > 0 for v in row["violations"].values())
            if row["state"] != "complete" or not is_feasible:
                continue
            if self._front.add(row["number"], row["values"]):
                point = self._front.point(row["number"], row["finished"])
                fronts.append({**vars(point), "members": list(point.members)})
        measured = [m for row in rows for m in _measurements(row)]
        with self.engine.begin() as connection:
            connection.execute(sa.insert(tables.trials), rows)
            if measured:
                connection.execute(sa.insert(tables.measurements), measured)
            if fronts:
                connection.execute(sa.insert(tables.fronts), fronts)
        self.count += count
        return numbers

    def change(self, number: int, **columns: Any) -> None:
        """Changes columns of a trial's row."""
        with self.engine.begin() as connection:
            statement = sa.update(tables.trials).where(tables.trials.c.number == number)
            connection.execute(statement.values(columns))

    def execute(self, statement: Any, rows: Any = None) -> None:
        """Executes a statement that writes."""
        with self.engine.begin() as connection:
            connection.execute(statement, rows)

    def close(self) -> None:
        """Closes the connections."""
        self.engine.dispose()

    def _study(self, name: str, trials: int) -> dict[str, Any]:
        return {
            "id": 1,
            "name": name,
            "schema": SCHEMA,
            "created": 1e9,
            "source": {
                "study": name,
                "data": "digits",
                "baseline": {},
                "constraints": [CONSTRAINT],
                "goals": [GOAL],
            },
            "identity": {},
            "axes": [vars(axis) for axis in AXES],
            "info": {"data": {"name": "digits", "train": 899}, "versions": {"paretune": "0"}},
            "trial_limit": trials,
            "end_reason": f"all {trials} trials are done",
        }

    def _trial(self, number: int, state: str) -> dict[str, Any]:
        width = self._random.choice([0.25, 0.5, 1.0]) if number else 1.0
        ratio = round(self._random.uniform(0.1, 0.8), 4) if number else 0.0
        small = width**2 * (1 - ratio)
        values = {
            "accuracy": 0.95 - 0.2 * (1 - small) ** 3 + self._random.gauss(0, 0.004),
            "latency": 2.0 * small**0.7 * self._random.uniform(0.9, 1.1),
            "size": float(round(8e6 * small)),
        }
        values = values if number else BASE
        done = state == "complete"
        pruning = {"structured": {"ratio": ratio, "criterion": "magnitude"}}
        started = 1e9 + 10 * number
        ended = state not in ("running", "paused")
        return {
            "number": number,
            "state": state,
            "worker": "w",
            "plan": [
                {
                    "kind": "pretrain",
                    "params": {"architecture": {"simple_cnn": {"width": width}}, "recipe": None},
                },
                *([{"kind": "prune", "params": {"pruning": pruning}}] if ratio else []),
                {"kind": "deploy", "params": {"runtime": {"onnxruntime": {"threads": 1}}}},
            ],
            "plan_key": f"plan-{number}",
            "params": {"pruning": "structured", "pruning.structured.ratio": ratio},
            "proposal": {"params": {}, "attributes": {}},
            "values": values if done else {},
            "violations": {CONSTRAINT: 0.85 - values["accuracy"]} if done and number else {},
            "reason": None if done else {"stage": "prune", "type": "X", "text": "no channel left"},
            "started": started,
            "finished": started + 9 if ended else None,
            "seconds": {"pretrain": 0.0, "prune": 1.0, "deploy": 0.5, "measure": 2.0},
            "cached": ["pretrain"] if number else [],
            "artifact": {
                "path": f"artifacts/trial-{number:05d}.onnx",
                "runtime": "onnxruntime",
                "sha256": "0" * 64,
                "bytes": int(values["size"]),
                "info": {"pruned": {"channels": [100, 100 - round(100 * ratio)]}},
            }
            if done
            else None,
            "artifacts": None,
            "repeat_of": None,
            "variant_of": None,
        }


def _measurements(row: dict[str, Any]) -> Sequence[dict[str, Any]]:
    spread = {"accuracy": 0.01, "latency": 0.03, "size": 0.0}
    return [
        {
            "trial": row["number"],
            "part": "validation",
            "name": axis.name,
            "value": value,
            "unit": axis.unit,
            "better": axis.better,
            "low": value * (1 - spread[axis.name]),
            "high": value * (1 + spread[axis.name]),
            "count": 400,
            "conditions": {"batch": 1},
            "host": "h",
            "measured_at": row["finished"],
        }
        for axis in AXES
        if (value := row["values"].get(axis.name)) is not None
    ]
