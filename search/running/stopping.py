"""Stopping rules of a run. Pure functions of counts and values."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from paretune.search.study.spec import StudySpec

MAX_REPEATS = 100
"""The search ends after this many repeated proposals in a row: the sampler has nothing new."""


MOST_KEPT = 0.5
"""Largest share of a time budget that is kept for trainings with other seeds."""


@dataclass(frozen=True)
class Ending:
    """Why a run ended.

    Attributes:
        reason: Reason in words.
        ok: False if the run gave up.
        over: Whether nothing is left to propose; otherwise the study can go on, with more time.
        exhausted: Whether more trials would find nothing to propose either.
        again: Whether the same command continues the study.
        stopped: Whether the user asked for it, by `paretune stop` or on the page.
    """

    reason: str
    ok: bool = True
    over: bool = True
    exhausted: bool = False
    again: bool = False
    stopped: bool = False


STOPPED = Ending("stopped on request", over=False, again=True, stopped=True)
"""The end of a run that the user stopped."""


@dataclass
class Progress:
    """The progress of a run.

    Attributes:
        begun: Start of the run, on the monotonic clock.
        done: Finished trials of the study that repeat no other.
        waiting: Trials that racing has paused.
        failures: Failed trials in a row.
        repeats: Proposals in a row that repeat a plan.
        durations: Seconds of each trial of this run.
        front: Trial number -> values, for the members of the front.
        plans: Number of plans of the space, once every one of them has a trial; else None.
        exhausted: Whether a grid too large to list has no assignment left.
        held: Seconds of this run in which the user wanted a pause.
        listed: Whether the plans of the space can be listed, so that repeats do not end the run.
    """

    begun: float
    done: int = 0
    waiting: int = 0
    failures: int = 0
    repeats: int = 0
    durations: list[float] = field(default_factory=list)
    front: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    plans: int | None = None
    exhausted: bool = False
    listed: bool = False
    held: float = 0.0

    @property
    def tried(self) -> int:
        """Trials of the budget that are finished or paused."""
        return self.done + self.waiting


def ending(spec: StudySpec, progress: Progress, baseline: Mapping[str, float]) -> Ending | None:
    """Returns why the run stops now, or None if it goes on."""
    if progress.plans is not None:
        return Ending(plans_text(progress.plans), exhausted=True)
    if spec.trials is not None and progress.tried >= spec.trials:
        return Ending(f"all {spec.trials} trials are done")
    if progress.failures >= spec.max_failures:
        return Ending(f"{progress.failures} trials in a row failed", ok=False, over=False)
    if spec.seconds is not None and _spent(progress) + _kept(spec, progress) >= spec.seconds:
        return Ending(f"the time of {spec.seconds:g} s is spent", over=False, again=True)
    if spec.stop_at_goals and spec.goals and _goals_reached(spec, progress.front, baseline):
        return Ending("all goals are reached", over=False)
    if progress.exhausted:
        return Ending("every plan of the space has been tried", exhausted=True)
    if progress.repeats >= MAX_REPEATS and not progress.listed:
        return Ending("the sampler has nothing new to propose", exhausted=True)
    return None


def plans_text(plans: int) -> str:
    """Returns why a run ends after the last plan of a finite space."""
    return f"all {plans} plans are done" if plans > 1 else "the only plan is done"


def _spent(progress: Progress) -> float:
    """Returns the seconds of this run plus half a typical trial, to meet a budget on average."""
    recent = progress.durations[-20:]
    typical = statistics.median(recent) if recent else 0.0
    return time.monotonic() - progress.begun - progress.held + typical / 2


def _kept(spec: StudySpec, progress: Progress) -> float:
    """Returns the seconds that are kept to train the front again with other seeds."""
    if spec.repeats < 2 or spec.seconds is None or not progress.durations:
        return 0.0
    typical = statistics.median(progress.durations[-20:])
    trainings = (spec.repeats - 1) * sum(number != 0 for number in progress.front)
    return min(MOST_KEPT * spec.seconds, trainings * typical)


def _goals_reached(
    spec: StudySpec,
    front: Mapping[int, Mapping[str, float]],
    baseline: Mapping[str, float],
) -> bool:
    """Returns whether a trial of the front, without the baseline, reaches every objective goal."""
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
