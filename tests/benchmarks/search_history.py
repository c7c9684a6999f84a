"""Sides of a search that take turns, and the history of the hypervolume of each."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from paretune.search.front.pareto import Front, hypervolume, to_losses
from paretune.search.study.records import Axis


class Used(NamedTuple):
    """Time that a side has used, in seconds.

    Attributes:
        processor: Of its thread.
        wall: Of its turns.
    """

    processor: float
    wall: float


class Turns:
    """Lets one side's thread work at a time: the side that has used least processor time."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._used: dict[str, Used] = {}
        self._active: str | None = None

    def join(self, name: str) -> None:
        """Adds a side, before its thread starts."""
        self._used[name] = Used(0.0, 0.0)

    def begin(self, name: str) -> None:
        """Waits for the turn of this side."""
        with self._condition:
            self._condition.wait_for(lambda: self._next() == name)
            self._active = name
            self._begun = Used(time.thread_time(), time.perf_counter())

    def used(self, name: str) -> Used:
        """Returns the time of the active side, its present turn included."""
        before, begun = self._used[name], self._begun
        return Used(
            before.processor + time.thread_time() - begun.processor,
            before.wall + time.perf_counter() - begun.wall,
        )

    def end(self, name: str, last: bool = False) -> None:
        """Ends the turn of the active side; `last` if the side is done."""
        with self._condition:
            self._used[name] = self.used(name)
            self._active = None
            if last:
                del self._used[name]
            self._condition.notify_all()

    def _next(self) -> str | None:
        if self._active is not None or not self._used:
            return None
        return min(self._used, key=lambda name: self._used[name])


class Point(NamedTuple):
    """A side after one of its trials.

    Attributes:
        seconds: Processor time so far.
        trainings: Trials so far that have trained a network.
        volume: Hypervolume so far.
        wall: Wall time of the side's turns so far, in seconds.
    """

    seconds: float
    trainings: int
    volume: float
    wall: float = math.nan


@dataclass
class History:
    """The hypervolume history of a side.

    Attributes:
        points: One for each trial.
    """

    points: list[Point] = field(default_factory=list)

    @property
    def end(self) -> Point:
        """The side after its last trial."""
        return self.points[-1]

    def reached(self, target: float) -> Point | None:
        """Returns the first point with a hypervolume; None if it was not reached."""
        return next((point for point in self.points if point.volume >= target), None)

    def after(self, trainings: int) -> float:
        """Returns the hypervolume after a number of trainings."""
        return max((p.volume for p in self.points if p.trainings <= trainings), default=0.0)

    def within(self, seconds: float) -> float:
        """Returns the hypervolume after some processor time."""
        return max((p.volume for p in self.points if p.seconds <= seconds), default=0.0)


class Volume:
    """The hypervolume of all trials so far.

    Args:
        axes: The objectives.
        baseline: Objective -> value of the baseline.
        classes: Number of classes of the data.
    """

    def __init__(self, axes: list[Axis], baseline: Mapping[str, float], classes: int) -> None:
        self._axes, self._baseline, self._classes = axes, baseline, classes
        self._front = Front()
        self._count = 0

    def add(self, values: Mapping[str, float]) -> float:
        """Adds a trial; returns the hypervolume as a share of the box."""
        losses, reference = to_losses(values, self._axes, self._baseline, self._classes)
        self._count += 1
        self._front.add(self._count, losses)
        return float(hypervolume(self._front.losses, reference) / reference.prod())
