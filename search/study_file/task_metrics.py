"""The scores of a study's task: which names it has, and their units and directions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from paretune.objectives.metrics import PER_CENT, metric_of
from paretune.search.study.quantity import SCORE, Quantity
from paretune.search.study.spec import Selection
from paretune.search.study.tables import OBJECTIVES
from paretune.search.tasks import CLASSIFICATION, TASKS, brings_data
from paretune.spaces.table import did_you_mean
from paretune.task import Metric

ACCURACY = "accuracy"
"""The objective that scores classes; the user's own task may have a score of this name."""

NAME = re.compile(r"^[A-Za-z_][\w./-]*$")
"""Names of scores."""


@dataclass(frozen=True)
class TaskMetrics:
    """The scores that a study file may name.

    Attributes:
        task: Name of the task.
        known: Name -> score, the main one first; what the task declares.
        is_open: Whether the task may give scores of any name, as the user's own code does.
        classes: Whether the objective `accuracy` scores it.
    """

    task: str
    known: Mapping[str, Metric]
    is_open: bool
    classes: bool

    @staticmethod
    def of(task: Selection) -> TaskMetrics:
        """Returns the scores of a task of a study file."""
        entry = TASKS.get(task.name)
        is_open = brings_data(entry)
        return TaskMetrics(
            task.name, dict(entry.metrics), is_open, not is_open and entry.targets == "class"
        )

    @property
    def main(self) -> str:
        """The name to suggest."""
        return ACCURACY if self.classes else next(iter(self.known), "map50")

    def is_score(self, quantity: Quantity) -> bool:
        """Returns whether a quantity is a score of the task, if it exists."""
        if quantity.objective == SCORE:
            return True
        return self.is_open and quantity.local == ACCURACY

    def metric(self, name: str) -> Metric | None:
        """Returns a score by its name without target; None if its unit is not known."""
        return self.known.get(name) or (metric_of(name) if self.is_open else None)

    def accepts(self, quantity: Quantity) -> bool:
        """Returns whether the study may name a quantity."""
        if not self.is_score(quantity):
            return self.classes or quantity.objective != ACCURACY
        return self.is_open or quantity.local in self.known

    def refusal(self, quantity: Quantity) -> str:
        """Returns why the study may not name a quantity."""
        head = quantity.local.partition(".")[0]
        names = [*self.known, *self.objective_names()]
        hint = did_you_mean(head, names) or "."
        unknown = f'unknown objective "{head}"{hint} Known: {", ".join(names)}.'
        return self.needed_task(quantity) or unknown

    def needed_task(self, quantity: Quantity) -> str | None:
        """Returns the text for a quantity that only another task has; None if none has it."""
        name = quantity.local
        if quantity.objective == ACCURACY:
            has = f"task {self.task} has {', '.join(self.known)}"
            advice = "here you name what the score of your task gives"
            return f"{name} needs task: {CLASSIFICATION}; {has if self.known else advice}"
        others = [task for task in TASKS.names if name in _metrics(task)]
        if others:
            has = ", ".join(self.known) or ACCURACY
            return f"{name} needs task: {' or '.join(others)}; task {self.task} has {has}"
        return None

    def objective_names(self) -> list[str]:
        """Returns the names of the objectives that the task can have."""
        names = [*OBJECTIVES.names, *OBJECTIVES.plugins]
        return names if self.classes else [name for name in names if name != ACCURACY]

    def units(self, units: Mapping[str, str]) -> dict[str, str]:
        """Returns name -> unit of objectives that the task can have, and of its own scores.

        Args:
            units: The units of all objectives and their further values.
        """
        possible = {name: unit for name, unit in units.items() if self.accepts(Quantity.of(name))}
        return {**possible, **{name: metric.unit for name, metric in self.known.items()}}


def direction_of(options: Mapping[Any, Any]) -> str | None:
    """Returns the direction in {direction: unit}; None unless there is exactly one."""
    directions = [d for d in ("minimize", "maximize") if d in options]
    return directions[0] if len(directions) == 1 else None


def shown_unit(unit: str) -> str:
    """Returns the unit in which a score is kept: a score in per cent becomes a fraction."""
    return "fraction" if unit == PER_CENT else unit


def _metrics(task: str) -> Mapping[str, Metric]:
    """Returns the scores of a built-in task; nothing for one whose package is missing."""
    metrics: Mapping[str, Metric] = {}
    with suppress(ImportError, AttributeError):
        entry = TASKS.get(task)
        metrics = {} if brings_data(entry) else entry.metrics
    return metrics
