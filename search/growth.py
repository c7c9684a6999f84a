"""The front and its hypervolume while a study runs, kept incrementally."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from search.pareto import Front, hypervolume, to_losses
from search.records import Axis, FrontPoint


class Growth:
    """The front of a study's feasible trials.

    Args:
        axes: The objectives.
        baseline: The baseline's values, which scale the losses.
        classes: Number of classes, which gives chance level.
    """

    def __init__(self, axes: Sequence[Axis], baseline: Mapping[str, float], classes: int) -> None:
        self._axes = axes
        self._baseline = baseline
        self._classes = classes
        self._front = Front()
        self._values: dict[int, Mapping[str, float]] = {}
        self._volume: float | None = None

    def add(self, number: int, values: Mapping[str, float]) -> bool:
        """Takes a feasible trial in; True when the front changed."""
        losses, _ = to_losses(values, self._axes, self._baseline, self._classes)
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
    def hypervolume(self) -> float:
        """Of the front, as a share of the box between ideal and reference."""
        if self._volume is None:
            _, reference = to_losses(self._baseline, self._axes, self._baseline, self._classes)
            self._volume = hypervolume(self._front.losses, reference) / float(reference.prod())
        return self._volume

    def point(self, trial: int, when: float | None = None) -> FrontPoint:
        """The front as it is now, after this trial."""
        return FrontPoint(trial, when or time.time(), self.hypervolume, tuple(self._values))
