"""When a run has done enough. Pure: looks at counts and values, asks no database."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from paretune.search.study.spec import StudySpec

MAX_REPEATS = 100
"""So many proposals in a row that are known already end the search: there is nothing new."""


@dataclass(frozen=True)
class Ending:
    """Why a run ended.

    Attributes:
        reason: In words.
        ok: False when it gave up.
        over: Whether nothing is left to propose; else the study may go on, with more time, say.
    """

    reason: str
    ok: bool = True
    over: bool = True


@dataclass
class Progress:
    """How far a run is.

    Attributes:
        begun: When the run began, on the monotonic clock.
        done: Finished trials of the study's search that repeat no other.
        waiting: Trials that racing holds up.
        failures: Trials in a row that failed.
        repeats: Proposals in a row that were known already.
        durations: Seconds of this run's trials.
        front: Number -> values of the front's members.
    """

    begun: float
    done: int = 0
    waiting: int = 0
    failures: int = 0
    repeats: int = 0
    durations: list[float] = field(default_factory=list)
    front: Mapping[int, Mapping[str, float]] = field(default_factory=dict)

    @property
    def tried(self) -> int:
        """Trials of the budget that have been worked on and are not at the moment."""
        return self.done + self.waiting


def ending(spec: StudySpec, progress: Progress, baseline: Mapping[str, float]) -> Ending | None:
    """The reason to stop now, or None."""
    if spec.trials is not None and progress.tried >= spec.trials:
        return Ending(f"all {spec.trials} trials are done")
    if progress.failures >= spec.max_failures:
        return Ending(f"{progress.failures} trials in a row failed", ok=False, over=False)
    if spec.seconds is not None and _spent(progress) >= spec.seconds:
        return Ending(f"the time of {spec.seconds:g} s is spent", over=False)
    if spec.stop_at_goals and spec.goals and _goals_reached(spec, progress.front, baseline):
        return Ending("all goals are reached", over=False)
    if progress.repeats >= MAX_REPEATS:
        return Ending("the sampler has nothing new to propose")
    return None


def _spent(progress: Progress) -> float:
    """Seconds of this run with half of a typical trial: a budget is met on average, not overrun."""
    recent = progress.durations[-20:]
    typical = statistics.median(recent) if recent else 0.0
    return time.monotonic() - progress.begun + typical / 2


def _goals_reached(
    spec: StudySpec,
    front: Mapping[int, Mapping[str, float]],
    baseline: Mapping[str, float],
) -> bool:
    """Whether one member of the front, the baseline apart, reaches every goal on an objective."""
    names = {objective.name for objective in spec.objectives}
    goals = [goal for goal in spec.goals if goal.quantity in names]
    return any(
        all(
            goal.violation(values[goal.quantity], baseline.get(goal.quantity, 0.0)) <= 0
            for goal in goals
        )
        for number, values in front.items()
        if number != 0
    )
