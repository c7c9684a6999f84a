"""The history of the front, computed again from the stored trials. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from paretune.search.front.growth import FrontTracker
from paretune.search.study.records import Axis, FrontPoint, TrialRecord


def front_history(
    trials: Iterable[TrialRecord],
    axes: Sequence[Axis],
    baseline: Mapping[str, float] | None,
    classes: int | None,
) -> list[FrontPoint]:
    """Returns the front after each trial that changed it, in the order in which the trials ended.

    Args:
        trials: Trials with values and violations of the present version.
        axes: The objectives.
        baseline: The baseline's values; None in a study without a baseline.
        classes: Number of classes, which gives the chance level; None if there are none.
    """
    tracker = FrontTracker(axes, baseline, classes)
    chosen = [trial for trial in trials if trial.feasible and trial.repeat_of is None]
    chosen.sort(key=lambda trial: (trial.number > 0, trial.finished or 0.0, trial.number))
    return [
        tracker.point(trial.number, trial.finished)
        for trial in chosen
        if tracker.add(trial.number, trial.values)
    ]
