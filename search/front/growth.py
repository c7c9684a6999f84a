"""The front and its hypervolume while a study runs, kept incrementally."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from paretune.search.front.pareto import Array, Front, hypervolume, to_losses
from paretune.search.study.records import Axis, FrontPoint, StudyRecord


class FrontTracker:
    """The front of a study's feasible trials.

    Args:
        axes: The objectives.
        baseline: The baseline's values, which scale the losses; None in a study without one.
        classes: Number of classes, which gives chance level; None where there are none.
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
        self._volume: float | None = None

    def add(self, number: int, values: Mapping[str, float]) -> bool:
        """Takes a feasible trial in; True when the front changed."""
        losses, self._reference = to_losses(values, self._axes, self._baseline, self._classes)
        if not self._front.add(number, losses):
            return False
        self._volume = None
        self._values[number] = values
        self._values = {member: self._values[member] for member in self._front.members}
        return True

    @property
    def front(self) -> dict[int, Mapping[str, float]]:
        """Trial number -> values of the front's members."""
        return dict(self._values)

    @property
    def hypervolume(self) -> float | None:
        """Of the front, as a share of the box from zero to the reference; None where unknown."""
        if self._reference is None:
            return 0.0
        if np.isnan(self._reference).any():
            return None
        if self._volume is None:
            box = abs(float(self._reference.prod())) or 1.0
            self._volume = hypervolume(self._front.losses, self._reference) / box
        return self._volume

    def point(self, trial: int, when: float | None = None) -> FrontPoint:
        """The front as it is now, after this trial."""
        return FrontPoint(trial, when or time.time(), self.hypervolume, tuple(self._values))


def with_hypervolumes(record: StudyRecord) -> StudyRecord:
    """The record with the hypervolumes that could not be known while the study ran.

    Looking back, the worst value of any feasible trial is the reference, and the share is of the
    box from the best to the worst.
    """
    if all(point.hypervolume is not None for point in record.growth):
        return record
    losses = {
        trial.number: to_losses(trial.values, record.axes, None, None)[0]
        for trial in record.trials
        if trial.feasible
    }
    every = np.array(list(losses.values()))
    low, high = every.min(axis=0), every.max(axis=0)
    box = float(np.where(high > low, high - low, 1.0).prod())

    def volume(point: FrontPoint) -> float:
        members = np.array([losses[number] for number in point.members])
        return hypervolume(members, np.where(high > low, high, high + 1.0)) / box

    return replace(
        record, growth=tuple(replace(point, hypervolume=volume(point)) for point in record.growth)
    )
