"""Tracks the front and its hypervolume while a study runs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from paretune.search.front.pareto import Array, Front, hypervolume, to_losses
from paretune.search.study.records import Axis, FrontPoint, StudyRecord


class FrontTracker:
    """The front of a study's feasible trials, updated trial by trial.

    Args:
        axes: The objectives.
        baseline: The baseline's values, which scale the losses; None if there is no baseline.
        classes: Number of classes, which gives chance level; None if there are none.
    """

    def __init__(
        self, axes: Sequence[Axis], baseline: Mapping[str, float] | None, classes: int | None
    ) -> None:
        self._axes = axes
        self._baseline = baseline
        self._classes = classes
        self._front = Front()
        self._values: dict[int, Mapping[str, float]] = {}
        self._reference: Array | None = None
        self._hypervolume: float | None = None

    def add(self, number: int, values: Mapping[str, float]) -> bool:
        """Adds a feasible trial; returns whether the front changed."""
        losses, self._reference = to_losses(values, self._axes, self._baseline, self._classes)
        if not self._front.add(number, losses):
            return False
        self._hypervolume = None
        self._values[number] = values
        self._values = {member: self._values[member] for member in self._front.members}
        return True

    @property
    def front(self) -> dict[int, Mapping[str, float]]:
        """Trial number -> values of the trials on the front."""
        return dict(self._values)

    @property
    def hypervolume(self) -> float | None:
        """Hypervolume of the front, as a share of the box from zero to the reference.

        None if the reference is not known; 0 if there is no trial.
        """
        if self._reference is None:
            return 0.0
        if np.isnan(self._reference).any():
            return None
        if self._hypervolume is None:
            box = abs(float(self._reference.prod())) or 1.0
            self._hypervolume = hypervolume(self._front.losses, self._reference) / box
        return self._hypervolume

    def point(self, trial: int, when: float | None = None) -> FrontPoint:
        """Returns the present front as a point of the hypervolume history.

        Args:
            trial: The last trial.
            when: Unix time; None for now.
        """
        return FrontPoint(trial, when or time.time(), self.hypervolume, tuple(self._values))


def with_hypervolumes(record: StudyRecord) -> StudyRecord:
    """Fills in the hypervolumes of a study that had no reference while it ran.

    The reference is then the worst value of any feasible trial. The hypervolume is a share of the
    box from the best to the worst value.
    """
    if all(point.hypervolume is not None for point in record.growth):
        return record
    losses = {
        trial.number: to_losses(trial.values, record.axes, None, None)[0]
        for trial in record.trials
        if trial.feasible
    }
    all_losses = np.array(list(losses.values()))
    low, high = all_losses.min(axis=0), all_losses.max(axis=0)
    box = float(np.where(high > low, high - low, 1.0).prod())

    def share(point: FrontPoint) -> float:
        members = np.array([losses[number] for number in point.members])
        return hypervolume(members, np.where(high > low, high, high + 1.0)) / box

    history = tuple(replace(point, hypervolume=share(point)) for point in record.growth)
    return replace(record, growth=history)
